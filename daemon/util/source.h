#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

/*
 * How slow the sender of a stream may be. Only the time spent waiting for the sender
 * counts, not the time that the unpacker takes.
 */
struct source_pace {
	unsigned int
		idle_sec; /* the next byte must arrive within this; also the window */
	uint64_t bytes_per_sec; /* minimum over each window; 0 = any rate */
};

/*
 * The client's file descriptor as a source of archive bytes. It is shared with the
 * client, who may be hostile: its flags and offset are not ours, its size is a rumour,
 * and what it is decides the kernel's word alone.
 */
struct source {
	int fd;	       /* borrowed */
	bool seekable; /* a regular file: pread with an offset of our own */
	uint64_t offset;
	uint64_t expected; /* bytes from offset to the end; 0 for a stream */
	struct source_pace pace;
	uint64_t silent_ns;    /* waited for the next byte so far */
	uint64_t window_ns;    /* waited for the sender in this window */
	uint64_t window_bytes; /* received in it */
};

/*
 * Looks at fd and refuses, in words for the client, what is no archive: directories,
 * devices, files of the kernel (procfs and the like), event fds, fds not open for
 * reading, empty files.
 */
int source_init(struct source *source, int fd, const struct source_pace *pace,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Reads up to size bytes; waits for a stream's next bytes as long as its pace allows.
 * The number of bytes, 0 at the end, -errno.
 */
ssize_t source_read(struct source *source, void *buf, size_t size, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* The same without waiting: for a stream, poll() comes first. -EAGAIN: nothing yet. */
ssize_t source_read_once(struct source *source, void *buf, size_t size,
			 struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
