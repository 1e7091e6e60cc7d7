#pragma once

#include "deploy/errinfo.h"

#define WALK_LINKS_MAX 32 /* followed on one path */

/*
 * Opens (O_PATH) the directory at path below root_fd, as chroot(2) would see it. Links
 * are followed where nobody but root or the caller can have put them, others are
 * refused with a message. make, when not NULL, is asked to make a missing directory
 * `name` in dir_fd; `path` is for messages. It returns 0 or negative errno with ei
 * filled, and -ENOENT to leave it missing.
 *
 * 0 and *ret_fd, which the caller closes; -ENOENT without a word in ei; other negative
 * errno.
 */
typedef int walk_make(int dir_fd, const char *name, const char *path, void *userdata,
		      struct errinfo *ei);
int walk_open(int root_fd, const char *path, walk_make *make, void *userdata,
	      int *ret_fd, struct errinfo *ei)
	__attribute__((nonnull(2, 5, 6), warn_unused_result));
