#pragma once

#include <jansson.h>
#include <stddef.h>

/* What doctor found: each with its reason and the command or line that mends it. */

#define FINDING_TEXT_MAX 2048

struct finding {
	const char *id;	 /* a word for scripts: never renamed */
	const char *why; /* one sentence */
	char what[FINDING_TEXT_MAX];
	char fix[FINDING_TEXT_MAX]; /* may have several lines */
};

/* Starts as {0}. */
struct findings {
	struct finding *list;
	size_t n, capacity;
};

/*
 * Adds one; id and why are static. Ends the program when there is no memory. what and
 * fix are filled by the two below, which are about the last one.
 */
void finding_add(struct findings *findings, const char *id, const char *why)
	__attribute__((nonnull));
void finding_what(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
void finding_fix(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/* The first one of that id; NULL. */
const struct finding *finding_find(const struct findings *findings, const char *id)
	__attribute__((nonnull));
void findings_deinit(struct findings *findings) __attribute__((nonnull));
