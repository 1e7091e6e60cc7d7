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

#define OPEN_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

int safedir_check(int fd, const char *path, struct errinfo *ei)
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

static int make_directory(int dir_fd, const char *name, const struct safedir_new *how)
{
	char temporary[NAME_MAX + 1];
	cleanup_close int fd = -1;

	(void)snprintf(temporary, sizeof(temporary), ".%.240s" SAFEDIR_SUFFIX,
		       name[0] == '.' ? name + 1 : name);
	if (mkdirat(dir_fd, temporary, 0700) < 0 &&
	    (errno != EEXIST || unlinkat(dir_fd, temporary, AT_REMOVEDIR) < 0 ||
	     mkdirat(dir_fd, temporary, 0700) < 0))
		return -errno;
	fd = openat(dir_fd, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* The mode first: root without CAP_FOWNER may change what is root's. */
	if (fd < 0 || fchmod(fd, how->mode) < 0 || fchown(fd, how->uid, how->gid) < 0 ||
	    fsync(fd) < 0 ||
	    renameat2(dir_fd, temporary, dir_fd, name, RENAME_NOREPLACE) < 0 ||
	    fsync(dir_fd) < 0)
		return -errno;
	return 0;
}

#ifdef BREAK_DIRECTORY_IN_PLACE
static int make_in_place(int dir_fd, const char *name, const struct safedir_new *how)
{
	cleanup_close int fd = -1;

	(void)make_directory;
	if (mkdirat(dir_fd, name, 0700) < 0)
		return -errno;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, how->mode) < 0 || fchown(fd, how->uid, how->gid) < 0)
		return -errno;
	return 0;
}
#endif

/* Root without CAP_DAC_OVERRIDE is shut out of what another user owns. */
static int explain_denied(int dir_fd, const char *name, const char *path,
			  struct errinfo *ei)
{
	cleanup_close int fd = openat(dir_fd, name, O_PATH | OPEN_FLAGS);
	int r = fd < 0 ? 0 : safedir_check(fd, path, ei);

	return r < 0 ? r : errinfo_set(ei, EACCES, "cannot open '%s'", path);
}

int safedir_open_at(int dir_fd, const char *name, const char *path, int access,
		    const struct safedir_new *how, int *ret_fd, struct errinfo *ei)
{
	int fd = openat(dir_fd, name, access | OPEN_FLAGS), r;

	if (fd < 0 && errno == ENOENT && how) {
#ifdef BREAK_DIRECTORY_IN_PLACE
		r = make_in_place(dir_fd, name, how);
#else
		r = make_directory(dir_fd, name, how);
#endif
		/* Somebody else may have made it meanwhile. */
		if (r < 0 && r != -EEXIST && r != -ENOENT)
			return errinfo_set(ei, r, "cannot make '%s'", path);
		fd = openat(dir_fd, name, access | OPEN_FLAGS);
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		(void)errinfo_refuse(ei, RESULT_BAD_CONFIG,
				     "'%s' is not a directory (links are not followed)",
				     path);
		return -ENOTDIR;
	}
	if (fd < 0 && errno == EACCES)
		return explain_denied(dir_fd, name, path, ei);
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

static int walk(char *rest, int access, const struct safedir_new *how, int *parent_fd,
		int *ret_fd, struct errinfo *ei)
{
	char done[PATH_MAX] = "", *name;
	cleanup_close int fd = -1;
	size_t length = 0;
	int r;

	if (!next_component(&rest, &name))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'/' is no directory of an app");
	for (;;) {
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return errinfo_refuse(ei, RESULT_BAD_CONFIG,
					      "a path may not contain '%s'", name);
		length += (size_t)snprintf(done + length, sizeof(done) - length, "/%s",
					   name);
		r = safedir_open_at(*parent_fd, name, done, access, how, &fd, ei);
		if (r < 0)
			return r;
		if (!next_component(&rest, &name))
			break;
		r = safedir_check(fd, done, ei);
		if (r < 0)
			return r;
		(void)close(*parent_fd);
		*parent_fd = steal_fd(&fd);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

int safedir_open(const char *path, int access, const struct safedir_new *how,
		 int *ret_parent_fd, int *ret_fd, struct errinfo *ei)
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
	*ret_parent_fd = open("/", access | OPEN_FLAGS);
	if (*ret_parent_fd < 0)
		return errinfo_set(ei, errno, "cannot open '/'");
	r = safedir_check(*ret_parent_fd, "/", ei);
	if (r < 0) {
		(void)close(*ret_parent_fd);
		*ret_parent_fd = -1;
		return r;
	}
	return walk(copy, access, how, ret_parent_fd, ret_fd, ei);
}
