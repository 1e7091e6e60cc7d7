#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "deploy/errinfo.h"
#include "deploy/limits.h"

/*
 * Walks of a directory tree by file descriptors alone: no path is resolved twice and no
 * link is followed, whatever somebody renames meanwhile.
 */

#define TREEWALK_DEPTH_MAX RELEASE_DEPTH_MAX /* max_depth is not more */

typedef int dir_visit_fn(int dir_fd, const char *name, void *userdata,
			 struct errinfo *ei);

/*
 * Calls visit with every name in the directory but "." and "..", until it returns a
 * negative number, which is returned. dir_fd may be O_PATH; the one that visit gets is
 * another fd of the same directory.
 */
int dir_for_each(int dir_fd, dir_visit_fn *visit, void *userdata, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 4)));

struct tree_entry {
	int dir_fd;	  /* the directory it is in */
	const char *name; /* in dir_fd */
	const char *path; /* from the root of the walk, for messages; not escaped */
	int fd;		  /* O_PATH of the entry itself */
	size_t depth;	  /* 1 = directly in the root */
	struct stat st;
};

/*
 * Calls visit for every entry below root_fd, a directory before (after = false) or
 * after what is in it. A negative return stops the walk and is returned. Readable
 * directories only.
 */
int tree_walk(int root_fd, bool after,
	      int (*visit)(const struct tree_entry *entry, void *userdata,
			   struct errinfo *ei),
	      void *userdata, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(3, 5)));

/*
 * Removes dir_fd/name and all below it, however deep; nothing there is no error. Needs
 * CAP_CHOWN only: what another uid closed off is made root's own first. A directory on
 * which something is mounted is left alone with all that is in it: -EBUSY.
 */
int tree_remove(int dir_fd, const char *name, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Tells one mount from another, also two of the same file system. */
struct treewalk_mount {
	uint32_t dev_major, dev_minor;
	uint64_t id;
};

/* 0 or negative errno. fd may be O_PATH. */
int treewalk_mount_of(int fd, struct treewalk_mount *ret_mount)
	__attribute__((warn_unused_result, nonnull));

bool treewalk_mount_same(const struct treewalk_mount *a, const struct treewalk_mount *b)
	__attribute__((nonnull));
