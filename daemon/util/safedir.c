#include "util/safedir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"

#define OPEN_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int check_safe(int fd, const char *path, struct errinfo *ei)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", path);
	if (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	return errinfo_refuse(
		ei, RESULT_BAD_CONFIG,
		"unsafe path: '%s' can be changed by others than root (owner %u, mode "
		"%04o); run: chown root '%s' && chmod go-w '%s'",
		path, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777, path,
		path);
}

static int open_component(int dir_fd, const char *name, const char *path, int *ret_fd,
			  struct errinfo *ei)
{
	int fd = openat(dir_fd, name, OPEN_FLAGS);

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		(void)errinfo_refuse(ei, RESULT_BAD_CONFIG,
				     "'%s' is not a directory (links are not followed)",
				     path);
		return -ENOTDIR;
	}
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* Cuts the next component off *rest; false at the end of the path. */
static bool next_component(char **rest, char **ret_name)
{
	*rest += strspn(*rest, "/");
	if (**rest == '\0')
		return false;
	*ret_name = *rest;
	*rest += strcspn(*rest, "/");
	if (**rest == '/')
		*(*rest)++ = '\0';
	return true;
}

static int walk(char *rest, int *parent_fd, int *ret_fd, struct errinfo *ei)
{
	char done[PATH_MAX] = "", *name;
	cleanup_close int fd = -1;
	size_t length = 0;
	int r;

	if (!next_component(&rest, &name))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'/' is no directory of "
				      "an app");
	for (;;) {
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return errinfo_refuse(ei, RESULT_BAD_CONFIG,
					      "a path may not contain '%s'", name);
		length += (size_t)snprintf(done + length, sizeof(done) - length, "/%s",
					   name);
		r = open_component(*parent_fd, name, done, &fd, ei);
		if (r < 0)
			return r;
		if (!next_component(&rest, &name))
			break;
		r = check_safe(fd, done, ei);
		if (r < 0)
			return r;
		(void)close(*parent_fd);
		*parent_fd = steal_fd(&fd);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int safedir_open(const char *path, int *ret_parent_fd, int *ret_fd, struct errinfo *ei)
{
	char copy[PATH_MAX];
	int r;

	*ret_parent_fd = -1;
	/* Half of it: the walk writes every component with one slash before it. */
	if (path[0] != '/' || strlen(path) >= sizeof(copy) / 2)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'%s' is not an absolute path of a usual length",
				      path);
	(void)strcpy(copy, path);
	*ret_parent_fd = open("/", OPEN_FLAGS);
	if (*ret_parent_fd < 0)
		return errinfo_set(ei, errno, "cannot open '/'");
	r = check_safe(*ret_parent_fd, "/", ei);
	if (r < 0) {
		(void)close(*ret_parent_fd);
		*ret_parent_fd = -1;
		return r;
	}
	return walk(copy, ret_parent_fd, ret_fd, ei);
}
