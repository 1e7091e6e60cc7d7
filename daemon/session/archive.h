#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "util/source.h"

/*
 * The archive: read ahead from the client's fd into memory, SESSION_AHEAD_BYTES at
 * most, and from there into deployd's pipe once there is one. The client's fd is shared
 * with the client: its flags are never changed, and a read from it may hang for ever.
 *
 * deployd is told how the archive ended before the pipe is closed, so that it knows
 * whether the pipe's end is the archive's.
 */
enum archive_state {
	ARCHIVE_NONE,
	ARCHIVE_STARTED,  /* too little has arrived for a job to take its turn */
	ARCHIVE_FLOWS,	  /* enough has */
	ARCHIVE_COMPLETE, /* read to its end */
	ARCHIVE_FAILED,
};

struct archive {
	enum archive_state state;
	enum archive_state told; /* what deployd was told last */
	struct source source;
	uint64_t bytes; /* read so far */
	char *ahead;	/* a ring of SESSION_AHEAD_BYTES */
	size_t start, length;
	int pump_fd; /* -1: not yet */
	struct errinfo error;
};

/* Makes an empty one, without fds. */
void archive_init(struct archive *archive) __attribute__((nonnull));

/*
 * Begins to read from fd, which it owns from here. -1 means that the client did not
 * pass it; then, and when fd is not an archive, the state is ARCHIVE_FAILED.
 */
void archive_start(struct archive *archive, int fd) __attribute__((nonnull));

/* Takes over the write end of deployd's pipe; closes it if nothing is wanted. */
void archive_pump_into(struct archive *archive, int pump_fd) __attribute__((nonnull));

/* True until the archive was written completely, has failed or was dropped. */
bool archive_is_wanted(const struct archive *archive) __attribute__((nonnull));

/* True when it may be read: now (if_file), or as soon as poll() says so (otherwise). */
bool archive_may_read(const struct archive *archive, bool if_file)
	__attribute__((nonnull));

/* True when there is something to write into the pipe. */
bool archive_may_write(const struct archive *archive) __attribute__((nonnull));

/* Reads once; only the fd itself can make it wait. */
void archive_read(struct archive *archive) __attribute__((nonnull));

/* Writes as much as the pipe takes. If the reader has gone, the archive is dropped. */
void archive_write(struct archive *archive) __attribute__((nonnull));

/*
 * Closes whatever is finished. Call it after deployd has been told the state, since it
 * closes the pipe. It closes the client's fd last, and that may never return.
 */
void archive_settle(struct archive *archive) __attribute__((nonnull));

/* The archive is no longer wanted. */
void archive_drop(struct archive *archive) __attribute__((nonnull));
