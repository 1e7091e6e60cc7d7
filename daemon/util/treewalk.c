#include "util/treewalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define PATH_ROOM 4096

/* Takes over dir_fd. */
static int visit_all(int dir_fd, dir_visit_fn *visit, void *userdata,
		     struct errinfo *ei)
{
	DIR *dir = fdopendir(dir_fd);
	int r = 0;

	if (!dir) {
		r = errinfo_set(ei, errno, "cannot read a directory");
		(void)close(dir_fd);
		return r;
	}
	while (r >= 0) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			if (errno != 0)
				r = errinfo_set(ei, errno, "cannot read a directory");
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(dirfd(dir), entry->d_name, userdata, ei);
	}
	(void)closedir(dir);
	return r;
}

int dir_for_each(int dir_fd, dir_visit_fn *visit, void *userdata, struct errinfo *ei)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? errinfo_set(ei, errno, "cannot read a directory")
		      : visit_all(fd, visit, userdata, ei);
}

struct walk {
	bool after;
	int (*visit)(const struct tree_entry *entry, void *userdata,
		     struct errinfo *ei);
	void *userdata;
	char path[PATH_ROOM];
};

static const char *shown(const char *path, char buf[256])
{
	return names_escape(path, buf, 256);
}

/* One directory of a walk. */
struct level {
	struct walk *walk;
	size_t path_length, depth;
};

static int walk_entry(int dir_fd, const char *name, void *userdata, struct errinfo *ei)
{
	const struct level *level = userdata;
	struct walk *walk = level->walk;
	cleanup_close int fd = -1;
	struct tree_entry entry = {.dir_fd = dir_fd,
				   .name = name,
				   .path = walk->path,
				   .depth = level->depth};
	size_t length = level->path_length + strlen(name) + (level->path_length > 0);
	char text[256];
	int r = 0;

	if (length >= PATH_ROOM || level->depth > TREEWALK_DEPTH_MAX)
		return errinfo_refuse(ei, RESULT_REJECTED, "'%s' is nested too deep",
				      shown(walk->path, text));
	(void)snprintf(walk->path + level->path_length, PATH_ROOM - level->path_length,
		       "%s%s", level->path_length > 0 ? "/" : "", name);
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &entry.st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'",
				   shown(walk->path, text));
	entry.fd = fd;
	if (!walk->after)
		r = walk->visit(&entry, walk->userdata, ei);
	if (r >= 0 && S_ISDIR(entry.st.st_mode)) {
		struct level below = {walk, length, level->depth + 1};
		/* Not by its name: it may stand for another directory by now. */
		int sub = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (sub < 0)
			return errinfo_set(ei, errno, "cannot open '%s'",
					   shown(walk->path, text));
		r = visit_all(sub, walk_entry, &below, ei);
		walk->path[length] = '\0';
	}
	if (r >= 0 && walk->after)
		r = walk->visit(&entry, walk->userdata, ei);
	walk->path[level->path_length] = '\0';
	return r < 0 ? r : 0;
}

int tree_walk(int root_fd, bool after,
	      int (*visit)(const struct tree_entry *entry, void *userdata,
			   struct errinfo *ei),
	      void *userdata, struct errinfo *ei)
{
	struct walk walk = {.after = after, .visit = visit, .userdata = userdata};
	struct level top = {&walk, 0, 1};

	return dir_for_each(root_fd, walk_entry, &top, ei);
}

/* One call of tree_remove(). */
struct removal {
	int top_fd;
	struct treewalk_mount mount;
	unsigned int n_moved; /* directories brought up from too far down */
};

int treewalk_mount_of(int fd, struct treewalk_mount *ret_mount)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_MNT_ID,
		  &stx) < 0)
		return -errno;
	*ret_mount = (struct treewalk_mount){
		.dev_major = stx.stx_dev_major,
		.dev_minor = stx.stx_dev_minor,
		/* Before Linux 5.8 the device is all there is. */
		.id = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0,
	};
	return 0;
}

bool treewalk_mount_same(const struct treewalk_mount *a, const struct treewalk_mount *b)
{
	/* Overlayfs and btrfs give the files of one mount several devices. */
	if (a->id != 0 || b->id != 0)
		return a->id == b->id;
	return a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

#ifdef BREAK_REMOVE_CROSSES_MOUNTS
static int check_mount(const struct removal *removal, int fd)
{
	(void)removal, (void)fd;
	return 0;
}
#else
/* What is mounted in the tree is somebody else's. */
static int check_mount(const struct removal *removal, int fd)
{
	struct treewalk_mount mount = {0};
	int r = treewalk_mount_of(fd, &mount);

	if (r < 0)
		return r;
	return treewalk_mount_same(&mount, &removal->mount) ? 0 : -EBUSY;
}
#endif

/* A directory that can be listed and emptied, whoever made it. */
static int open_owned(const struct removal *removal, int dir_fd, const char *name)
{
	cleanup_close int path_fd = -1;
	char self[64];
	struct stat st;
	int fd, r;

	path_fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return -errno;
	r = check_mount(removal, path_fd);
	if (r < 0)
		return r;
	if (st.st_uid != 0 &&
	    fchownat(path_fd, "", 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((st.st_mode & S_IRWXU) != S_IRWXU) {
		/* fchmod() refuses an O_PATH fd; this names the same inode. */
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
		if (chmod(self, 0700) < 0)
			return -errno;
	}
	fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* To the top, where the walk comes by again: fds are few, and depth has no limit. */
static int move_up(struct removal *removal, int dir_fd, const char *name)
{
	cleanup_close int fd = open_owned(removal, dir_fd, name);
	char moved[32];

	if (fd < 0)
		return fd;
	/* What is there may be called so already. */
	do {
		(void)snprintf(moved, sizeof(moved), ".deep-%u", removal->n_moved++);
		if (renameat2(dir_fd, name, removal->top_fd, moved, RENAME_NOREPLACE) ==
		    0)
			return 0;
	} while (errno == EEXIST);
	return -errno;
}

/* The entries of one directory that is being emptied. */
struct emptying {
	struct removal *removal;
	size_t depth;
};

static int remove_entry(int dir_fd, const char *name, void *userdata,
			struct errinfo *ei)
{
	const struct emptying *emptying = userdata;
	struct emptying below = {emptying->removal, emptying->depth + 1};
	int sub, r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (emptying->depth >= TREEWALK_DEPTH_MAX)
		return move_up(emptying->removal, dir_fd, name);
	sub = open_owned(emptying->removal, dir_fd, name);
	r = sub < 0 ? sub : visit_all(sub, remove_entry, &below, ei);
	if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

static int remove_tree(struct removal *removal, int dir_fd, const char *name,
		       struct errinfo *ei)
{
	struct emptying top = {removal, 1};
	unsigned int n_moved;
	int fd, r;

	do {
		n_moved = removal->n_moved;
		fd = open_owned(removal, dir_fd, name);
		if (fd < 0)
			return fd;
		removal->top_fd = fd;
		r = visit_all(fd, remove_entry, &top, ei);
		if (r < 0)
			return r;
	} while (removal->n_moved > n_moved);
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int tree_remove(int dir_fd, const char *name, struct errinfo *ei)
{
	struct removal removal = {.top_fd = -1};
	char text[256];
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	r = errno == EISDIR ? treewalk_mount_of(dir_fd, &removal.mount) : -errno;
	if (r == 0)
		r = remove_tree(&removal, dir_fd, name, ei);
	return r < 0 ? errinfo_set(ei, r, "cannot remove '%s'", shown(name, text)) : 0;
}
