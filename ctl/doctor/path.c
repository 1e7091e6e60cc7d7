#include "doctor/path.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "setup/chase.h"

static void tell_who(const struct stat *st, char ret_who[128])
{
	const struct passwd *user = st->st_uid != 0 ? getpwuid(st->st_uid) : NULL;
	const struct group *group = NULL;

	if (user)
		(void)snprintf(ret_who, 128, "user %s", user->pw_name);
	else if (st->st_uid != 0)
		(void)snprintf(ret_who, 128, "uid %u", (unsigned int)st->st_uid);
	else if ((st->st_mode & S_IWOTH) != 0)
		(void)snprintf(ret_who, 128, "everybody");
	else if ((group = getgrgid(st->st_gid)))
		(void)snprintf(ret_who, 128, "group %s", group->gr_name);
	else
		(void)snprintf(ret_who, 128, "gid %u", (unsigned int)st->st_gid);
}

/* In a sticky directory others can make names, but not touch those that are root's. */
static bool is_roots(const struct stat *st)
{
	if (st->st_uid != 0)
		return false;
	if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
		return true;
	return (st->st_mode & S_IWOTH) == 0 &&
	       ((st->st_mode & S_IWGRP) == 0 || st->st_gid == 0);
}

struct way {
	char *bad, *who; /* of the first that others can change */
};

static int check(const struct stat *st, const char *path, void *userdata)
{
	const struct way *way = userdata;

	if (is_roots(st))
		return 0;
	(void)snprintf(way->bad, PATH_MAX, "%s", path);
	tell_who(st, way->who);
	return -EPERM;
}

bool path_is_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
			  fd = -1;
	struct way way = {ret_bad, ret_who};
	const struct chase chase = {
		.root_fd = root_fd, .check = check, .userdata = &way, .any_link = true};
	struct errinfo ignored = {0};

	ret_bad[0] = '\0';
	/* What ends the way before (nothing there, no directory) is no finding. */
	return chase_open(&chase, path, &fd, &ignored) == 0 || ret_bad[0] == '\0';
}

bool path_parents_are_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash ? slash - path : 0),
		       path);
	return path_is_roots(parent, ret_bad, ret_who);
}
