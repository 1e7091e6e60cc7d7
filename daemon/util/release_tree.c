#include "util/release_tree.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/names.h"

static int check_inode(const struct release_tree *tree, const struct tree_entry *entry,
		       struct errinfo *ei)
{
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
	return inode_check_mount(entry, &tree->mount, ei);
}

static int verify(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct release_tree *tree = userdata;
	const struct stat *st = &entry->st;
	int r;

	if (++tree->entries > tree->max_entries)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_entries (%llu) entries",
				      (unsigned long long)tree->max_entries);
	if (entry->depth > tree->max_depth)
		return inode_refuse(ei, entry, "is nested deeper than max_depth");
	r = check_inode(tree, entry, ei);
	if (r < 0)
		return r;
	if (S_ISLNK(st->st_mode))
		return inode_check_link(tree->root_fd, entry, tree->link_targets, ei);
#ifndef BREAK_SEAL_XATTRS
	if (inode_has_foreign_xattr(entry->fd))
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

struct ownership {
	const struct release_tree *tree;
	gid_t gid;
};

static int own(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	const struct ownership *ownership = userdata;
	char path[256];
	int r;

	/* Another name of a file that is ours by now is all that may have changed. */
	if (entry->st.st_uid != 0 || entry->st.st_nlink < 2 ||
	    !S_ISREG(entry->st.st_mode)) {
		r = check_inode(ownership->tree, entry, ei);
		if (r < 0)
			return r;
	}
	r = inode_own(entry->fd, &entry->st, inode_mode(&entry->st), ownership->gid);
	return r < 0 ? errinfo_set(ei, r, "cannot take over '%s'",
				   names_escape(entry->path, path, sizeof(path)))
		     : 0;
}

int release_tree_verify(struct release_tree *tree, struct errinfo *ei)
{
	struct stat st;
	int r = treewalk_mount_of(tree->root_fd, &tree->mount);

	if (r < 0 || fstat(tree->root_fd, &st) < 0)
		return errinfo_set(ei, r < 0 ? r : errno,
				   "cannot examine the staging directory");
	if (st.st_uid != tree->unpack_uid)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "the staging directory changed hands");
	r = tree_walk(tree->root_fd, false, verify, tree, ei);
	return r < 0 ? r : inode_links_check(&tree->links, ei);
}

int release_tree_own(struct release_tree *tree, gid_t gid, struct errinfo *ei)
{
	struct ownership ownership = {tree, gid};
	int r = tree_walk(tree->root_fd, true, own, &ownership, ei);

	if (r == 0 &&
	    (fchown(tree->root_fd, 0, gid) < 0 || fchmod(tree->root_fd, 0750) < 0))
		r = errinfo_set(ei, errno, "cannot take over the release");
	return r;
}

void release_tree_deinit(struct release_tree *tree)
{
	inode_links_deinit(&tree->links);
}
