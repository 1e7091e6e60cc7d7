#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bus/transient.h"

/* A command in a transient unit, with what it writes. */

struct capture_options {
	/* stdout_path, and stderr_path when with_stderr, are ignored. */
	struct transient_options unit;
	size_t bytes_max; /* kept; what is more is read and dropped */
	bool tail;	  /* keep the last bytes, not the first */
	bool with_stderr;
};

struct capture_outcome {
	const struct transient_outcome *unit;
	const char *text; /* ends in a NUL, may have others; borrowed */
	size_t length;
	bool truncated;
};

struct capture;

/*
 * done is called once, never from within, when the unit has ended and its output is
 * read. NULL only without memory.
 */
struct capture *
capture_start(struct units *units, const struct capture_options *options,
	      void (*done)(void *userdata, const struct capture_outcome *outcome),
	      void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* Stops the unit; done is not called. Accepts NULL. */
void capture_cancel(struct capture *capture);
