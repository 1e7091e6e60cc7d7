#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"
#include "util/inode.h"
#include "util/treewalk.h"

/*
 * What deployd-unpack left becomes a release. Nothing that the unpacker said is
 * believed: every inode is examined first, and the tree is refused unless each is a
 * plain file, directory or link of unpack_uid, on one file system, with no other name
 * outside, no setuid, setgid or sticky bit and no extended attributes, and within the
 * limits. Nothing of a tree that is refused is fit for use.
 */
struct release_tree {
	int root_fd; /* borrowed */
	uid_t unpack_uid;
	uint64_t max_bytes, max_entries, max_depth;
	const char *const
		*link_targets; /* NULL-terminated; absolute ones that may be */
	/* found by release_tree_verify(): */
	uint64_t bytes, entries, files;
	struct treewalk_mount mount;
	struct inode_links links;
};

/* RESULT_REJECTED: by the entry's name and why. Changes nothing. */
int release_tree_verify(struct release_tree *tree, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Makes all of a verified tree root:gid, directories and executables 0750, files 0640.
 * What has changed its owner or type since is refused.
 */
int release_tree_own(struct release_tree *tree, gid_t gid, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

void release_tree_deinit(struct release_tree *tree) __attribute__((nonnull));
