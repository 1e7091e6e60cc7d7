#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

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
	unsigned int idle_sec;
};

/*
 * Looks at fd and refuses, in words for the client, what is no archive: directories,
 * devices, files of the kernel (procfs and the like), event fds, fds not open for
 * reading, empty files.
 */
int source_init(struct source *source, int fd, unsigned int idle_sec,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Reads up to size bytes; waits for a stream's next bytes at most idle_sec. The number
 * of bytes, 0 at the end, -errno.
 */
ssize_t source_read(struct source *source, void *buf, size_t size, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* The same without waiting: for a stream, poll() comes first. -EAGAIN: nothing yet. */
ssize_t source_read_once(struct source *source, void *buf, size_t size,
			 struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
