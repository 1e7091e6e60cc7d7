#include "util/treewalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define PATH_ROOM 4096

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

static int walk_dir(struct walk *walk, int dir_fd, size_t path_length, size_t depth,
		    struct errinfo *ei);

static int walk_entry(struct walk *walk, int dir_fd, const char *name,
		      size_t path_length, size_t depth, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	struct tree_entry entry = {
		.dir_fd = dir_fd, .name = name, .path = walk->path, .depth = depth};
	size_t length = path_length + strlen(name) + (path_length > 0);
	char text[256];
	int r = 0;

	if (length >= PATH_ROOM || depth > TREEWALK_DEPTH_MAX)
		return errinfo_refuse(ei, RESULT_REJECTED, "'%s' is nested too deep",
				      shown(walk->path, text));
	(void)snprintf(walk->path + path_length, PATH_ROOM - path_length, "%s%s",
		       path_length > 0 ? "/" : "", name);
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &entry.st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'",
				   shown(walk->path, text));
	entry.fd = fd;
	if (!walk->after)
		r = walk->visit(&entry, walk->userdata, ei);
	if (r >= 0 && S_ISDIR(entry.st.st_mode)) {
		int sub = openat(dir_fd, name,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (sub < 0)
			return errinfo_set(ei, errno, "cannot open '%s'",
					   shown(walk->path, text));
		r = walk_dir(walk, sub, length, depth + 1, ei);
		walk->path[length] = '\0';
	}
	if (r >= 0 && walk->after)
		r = walk->visit(&entry, walk->userdata, ei);
	walk->path[path_length] = '\0';
	return r < 0 ? r : 0;
}

/* Takes over dir_fd. */
static int walk_dir(struct walk *walk, int dir_fd, size_t path_length, size_t depth,
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
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = walk_entry(walk, dirfd(dir), entry->d_name, path_length, depth, ei);
	}
	(void)closedir(dir);
	return r;
}

int tree_walk(int root_fd, bool after,
	      int (*visit)(const struct tree_entry *entry, void *userdata,
			   struct errinfo *ei),
	      void *userdata, struct errinfo *ei)
{
	cleanup_free struct walk *walk = calloc(1, sizeof(*walk));
	int fd;

	if (!walk)
		return errinfo_set(ei, ENOMEM, "cannot walk a tree");
	walk->after = after;
	walk->visit = visit;
	walk->userdata = userdata;
	fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open a directory");
	return walk_dir(walk, fd, 0, 1, ei);
}

/* A directory that can be listed and emptied, whoever made it. */
static int open_owned(int dir_fd, const char *name)
{
	cleanup_close int path_fd = -1;
	char self[64];
	struct stat st;

	path_fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (path_fd < 0 || fstat(path_fd, &st) < 0)
		return -errno;
	if (st.st_uid != 0 &&
	    fchownat(path_fd, "", 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((st.st_mode & S_IRWXU) != S_IRWXU) {
		/* fchmod() refuses an O_PATH fd; this names the same inode. */
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
		if (chmod(self, 0700) < 0)
			return -errno;
	}
	path_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return path_fd < 0 ? -errno : steal_fd(&path_fd);
}

/* Takes over dir_fd. */
static int remove_contents(int dir_fd, size_t depth)
{
	DIR *dir = fdopendir(dir_fd);
	int r = 0;

	if (!dir) {
		(void)close(dir_fd);
		return -ENOMEM;
	}
	while (r == 0) {
		const struct dirent *entry = readdir(dir);
		int sub;

		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR) {
			r = -errno;
			break;
		}
		if (depth >= TREEWALK_DEPTH_MAX) {
			r = -ELOOP;
			break;
		}
		sub = open_owned(dirfd(dir), entry->d_name);
		r = sub < 0 ? sub : remove_contents(sub, depth + 1);
		if (r == 0 && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	}
	(void)closedir(dir);
	return r;
}

int tree_remove(int dir_fd, const char *name, struct errinfo *ei)
{
	char text[256];
	int fd, r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return errinfo_set(ei, errno, "cannot remove '%s'", shown(name, text));
	fd = open_owned(dir_fd, name);
	r = fd < 0 ? fd : remove_contents(fd, 1);
	if (r == 0 && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 ? errinfo_set(ei, r, "cannot remove '%s'", shown(name, text)) : 0;
}
