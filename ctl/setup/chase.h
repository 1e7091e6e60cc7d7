#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "deploy/errinfo.h"

#define CHASE_LINKS_MAX 32 /* followed on one path */

/*
 * The one walk of root along a path that others may have a hand in, component by
 * component and by descriptors.
 */

/*
 * Asked to make a missing directory `name` in dir_fd; `path` is for messages. 0,
 * negative errno with ei filled, or -ENOENT to leave it missing.
 */
typedef int chase_make(int dir_fd, const char *name, const char *path, void *userdata,
		       struct errinfo *ei);

/* Sees every component, links too, before it is followed. Below 0 the walk ends so. */
typedef int chase_check(const struct stat *st, const char *path, void *userdata);

struct chase {
	int root_fd;	    /* which the path is below, as chroot(2) would see it */
	chase_make *make;   /* NULL: what is missing stays so */
	chase_check *check; /* NULL: none */
	void *userdata;
	bool any_link; /* to examine only: follow those that others could change */
};

/*
 * Opens (O_PATH) the directory at path. Links are followed where nobody but root or the
 * caller can have put them, others are refused with a message.
 *
 * 0 and *ret_fd, which the caller closes; -ENOENT without a word in ei; what check
 * returned; other negative errno, -ENOTDIR for what is no directory.
 */
int chase_open(const struct chase *chase, const char *path, int *ret_fd,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
