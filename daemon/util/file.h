#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/errinfo.h"

/* Small files: read as a whole, replaced at once. */

/* What frees room on a full disk. 0: try again; -ENOSPC: there was nothing to free. */
struct file_room {
	int (*make)(void *userdata, struct errinfo *ei);
	void *userdata;
};

/*
 * Replaces name durably: writes ".NAME.tmp" (mode 0600), fsync, rename, fsync of the
 * directory. A reader sees the old file or the new one; a crash may leave the temporary
 * file. On a full disk it tries once more after room->make(); room may be NULL.
 */
int file_replace(int dir_fd, const char *name, const char *text,
		 const struct file_room *room, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 3, 5)));

/*
 * The whole file, NUL-terminated; the caller frees. -ENOENT leaves ei alone; a file
 * longer than max is -EFBIG.
 */
int file_read(int dir_fd, const char *name, size_t max, char **ret_text,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* True when a read failed because of what is on the disk, and will fail again. */
bool file_is_damaged(int err);

/* fsync of a directory; what names it in the message. Never tried again. */
int dir_sync(int fd, const char *what, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
