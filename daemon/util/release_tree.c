#include "util/release_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define PATH_ROOM 4096

/* An entry of a directory that is root's already: it cannot be exchanged any more. */
struct found {
	struct tree_entry entry; /* without an fd */
	struct treewalk_mount mount;
};

struct walk {
	struct release_tree *tree;
	gid_t gid;
	bool second; /* takes over the files with several names */
	char path[PATH_ROOM];
};

struct level {
	struct walk *walk;
	size_t path_length, depth;
};

static int check_inode(const struct release_tree *tree, const struct found *found,
		       struct errinfo *ei)
{
	const struct tree_entry *entry = &found->entry;
	const struct stat *st = &entry->st;

#ifndef BREAK_SEAL_ANY_OWNER
	if (st->st_uid != tree->unpack_uid)
		return inode_refuse(ei, entry, "does not belong to the unpacker");
#endif
#ifndef BREAK_SEAL_ANY_TYPE
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return inode_refuse(ei, entry, "is neither file, directory nor link");
#endif
#ifndef BREAK_SEAL_SETUID
	if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0)
		return inode_refuse(ei, entry, "has a setuid, setgid or sticky bit");
#endif
	return treewalk_mount_same(&found->mount, &tree->mount)
		       ? 0
		       : inode_refuse(ei, entry, "is on another mount");
}

static int verify(struct release_tree *tree, const struct found *found,
		  struct errinfo *ei)
{
	const struct tree_entry *entry = &found->entry;
	const struct stat *st = &entry->st;
	int r;

	if (++tree->entries > tree->max_entries)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_entries (%llu) entries",
				      (unsigned long long)tree->max_entries);
	if (entry->depth > tree->max_depth)
		return inode_refuse(ei, entry, "is nested deeper than max_depth");
	r = check_inode(tree, found, ei);
	if (r < 0)
		return r;
	if (S_ISLNK(st->st_mode))
		return inode_check_link(tree->root_fd, entry, tree->link_targets, ei);
#ifndef BREAK_SEAL_XATTRS
	if (inode_entry_has_foreign_xattr(entry->dir_fd, entry->name))
		return inode_refuse(ei, entry, "has extended attributes");
#endif
	if (S_ISDIR(st->st_mode))
		return 0;
	if (st->st_nlink > 1 && inode_links_add(&tree->links, st) < 0)
		return errinfo_set(ei, ENOMEM, "cannot verify the release");
	tree->files++;
	tree->bytes += (uint64_t)st->st_size;
	if (tree->bytes > tree->max_bytes)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_release_bytes (%llu) bytes",
				      (unsigned long long)tree->max_bytes);
	return 0;
}

static const char *shown(const char *path, char buf[256])
{
	return names_escape(path, buf, 256);
}

/* Chown first, then chmod: root without CAP_FOWNER may change what is root's. */
static int own(const struct walk *walk, const struct tree_entry *entry,
	       struct errinfo *ei)
{
	const mode_t mode = inode_mode(&entry->st);
	char text[256];

	if (fchownat(entry->dir_fd, entry->name, 0, walk->gid, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    (!S_ISLNK(entry->st.st_mode) && (entry->st.st_mode & 07777) != mode &&
	     fchmodat(entry->dir_fd, entry->name, mode, 0) < 0))
		return errinfo_set(ei, errno, "cannot take over '%s'",
				   shown(entry->path, text));
	return 0;
}

static bool has_several_names(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink > 1;
}

/* Through a name outside of the tree a foreign file would be taken over. */
static int take_first(struct walk *walk, const struct found *found, struct errinfo *ei)
{
	int r = verify(walk->tree, found, ei);

	if (r < 0 || has_several_names(&found->entry.st))
		return r;
	return own(walk, &found->entry, ei);
}

static int take_second(struct walk *walk, const struct found *found, struct errinfo *ei)
{
	int r;

	/* Another name of a file that is ours by now. */
	if (!has_several_names(&found->entry.st) || found->entry.st.st_uid == 0)
		return 0;
	r = check_inode(walk->tree, found, ei);
	return r < 0 ? r : own(walk, &found->entry, ei);
}

/* All that is asked about an inode, in one call. */
static int examine(struct found *found, struct errinfo *ei)
{
	struct tree_entry *entry = &found->entry;
	struct statx stx;
	char text[256];

	if (statx(entry->dir_fd, entry->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		  STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'",
				   shown(entry->path, text));
	entry->st = (struct stat){
		.st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor),
		.st_ino = stx.stx_ino,
		.st_mode = stx.stx_mode,
		.st_nlink = stx.stx_nlink,
		.st_uid = stx.stx_uid,
		.st_gid = stx.stx_gid,
		.st_size = (off_t)stx.stx_size,
	};
	found->mount = (struct treewalk_mount){
		.dev_major = stx.stx_dev_major,
		.dev_minor = stx.stx_dev_minor,
		.id = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0,
	};
	return 0;
}

static int take_entry(int dir_fd, const char *name, void *userdata, struct errinfo *ei)
{
	const struct level *level = userdata;
	struct walk *walk = level->walk;
	struct found found = {.entry = {.dir_fd = dir_fd,
					.name = name,
					.path = walk->path,
					.fd = -1,
					.depth = level->depth}};
	size_t length = level->path_length + strlen(name) + (level->path_length > 0);
	char text[256];
	int r;

	if (length >= PATH_ROOM || level->depth > TREEWALK_DEPTH_MAX)
		return errinfo_refuse(ei, RESULT_REJECTED, "'%s' is nested too deep",
				      shown(walk->path, text));
	(void)snprintf(walk->path + level->path_length, PATH_ROOM - level->path_length,
		       "%s%s", level->path_length > 0 ? "/" : "", name);
	r = examine(&found, ei);
	if (r == 0)
		r = walk->second ? take_second(walk, &found, ei)
				 : take_first(walk, &found, ei);
	if (r == 0 && S_ISDIR(found.entry.st.st_mode)) {
		struct level below = {walk, length, level->depth + 1};
		cleanup_close int fd = openat(
			dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return errinfo_set(ei, errno, "cannot open '%s'",
					   shown(walk->path, text));
		r = dir_for_each(fd, take_entry, &below, ei);
	}
	walk->path[level->path_length] = '\0';
	return r;
}

static int take_all(struct release_tree *tree, gid_t gid, bool second,
		    struct errinfo *ei)
{
	struct walk walk = {.tree = tree, .gid = gid, .second = second};
	struct level top = {&walk, 0, 1};

	return dir_for_each(tree->root_fd, take_entry, &top, ei);
}

int release_tree_take(struct release_tree *tree, gid_t gid, struct errinfo *ei)
{
	struct stat st;
	int r = treewalk_mount_of(tree->root_fd, &tree->mount);

	if (r < 0 || fstat(tree->root_fd, &st) < 0)
		return errinfo_set(ei, r < 0 ? r : errno,
				   "cannot examine the staging directory");
	if (st.st_uid != tree->unpack_uid)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "the staging directory changed hands");
	if (fchown(tree->root_fd, 0, gid) < 0 || fchmod(tree->root_fd, 0750) < 0)
		return errinfo_set(ei, errno, "cannot take over the release");
	r = take_all(tree, gid, false, ei);
	if (r == 0)
		r = inode_links_check(&tree->links, ei);
	return r < 0 || tree->links.n == 0 ? r : take_all(tree, gid, true, ei);
}

void release_tree_deinit(struct release_tree *tree)
{
	inode_links_deinit(&tree->links);
}
