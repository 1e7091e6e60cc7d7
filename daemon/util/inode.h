#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "util/treewalk.h"

/* What is asked of every inode before it becomes root's: of an archive's, and of an
 * old installation's. */

/* RESULT_REJECTED: "'PATH' why". Returns -EINVAL. */
int inode_refuse(struct errinfo *ei, const struct tree_entry *entry, const char *why)
	__attribute__((nonnull));

/* Refuses what is on another mount than the root of the walk. */
int inode_check_mount(const struct tree_entry *entry,
		      const struct treewalk_mount *mount, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Also when they cannot be read. security.selinux is the kernel's own. */
bool inode_has_foreign_xattr(int fd);

/* The same of an entry, no link, of a directory that only root can change. */
bool inode_entry_has_foreign_xattr(int dir_fd, const char *name)
	__attribute__((nonnull));

/*
 * Refuses a link that may lead out of the tree root_fd other than to allowed paths, by
 * the rule that deployd-unpack goes by (entryname.h).
 */
int inode_check_link(int root_fd, const struct tree_entry *entry,
		     const char *const *allowed, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 4)));

/* Names of files that have several. Starts as {0}. */
struct inode_links {
	struct inode_link *list;
	size_t n, capacity;
};

/* Counts one name; 0 or -ENOMEM. */
int inode_links_add(struct inode_links *links, const struct stat *st)
	__attribute__((warn_unused_result, nonnull));

/*
 * Refuses when one of the files has a name that was not counted: through it somebody
 * outside could write to the file. The names are sorted from here on.
 */
int inode_links_check(struct inode_links *links, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Was a name of this file counted? After inode_links_check(). */
bool inode_links_have(const struct inode_links *links, const struct stat *st)
	__attribute__((nonnull));
void inode_links_deinit(struct inode_links *links) __attribute__((nonnull));

/* The mode that it has in a release. */
mode_t inode_mode(const struct stat *st) __attribute__((nonnull));

/* Makes it root:gid with the mode; links have none. fd may be O_PATH. 0 or -errno. */
int inode_own(int fd, const struct stat *st, mode_t mode, gid_t gid)
	__attribute__((warn_unused_result, nonnull));

/*
 * Opens (O_PATH) what is at the relative path below root_fd, following no link; -errno.
 * The caller closes.
 */
int inode_find(int root_fd, const char *path)
	__attribute__((warn_unused_result, nonnull));
