#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer line is sent in pieces. */
#define LINE_BYTES_MAX 65536

/*
 * deployd's pipe of log lines, as JSON strings. What is not UTF-8, and NUL, becomes
 * U+FFFD: JSON has no other way to say it.
 */
struct lines {
	int fd; /* -1: none */
	uint64_t request;
	char *data; /* LINE_BYTES_MAX */
	size_t length;
	bool ended; /* read to the end, which deployd has not been told */
};

void lines_init(struct lines *lines) __attribute__((nonnull));

/* Takes over fd, and ends what was before. -ENOMEM. */
int lines_start(struct lines *lines, int fd, uint64_t request)
	__attribute__((warn_unused_result, nonnull));

/*
 * Reads once. An array of the whole lines that came, which may be empty; NULL when
 * there is nothing to read yet. At the end the line that has none is one, too.
 */
json_t *lines_read(struct lines *lines) __attribute__((warn_unused_result, nonnull));

/* The text of length bytes as a JSON string. NULL without memory. */
json_t *lines_text(const char *text, size_t length)
	__attribute__((warn_unused_result, nonnull));

void lines_close(struct lines *lines) __attribute__((nonnull));
