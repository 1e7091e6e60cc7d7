#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "util/source.h"

/*
 * The archive: read ahead from the client's fd into memory, SESSION_AHEAD_BYTES at
 * most, and from there into deployd's pipe once there is one. The client's fd is shared
 * with the client: its flags are never changed, and a read of it may hang for ever.
 *
 * How it ended is told before the pipe is closed: who sees the pipe's end can know
 * whether it was the archive's.
 */
enum archive_state {
	ARCHIVE_NONE,
	ARCHIVE_STARTED,  /* not enough is here for a job to take its turn */
	ARCHIVE_FLOWS,	  /* it is */
	ARCHIVE_COMPLETE, /* read to its end */
	ARCHIVE_FAILED,
};

struct archive {
	enum archive_state state;
	enum archive_state told; /* the last that deployd was told */
	struct source source;
	uint64_t bytes; /* read so far */
	char *ahead;	/* a ring of SESSION_AHEAD_BYTES */
	size_t start, length;
	int pump_fd; /* -1: not yet */
	struct errinfo error;
};

/* -1 for the fds; nothing else is needed for an empty one. */
void archive_init(struct archive *archive) __attribute__((nonnull));

/*
 * Begins to read from fd, which it owns from here; it may be -1, for one that is not
 * there. What is no archive is ARCHIVE_FAILED.
 */
void archive_start(struct archive *archive, int fd) __attribute__((nonnull));

/* The write end of deployd's pipe, owned from here. Nothing wanted: it is closed. */
void archive_pump_into(struct archive *archive, int pump_fd) __attribute__((nonnull));

/* True until the archive was written whole, has failed or is not wanted. */
bool archive_is_wanted(const struct archive *archive) __attribute__((nonnull));

/* True when it can be read from now (if_file), or once poll() says so (otherwise). */
bool archive_may_read(const struct archive *archive, bool if_file)
	__attribute__((nonnull));

/* True when there is something to write into the pipe. */
bool archive_may_write(const struct archive *archive) __attribute__((nonnull));

/* Reads once, without waiting but for what the fd itself makes wait. */
void archive_read(struct archive *archive) __attribute__((nonnull));

/* Writes what the pipe takes. When its reader has gone, nothing is wanted any more. */
void archive_write(struct archive *archive) __attribute__((nonnull));

/*
 * Ends what is over. To be called when deployd has been told the state, since it closes
 * the pipe; the client's fd last, which may never return.
 */
void archive_settle(struct archive *archive) __attribute__((nonnull));

/* Nothing more is wanted. */
void archive_drop(struct archive *archive) __attribute__((nonnull));
