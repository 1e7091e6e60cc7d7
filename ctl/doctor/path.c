#include "doctor/path.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 32

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

/* Puts what the link at done leads to in front of rest. */
static bool follow(char done[PATH_MAX], char rest[2 * PATH_MAX])
{
	char target[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t n = readlink(done, target, sizeof(target) - 1);
	char *slash = strrchr(done, '/');

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (target[0] == '/')
		done[0] = '\0';
	else if (slash)
		*slash = '\0';
	if ((size_t)snprintf(joined, sizeof(joined), "%s/%s", target, rest) >=
	    sizeof(joined))
		return false;
	(void)strcpy(rest, joined);
	return true;
}

static bool step(char done[PATH_MAX], char rest[2 * PATH_MAX])
{
	size_t skip = strspn(rest, "/"), n = strcspn(rest + skip, "/");
	char name[NAME_MAX + 1];
	char *slash;
	size_t length = strlen(done);

	if (n == 0 || n > NAME_MAX || length + n + 2 > PATH_MAX)
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", (int)n, rest + skip);
	memmove(rest, rest + skip + n, strlen(rest + skip + n) + 1);
	if (strcmp(name, "..") == 0) {
		slash = strrchr(done, '/');
		if (slash)
			*slash = '\0';
	} else if (strcmp(name, ".") != 0) {
		(void)snprintf(done + length, PATH_MAX - length, "/%s", name);
	}
	return true;
}

static bool walk(const char *path, bool parents_only, char ret_bad[PATH_MAX],
		 char ret_who[128])
{
	char done[PATH_MAX] = "", rest[2 * PATH_MAX];
	unsigned int n_links = 0;
	struct stat st;

	(void)snprintf(rest, sizeof(rest), "%s", path);
	while (step(done, rest)) {
		bool is_last = rest[strspn(rest, "/")] == '\0';

		if (parents_only && is_last)
			return true;
		if (lstat(*done ? done : "/", &st) < 0)
			return true;
		if (!is_roots(&st)) {
			(void)snprintf(ret_bad, PATH_MAX, "%s", done);
			tell_who(&st, ret_who);
			return false;
		}
		if (S_ISLNK(st.st_mode) &&
		    (++n_links > LINKS_MAX || !follow(done, rest)))
			return true;
	}
	return true;
}

bool path_is_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
{
	return walk(path, false, ret_bad, ret_who);
}

bool path_parents_are_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
{
	return walk(path, true, ret_bad, ret_who);
}
