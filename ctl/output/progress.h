#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Progress on stderr: one line that changes on a terminal, plain lines elsewhere. Time
 * is an argument: program_now_ms().
 */

struct progress {
	bool off;
	bool bar;
	bool drawn; /* the cursor is behind a bar */
	char phase[32];
	int64_t phase_ms;    /* when the phase began */
	int64_t phase_bytes; /* bytes at that time */
	int64_t last_line_ms;
};

void progress_init(struct progress *progress, bool off) __attribute__((nonnull));

/* Takes a line of the stream, in snake_case. */
void progress_show(struct progress *progress, const json_t *item, int64_t now_ms)
	__attribute__((nonnull));

/* Removes the bar, so that something else can be written, or at the end. */
void progress_clear(struct progress *progress) __attribute__((nonnull));

/* "28.1 MB", "640 B" */
#define PROGRESS_BYTES_SIZE 16
char *progress_bytes(int64_t bytes, char ret_text[PROGRESS_BYTES_SIZE])
	__attribute__((nonnull));

/* The text alone, at most width columns; 0: a line of a log, without a bar. */
void progress_format(const struct progress *progress, const json_t *item,
		     int64_t now_ms, unsigned int width, char *ret_text, size_t size)
	__attribute__((nonnull));
