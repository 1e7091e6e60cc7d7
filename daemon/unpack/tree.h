#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "deploy/errinfo.h"
#include "util/entryname.h"

/*
 * The tree being unpacked. Files are made by openat() from a directory fd that was
 * itself reached component by component without following links, so there is no path
 * for an archive to play with. Not openat2(): the unit's RestrictSUIDSGID= makes that
 * ENOSYS. All paths are canonical (entryname.h). Refusals name the entry.
 */
struct tree {
	int root_fd;	       /* borrowed */
	struct tree_dir *dirs; /* open directories from the root down to the last one */
	size_t depth;	       /* used of dirs */
	size_t max_depth;
	uint64_t entries; /* made so far */
	uint64_t max_entries;
};

int tree_init(struct tree *tree, int root_fd, size_t max_depth, uint64_t max_entries,
	      struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Makes the directory and those above it; one that exists is fine. */
int tree_make_dir(struct tree *tree, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Makes an empty file and the directories above it; the fd is the caller's. A file of
 * that name that has no other name is emptied, *ret_replaced is its size; else it is
 * -1, and it has the mode. Any other name that exists is refused.
 */
int tree_create_file(struct tree *tree, const char *path, mode_t mode,
		     int64_t *ret_replaced, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* Makes path another name of target, a regular file made before. */
int tree_make_hardlink(struct tree *tree, const char *path, const char *target,
		       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Makes a symbolic link. The caller has checked target and makes links last. */
int tree_make_symlink(struct tree *tree, const char *path, const char *target,
		      struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Is there a directory at path, no link and below none? userdata is the tree. */
bool tree_is_dir(const char *path, void *userdata)
	__attribute__((nonnull, warn_unused_result));

void tree_deinit(struct tree *tree) __attribute__((nonnull));
