#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * /etc/subuid (subuid(5)): lines OWNER:FIRST:COUNT. Every range that newuidmap(1) would
 * lend must be found here, so numbers are read the same way: also hexadecimal and
 * octal.
 */

#define SUBUID_OWNER_MAX 255 /* bytes of a name */

struct subuid_range {
	unsigned int line;
	char owner[SUBUID_OWNER_MAX + 1]; /* a name, or a uid in digits */
	uint32_t first, count;		  /* count >= 1; first + count <= UINT32_MAX */
};

struct subuid_reader {
	void (*on_range)(const struct subuid_range *range, void *userdata);
	/* A line that is skipped, and why. */
	void (*on_fault)(unsigned int line, const char *why, void *userdata);
	void *userdata;
};

/* Reads a whole file. Empty lines and those that begin with # are ignored. */
void subuid_parse(const char *text, size_t length, const struct subuid_reader *reader)
	__attribute__((nonnull));
