#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A longer line is split. */
#define LINE_BYTES_MAX 65536

/*
 * Turns deployd's pipe of log lines into JSON strings. NUL and bytes that are not UTF-8
 * become U+FFFD, since JSON cannot carry them.
 */
struct lines {
	int fd; /* -1: none */
	uint64_t request;
	char *data; /* LINE_BYTES_MAX */
	size_t length;
	bool ended; /* read to the end, but deployd has not been told yet */
};

void lines_init(struct lines *lines) __attribute__((nonnull));

/* Takes over fd, and closes the previous one. -ENOMEM. */
int lines_start(struct lines *lines, int fd, uint64_t request)
	__attribute__((warn_unused_result, nonnull));

/*
 * Reads once. An array of the complete lines that arrived, which may be empty; NULL
 * when there is nothing to read yet. At the end, an unterminated line counts as
 * complete.
 */
json_t *lines_read(struct lines *lines) __attribute__((warn_unused_result, nonnull));

/* The text of length bytes as a JSON string. NULL without memory. */
json_t *lines_text(const char *text, size_t length)
	__attribute__((warn_unused_result, nonnull));

void lines_close(struct lines *lines) __attribute__((nonnull));
