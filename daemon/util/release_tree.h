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
	/* found by release_tree_take(): */
	uint64_t bytes, entries, files;
	struct treewalk_mount mount;
	struct inode_links links;
};

/*
 * Verifies all and makes it root:gid, directories and executables 0750, files 0640.
 * RESULT_REJECTED: by the entry's name and why; what was seen until then may be root's.
 * A directory becomes root's before it is read: from then on nobody can put something
 * else in the place of what was verified. A file with several names is taken over when
 * all of them were found in the tree.
 */
int release_tree_take(struct release_tree *tree, gid_t gid, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

void release_tree_deinit(struct release_tree *tree) __attribute__((nonnull));
