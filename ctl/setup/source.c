#include "setup/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "deploy/cleanup.h"
#include "setup/walk.h"

#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static int open_absolute(const char *path, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int dir_fd = -1;
	const char *name = strrchr(path, '/') + 1;
	char parent[PATH_MAX];
	int fd, r;

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(name - 1 - path), path);
	r = root_fd < 0 ? -errno : walk_open(root_fd, parent, NULL, NULL, &dir_fd, ei);
	if (r == -ENOENT)
		return errinfo_set(ei, r, "cannot read '%s'", path);
	if (r < 0)
		return r;
	fd = openat(dir_fd, name, READ_FLAGS | O_NOFOLLOW);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot read '%s'", path);
	*ret_fd = fd;
	return 0;
}

static int open_relative(const char *path, int *ret_fd, struct errinfo *ei)
{
	const struct open_how how = {.flags = READ_FLAGS,
				     .resolve = RESOLVE_NO_SYMLINKS |
						RESOLVE_NO_MAGICLINKS};
	cleanup_close int fd =
		(int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st, here;

	if (fd < 0 && errno == ELOOP) {
		fd = open(path, READ_FLAGS);
		if (fd >= 0 && (fstat(fd, &st) < 0 || stat(".", &here) < 0 ||
				st.st_uid != here.st_uid))
			return errinfo_refuse(
				ei, RESULT_FAILED,
				"'%s' leads through a link to a file that is not the "
				"project owner's; copy the file itself there",
				path);
	}
	if (fd < 0)
		return errinfo_set(ei, errno,
				   "cannot read '%s' (it is looked for in the current "
				   "directory)",
				   path);
	*ret_fd = steal_fd(&fd);
	return 0;
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
	int r = path[0] == '/' ? open_absolute(path, &fd, ei)
			       : open_relative(path, &fd, ei);

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
