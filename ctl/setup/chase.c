/*
 * A path, walked below a root. Root writes where this leads, so nobody else may steer
 * it: what a user may have put on the way is a directory of his own at most.
 */
#include "setup/chase.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"

struct walk {
	const struct chase *chase;
	int fd; /* where we are */
	struct stat root, here;
	char rest[2 * PATH_MAX]; /* not walked yet */
	char done[PATH_MAX];	 /* for messages */
	unsigned int n_links;
};

static bool is_trusted(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* Takes over fd. */
static int step_to(struct walk *walk, int fd, struct errinfo *ei)
{
	if (walk->fd >= 0)
		(void)close(walk->fd);
	walk->fd = fd;
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", walk->done);
	if (fstat(fd, &walk->here) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", walk->done);
	return 0;
}

static int step_to_root(struct walk *walk, struct errinfo *ei)
{
	walk->done[0] = '\0';
	return step_to(walk, fcntl(walk->chase->root_fd, F_DUPFD_CLOEXEC, 3), ei);
}

static int step_up(struct walk *walk, struct errinfo *ei)
{
	char *slash = strrchr(walk->done, '/');

	if (walk->here.st_dev == walk->root.st_dev &&
	    walk->here.st_ino == walk->root.st_ino)
		return 0; /* as in a chroot */
	if (slash)
		*slash = '\0';
	return step_to(walk, openat(walk->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC),
		       ei);
}

/* Puts the target of the link fd in front of the rest. */
static int follow(struct walk *walk, int fd, const struct stat *link, const char *path,
		  struct errinfo *ei)
{
	char target[PATH_MAX], rest[sizeof(walk->rest)];
	ssize_t n;

	if (!walk->chase->any_link && (!is_trusted(link) || !is_trusted(&walk->here) ||
				       (walk->here.st_mode & (S_IWGRP | S_IWOTH)) != 0))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "unsafe path: '%s' is a link that others than "
				      "root can change; remove it, or name the place "
				      "itself",
				      path);
	if (++walk->n_links > CHASE_LINKS_MAX)
		return errinfo_set(ei, ELOOP, "cannot follow '%s'", path);
	n = readlinkat(fd, "", target, sizeof(target));
	if (n < 0 || (size_t)n >= sizeof(target))
		return errinfo_set(ei, n < 0 ? errno : ENAMETOOLONG,
				   "cannot read the link '%s'", path);
	target[n] = '\0';
	if (strlen(walk->rest) + (size_t)n + 2 > sizeof(rest))
		return errinfo_set(ei, ENAMETOOLONG, "cannot follow '%s'", path);
	(void)snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest);
	(void)strcpy(walk->rest, rest);
	return target[0] == '/' ? step_to_root(walk, ei) : 0;
}

/* One component. */
static int advance(struct walk *walk, const char *name, struct errinfo *ei)
{
	const struct chase *chase = walk->chase;
	const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
	char path[PATH_MAX + NAME_MAX + 2];
	cleanup_close int fd = openat(walk->fd, name, flags);
	struct stat st;
	int r;

	(void)snprintf(path, sizeof(path), "%s/%s", walk->done, name);
	if (strlen(path) >= sizeof(walk->done))
		return errinfo_set(ei, ENAMETOOLONG, "cannot open '%s'", path);
	if (fd < 0 && errno == ENOENT && !chase->make)
		return -ENOENT;
	if (fd < 0 && errno == ENOENT) {
		r = chase->make(walk->fd, name, path, chase->userdata, ei);
		if (r < 0)
			return r;
		fd = openat(walk->fd, name, flags);
	}
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", path);
	r = chase->check ? chase->check(&st, path, chase->userdata) : 0;
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode))
		return follow(walk, fd, &st, path, ei);
	if (!S_ISDIR(st.st_mode)) {
		(void)errinfo_refuse(ei, RESULT_FAILED, "'%s' is not a directory",
				     path);
		return -ENOTDIR;
	}
	(void)strcpy(walk->done, path);
	return step_to(walk, steal_fd(&fd), ei);
}

static int walk_all(struct walk *walk, struct errinfo *ei)
{
	int r = step_to_root(walk, ei);

	walk->root = walk->here;
	while (r == 0) {
		char name[NAME_MAX + 1];
		size_t skip = strspn(walk->rest, "/"), n;

		n = strcspn(walk->rest + skip, "/");
		if (n == 0)
			return 0;
		if (n >= sizeof(name))
			return errinfo_set(ei, ENAMETOOLONG, "cannot open '%s/%s'",
					   walk->done, walk->rest + skip);
		memcpy(name, walk->rest + skip, n);
		name[n] = '\0';
		memmove(walk->rest, walk->rest + skip + n,
			strlen(walk->rest + skip + n) + 1);
		if (strcmp(name, "..") == 0)
			r = step_up(walk, ei);
		else if (strcmp(name, ".") != 0)
			r = advance(walk, name, ei);
	}
	return r;
}

int chase_open(const struct chase *chase, const char *path, int *ret_fd,
	       struct errinfo *ei)
{
	struct walk walk = {.chase = chase, .fd = -1};
	int r;

	if (strlen(path) >= PATH_MAX)
		return errinfo_set(ei, ENAMETOOLONG, "cannot open '%s'", path);
	(void)strcpy(walk.rest, path);
	r = walk_all(&walk, ei);
	if (r == 0)
		*ret_fd = walk.fd;
	else if (walk.fd >= 0)
		(void)close(walk.fd);
	return r;
}
