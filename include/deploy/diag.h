#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Messages about configuration files, "file:line: what is wrong, what to do". All of
 * them are collected, never only the first. Bounded: past DIAG_MESSAGES_MAX the last
 * one says how many more there were. What was said already is not said again.
 */
#define DIAG_MESSAGES_MAX 100

struct diag {
	char **messages; /* owned */
	size_t n_messages;
	size_t n_dropped;
	bool has_errors; /* false when there are only warnings */
};

/* line 0: the message is about the whole file. Text from the file is escaped by the
 * callee's caller. */
void diag_error(struct diag *diag, const char *file, unsigned int line, const char *fmt,
		...) __attribute__((format(printf, 4, 5), nonnull(1, 2, 4)));
void diag_warning(struct diag *diag, const char *file, unsigned int line,
		  const char *fmt, ...)
	__attribute__((format(printf, 4, 5), nonnull(1, 2, 4)));

void diag_deinit(struct diag *diag) __attribute__((nonnull));
