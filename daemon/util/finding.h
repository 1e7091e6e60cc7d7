#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FINDING_MESSAGE_SIZE 1024
#define FINDING_EXCERPT_MAX  512	/* bytes of the body */
#define FINDING_OUTPUT_MAX   (1u << 20) /* bytes of the line, with the newline */

/* What a check found: becomes the one line of output. */
struct finding {
	bool passed;
	char message[FINDING_MESSAGE_SIZE];
	long status; /* HTTP status, 0: there was no answer */
	char excerpt[4 * FINDING_EXCERPT_MAX + 1]; /* escaped; with a status only */
	int64_t took_ms;			   /* -1: not a matter of time */
	json_t *processes;   /* of a verification, else NULL; owned */
	bool truncated;	     /* not all processes are there */
	bool unit_truncated; /* nor all of the app's unit */
};

/* Says how the check ended, in words. Untrusted texts must be escaped by the caller. */
void finding_pass(struct finding *finding, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
void finding_fail(struct finding *finding, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/*
 * Keeps the first bytes of a body without the line end behind them, escaped: NUL, too,
 * which names_escape() ends at.
 */
void finding_excerpt(struct finding *finding, const char *body, size_t length)
	__attribute__((nonnull(1)));

/*
 * The line with its newline, not terminated, malloc'ed. What would be longer than
 * FINDING_OUTPUT_MAX loses processes from its end and is marked as truncated. Takes the
 * reference on finding->processes. NULL: no memory.
 */
char *finding_line(struct finding *finding, size_t *ret_length)
	__attribute__((nonnull, warn_unused_result));
