#include "util/nss.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"

/* A group of many members needs much; one that needs more is refused. */
#define NSS_BUFFER_BYTES     (64u << 10)
#define NSS_BUFFER_BYTES_MAX (16u << 20)

static FILE *open_file(int root_fd, const char *path)
{
	int fd = openat(root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");

	if (!file && fd >= 0)
		(void)close(fd);
	return file;
}

/* 0 and *ret_found (NULL: none), or an errno; ERANGE wants more room. */
static int get_user(int root_fd, const char *name, struct passwd *entry, char *buffer,
		    size_t size, struct passwd **ret_found)
{
	cleanup_file FILE *file = NULL;
	int r;

	*ret_found = NULL;
	if (root_fd < 0)
		return getpwnam_r(name, entry, buffer, size, ret_found);
	file = open_file(root_fd, "etc/passwd");
	if (!file)
		return errno;
	while ((r = fgetpwent_r(file, entry, buffer, size, ret_found)) == 0)
		if (strcmp(entry->pw_name, name) == 0)
			return 0;
	*ret_found = NULL;
	return r == ENOENT ? 0 : r;
}

static int get_group(int root_fd, const char *name, struct group *entry, char *buffer,
		     size_t size, struct group **ret_found)
{
	cleanup_file FILE *file = NULL;
	int r;

	*ret_found = NULL;
	if (root_fd < 0)
		return getgrnam_r(name, entry, buffer, size, ret_found);
	file = open_file(root_fd, "etc/group");
	if (!file)
		return errno;
	while ((r = fgetgrent_r(file, entry, buffer, size, ret_found)) == 0)
		if (strcmp(entry->gr_name, name) == 0)
			return 0;
	*ret_found = NULL;
	return r == ENOENT ? 0 : r;
}

int nss_user(int root_fd, const char *name, uid_t *ret_uid, gid_t *ret_gid,
	     char *ret_home, size_t home_size)
{
	int r = ERANGE;

	for (size_t size = NSS_BUFFER_BYTES;
	     r == ERANGE && size <= NSS_BUFFER_BYTES_MAX; size *= 4) {
		cleanup_free char *buffer = malloc(size);
		struct passwd entry, *found = NULL;

		if (!buffer)
			return -ENOMEM;
		r = get_user(root_fd, name, &entry, buffer, size, &found);
		if (r == 0 && !found)
			r = ENOENT;
		if (r == 0) {
			*ret_uid = entry.pw_uid;
			*ret_gid = entry.pw_gid;
			if (ret_home)
				(void)snprintf(ret_home, home_size, "%s", entry.pw_dir);
		}
	}
	return -r;
}

int nss_group(int root_fd, const char *name, const char *member, gid_t *ret_gid,
	      bool *ret_is_member)
{
	int r = ERANGE;

	*ret_is_member = false;
	for (size_t size = NSS_BUFFER_BYTES;
	     r == ERANGE && size <= NSS_BUFFER_BYTES_MAX; size *= 4) {
		cleanup_free char *buffer = malloc(size);
		struct group entry, *found = NULL;

		if (!buffer)
			return -ENOMEM;
		r = get_group(root_fd, name, &entry, buffer, size, &found);
		if (r == 0 && !found)
			r = ENOENT;
		if (r != 0)
			continue;
		*ret_gid = entry.gr_gid;
		for (char **p = entry.gr_mem; member && *p; p++)
			*ret_is_member |= strcmp(*p, member) == 0;
	}
	return -r;
}
