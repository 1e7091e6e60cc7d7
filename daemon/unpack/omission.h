#pragma once

#include <stdint.h>

#define OMISSION_NAME_BYTES 64	/* of an escaped name */
#define OMISSION_TEXT_BYTES 400 /* deployd keeps as many, job/job.h */

/* What was left out without being a reason to refuse. */
struct omission {
	uint64_t entries;
	char first[OMISSION_NAME_BYTES]; /* escaped */
};

struct omissions {
	struct omission stripped;     /* ACLs, extended attributes, capabilities */
	struct omission apple_double; /* files ._* of macOS */
	struct omission too_short;    /* names that strip_components uses up */
};

void omission_add(struct omission *omission, const char *path) __attribute__((nonnull));

/* What was left out, and the remedy; "" when that is nothing. Returns ret_text. */
char *omissions_text(const struct omissions *omissions,
		     char ret_text[OMISSION_TEXT_BYTES]) __attribute__((nonnull));
