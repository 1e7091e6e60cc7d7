#pragma once

#include <sys/types.h>

#include "deploy/errinfo.h"

/*
 * Directories on a path that others than root may try to redirect: opened component by
 * component, without following a link, each checked to be root's alone.
 */

/* A directory that is not complete yet is called ".NAME.new": see safedir_open_at(). */
#define SAFEDIR_SUFFIX ".new"

/* How a directory that is not there is made. */
struct safedir_new {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* RESULT_BAD_CONFIG, with the command that mends it, unless it is root's alone. */
int safedir_check(int fd, const char *path, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Opens name in dir_fd with access O_PATH or O_RDONLY; path is what messages call it.
 * What is not there is made, durably, where how is not NULL (dir_fd must not be O_PATH
 * then): complete under another name first, so that a crash leaves none that nobody may
 * enter.
 *
 * On failure *ret_fd is untouched. -ENOENT: not there, and how is NULL; -ENOTDIR: not a
 * directory; -EROFS: to be made, and the file system is read-only.
 */
int safedir_open_at(int dir_fd, const char *name, const char *path, int access,
		    const struct safedir_new *how, int *ret_fd, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 3, 6, 7)));

/*
 * Opens the directory at an absolute path in the same way. Whoever may write in a
 * directory on the way could make the path lead elsewhere, so each of them must be
 * root's and writable by nobody else; the last one may be anybody's. *ret_fd and
 * *ret_parent_fd are owned by the caller.
 *
 * On failure (as above; -EINVAL for an unsafe or odd path) *ret_fd is untouched, and
 * *ret_parent_fd is the deepest directory on the way that is safe, whose entries can
 * tell of a change; -1 when there is none. May block: not for an event loop.
 */
int safedir_open(const char *path, int access, const struct safedir_new *how,
		 int *ret_parent_fd, int *ret_fd, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 4, 5, 6)));
