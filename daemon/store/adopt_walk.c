/*
 * Every inode of an old installation is examined twice: before anything is changed, and
 * again when all is root's and holds still. What the deploy user changes in between
 * stays the deploy user's, or is refused the second time.
 */
#include "store/adopt_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

static bool is_owner(const struct adopt_walk *walk, uid_t uid)
{
	return uid == 0 || (!walk->ours && uid == walk->app->deploy_uid);
}

static int refuse_owner(struct errinfo *ei, const char *path, const struct stat *st)
{
	char shown[256];

	return errinfo_refuse(ei, RESULT_REJECTED,
			      "'%s' belongs to uid %u, neither root nor deploy_user",
			      names_escape(path, shown, sizeof(shown)),
			      (unsigned int)st->st_uid);
}

static int check_inode(const struct adopt_walk *walk, const struct tree_entry *entry,
		       struct errinfo *ei)
{
	const struct stat *st = &entry->st;

	if (!is_owner(walk, st->st_uid))
		return refuse_owner(ei, entry->path, st);
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return inode_refuse(ei, entry, "is neither file, directory nor link");
	/* On a directory they only say whose group new files get, or who may rename. */
	if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)) != 0)
		return inode_refuse(ei, entry, "has a setuid or setgid bit");
	return inode_check_mount(entry, &walk->mount, ei);
}

/*
 * Whoever opened the file while it was his can still write to it. A lease is refused as
 * long as there is such a process, also one that only has it mapped; where the file
 * system has no leases nothing can be known.
 */
static int check_writers(const struct tree_entry *entry, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", entry->fd);
	fd = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open a file");
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN)
		return inode_refuse(ei, entry,
				    "is open for writing in some process; end it "
				    "(`fuser -v FILE` tells which)");
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

static mode_t wanted_mode(const struct adopt_walk *walk, const struct stat *st)
{
	return S_ISREG(st->st_mode) && walk->file_mode ? walk->file_mode
						       : inode_mode(st);
}

static bool is_to_change(const struct adopt_walk *walk, const struct stat *st)
{
	return st->st_uid != 0 || st->st_gid != walk->app->app_gid ||
	       (!S_ISLNK(st->st_mode) &&
		(st->st_mode & 07777) != wanted_mode(walk, st));
}

/* The links that deployctl makes in scripts_dir lead out, and are root's. */
static int check_link(const struct adopt_walk *walk, const struct tree_entry *entry,
		      struct errinfo *ei)
{
	if (walk->root_links && entry->st.st_uid == 0)
		return 0;
	return inode_check_link(walk->root_fd, entry,
				walk->root_links ? NULL : walk->app->link_targets, ei);
}

static int examine(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct adopt_walk *walk = userdata;
	const struct stat *st = &entry->st;
	int r;

	if (++walk->entries > ADOPT_ENTRIES_MAX)
		return errinfo_refuse(ei, RESULT_REJECTED, "has more than %u entries",
				      ADOPT_ENTRIES_MAX);
	r = check_inode(walk, entry, ei);
	if (r < 0)
		return r;
	walk->n_changes += is_to_change(walk, st);
	if (S_ISLNK(st->st_mode))
		return check_link(walk, entry, ei);
	if (inode_has_foreign_xattr(entry->fd))
		return inode_refuse(
			ei, entry, "has extended attributes (an ACL, or capabilities)");
	if (S_ISDIR(st->st_mode))
		return 0;
	if (st->st_nlink > 1 && inode_links_add(walk->links, st) < 0)
		return errinfo_set(ei, ENOMEM, "cannot examine a file");
	walk->files++;
	walk->bytes += (uint64_t)st->st_size;
	return walk->ours ? check_writers(entry, ei) : 0;
}

int adopt_examine(int fd, struct adopt_walk *walk, struct errinfo *ei)
{
	struct stat st;
	int r = treewalk_mount_of(fd, &walk->mount);

	walk->root_fd = fd;
	walk->entries = walk->files = walk->bytes = walk->n_changes = 0;
	if (r < 0 || fstat(fd, &st) < 0)
		return errinfo_set(ei, r < 0 ? r : errno, "cannot examine a directory");
	if (!is_owner(walk, st.st_uid))
		return refuse_owner(ei, ".", &st);
	if (inode_has_foreign_xattr(fd))
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "has extended attributes (an ACL?)");
	walk->n_changes += is_to_change(walk, &st);
	return tree_walk(fd, false, examine, walk, ei);
}

static int take(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct adopt_walk *walk = userdata;
	const struct stat *st = &entry->st;
	char path[256];
	int r = check_inode(walk, entry, ei);

	if (r < 0)
		return r;
	/* A name that the first walk did not see may be one of somebody else's file. */
	if (S_ISREG(st->st_mode) && st->st_nlink > 1 &&
	    !inode_links_have(walk->links, st))
		return inode_refuse(ei, entry, "was linked just now");
	if (S_ISLNK(st->st_mode))
		r = check_link(walk, entry, ei);
	if (r < 0 || !is_to_change(walk, st))
		return r;
	r = inode_own(entry->fd, st, wanted_mode(walk, st), walk->app->app_gid);
	return r < 0 ? errinfo_set(ei, r, "cannot take over '%s'",
				   names_escape(entry->path, path, sizeof(path)))
		     : 0;
}

int adopt_take(int fd, struct adopt_walk *walk, struct inode_links *again_links,
	       struct errinfo *ei)
{
	struct adopt_walk again = *walk;
	struct stat st;
	int r;

	walk->root_fd = fd;
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine a directory");
	r = is_to_change(walk, &st) ? inode_own(fd, &st, 0750, walk->app->app_gid) : 0;
	if (r < 0)
		return errinfo_set(ei, r, "cannot take over a directory");
	r = tree_walk(fd, false, take, walk, ei);
	again.ours = true;
	again.links = again_links;
	return r < 0 ? r : adopt_examine(fd, &again, ei);
}

int adopt_examine_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		      struct errinfo *ei)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine a directory");
	if (st.st_uid != 0 && st.st_uid != app->deploy_uid)
		return refuse_owner(ei, ".", &st);
	if (inode_has_foreign_xattr(fd))
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "has extended attributes (an ACL?)");
	return st.st_uid != uid || st.st_gid != app->app_gid ||
	       (st.st_mode & 07777) != mode;
}

/* Root's first: then its mode can be changed. */
int adopt_take_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		   struct errinfo *ei)
{
	int r = adopt_examine_dir(fd, app, uid, mode, ei);

	if (r <= 0)
		return r;
	if (fchown(fd, 0, app->app_gid) < 0 || fchmod(fd, mode) < 0 ||
	    (uid != 0 && fchown(fd, uid, app->app_gid) < 0))
		return errinfo_set(ei, errno, "cannot take over a directory");
	return 0;
}
