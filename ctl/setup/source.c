#include "setup/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "setup/chase.h"

#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* The target of the link name in dir_fd, when nobody but root can have put it there. */
static bool read_roots_link(int dir_fd, const char *name, char ret_target[PATH_MAX])
{
	struct stat dir, link;
	ssize_t n;

	if (fstat(dir_fd, &dir) < 0 || dir.st_uid != 0 ||
	    (dir.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    fstatat(dir_fd, name, &link, AT_SYMLINK_NOFOLLOW) < 0 || link.st_uid != 0)
		return false;
	n = readlinkat(dir_fd, name, ret_target, PATH_MAX - 1);
	if (n < 0)
		return false;
	ret_target[n] = '\0';
	return true;
}

static int open_absolute(const char *path, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char now[2 * PATH_MAX], target[PATH_MAX], parent[PATH_MAX];

	(void)snprintf(now, sizeof(now), "%s", path);
	for (int i = 0; i < CHASE_LINKS_MAX && strlen(now) < PATH_MAX; i++) {
		cleanup_close int dir_fd = -1;
		const char *name = strrchr(now, '/') + 1;
		int fd, r;

		(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - 1 - now),
			       now);
		r = root_fd < 0 ? -errno
				: chase_open(&(struct chase){.root_fd = root_fd},
					     parent, &dir_fd, ei);
		if (r == -ENOENT)
			return errinfo_set(ei, r, "cannot read '%s'", path);
		if (r < 0)
			return r;
		fd = openat(dir_fd, name, READ_FLAGS | O_NOFOLLOW);
		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		r = -errno;
		if (r != -ELOOP || !read_roots_link(dir_fd, name, target))
			return errinfo_set(ei, r, "cannot read '%s'", path);
		(void)snprintf(now, sizeof(now), "%s%s%s",
			       target[0] == '/' ? "" : parent,
			       target[0] == '/' ? "" : "/", target);
	}
	return errinfo_set(ei, ELOOP, "cannot read '%s'", path);
}

/* Through links too: that they lead to the project owner's is seen afterwards. */
static int open_linked(const char *path, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	char here_path[PATH_MAX], absolute[2 * PATH_MAX];
	struct stat st, here;

	if (stat(".", &here) < 0 || !getcwd(here_path, sizeof(here_path)))
		return errinfo_set(ei, errno, "cannot find the current directory");
	/* That it is root's does not help: another user's link in the project can lead
	 * to it. */
	if (here.st_uid == 0) {
		(void)snprintf(absolute, sizeof(absolute), "%s/%s", here_path, path);
		if (strlen(absolute) >= PATH_MAX)
			return errinfo_set(ei, ENAMETOOLONG, "cannot read '%s'", path);
		return open_absolute(absolute, ret_fd, ei);
	}
	fd = open(path, READ_FLAGS);
	if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_uid != here.st_uid))
		return errinfo_refuse(
			ei, RESULT_FAILED,
			"'%s' leads through a link to a file that is not the project "
			"owner's; copy the file itself there",
			path);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot read '%s'", path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int open_relative(const char *path, int *ret_fd, struct errinfo *ei)
{
	const struct open_how how = {.flags = READ_FLAGS,
				     .resolve = RESOLVE_NO_SYMLINKS |
						RESOLVE_NO_MAGICLINKS};
	cleanup_close int fd =
		(int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0 && errno == ELOOP)
		return open_linked(path, ret_fd, ei);
	if (fd < 0)
		return errinfo_set(ei, errno,
				   "cannot read '%s' (a relative path starts at the "
				   "current directory)",
				   path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int source_open(const char *path, int *ret_fd, struct errinfo *ei)
{
	return path[0] == '/' ? open_absolute(path, ret_fd, ei)
			      : open_relative(path, ret_fd, ei);
}

static int read_all(int fd, size_t size, char *data)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(fd, data + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN; /* it became shorter */
		length += (size_t)n;
	}
	return 0;
}

int source_read(const char *path, char **ret_data, size_t *ret_length,
		struct errinfo *ei)
{
	cleanup_close int fd = -1;
	cleanup_free char *data = NULL;
	struct stat st;
	int r = source_open(path, &fd, ei);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", path);
	if (!S_ISREG(st.st_mode))
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s' is not a regular file; name files, for "
				      "instance with '%s/*'",
				      path, path);
	if (st.st_size > SOURCE_BYTES_MAX)
		return errinfo_set(ei, EFBIG, "cannot copy '%s'", path);
	data = malloc((size_t)st.st_size + 1);
	r = data ? read_all(fd, (size_t)st.st_size, data) : -ENOMEM;
	if (r < 0)
		return errinfo_set(ei, r, "cannot read '%s'", path);
	*ret_data = steal_ptr(&data);
	*ret_length = (size_t)st.st_size;
	return 0;
}
