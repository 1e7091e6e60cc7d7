#include "generate/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/names.h"
#include "util/treewalk.h"

struct look {
	const struct release_limits *limits;
	uid_t unpack_uid;
	gid_t gid;
	uint64_t bytes, entries;
	struct treewalk_mount mount;
};

static int refuse(struct errinfo *ei, const struct tree_entry *entry, const char *why)
{
	char path[256];

	return errinfo_refuse(ei, RESULT_REJECTED, "'%s' %s",
			      names_escape(entry->path, path, sizeof(path)), why);
}

/*
 * Leading ".." as far as the link is deep, then names: that cannot leave the tree
 * however the names resolve, since every link in it is of this form.
 */
static int check_link(const struct tree_entry *entry, struct errinfo *ei)
{
	char target[PATH_MAX], *save = NULL;
	ssize_t n = readlinkat(entry->dir_fd, entry->name, target, sizeof(target) - 1);
	bool names_begun = false;
	size_t ups = 0;

	if (n <= 0 || (size_t)n == sizeof(target) - 1)
		return refuse(ei, entry, "is a link with an unusable target");
	target[n] = '\0';
	if (target[0] == '/')
		return refuse(ei, entry, "is a link to an absolute path");
	for (char *part = strtok_r(target, "/", &save); part;
	     part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") != 0)
			names_begun = true;
		else if (names_begun || ++ups >= entry->depth)
			return refuse(ei, entry, "is a link that leaves the release");
	}
	return 0;
}

static int check(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct look *look = userdata;
	const struct stat *st = &entry->st;
	struct treewalk_mount mount;
	int r;

	if (++look->entries > look->limits->max_entries)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_entries (%llu) entries",
				      (unsigned long long)look->limits->max_entries);
	if (st->st_uid != look->unpack_uid)
		return refuse(ei, entry, "does not belong to the unpacker");
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return refuse(ei, entry, "is neither file, directory nor link");
	if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0)
		return refuse(ei, entry, "has a setuid, setgid or sticky bit");
	if (entry->depth > look->limits->max_depth)
		return refuse(ei, entry, "lies deeper than max_depth");
	r = treewalk_mount_of(entry->fd, &mount);
	if (r < 0)
		return errinfo_set(ei, r, "cannot examine the release");
	if (!treewalk_mount_same(&mount, &look->mount))
		return refuse(ei, entry, "is on another file system");
	if (S_ISREG(st->st_mode)) {
		look->bytes += (uint64_t)st->st_size;
		if (look->bytes > look->limits->max_release_bytes)
			return errinfo_refuse(ei, RESULT_REJECTED,
					      "larger than max_release_bytes");
	}
	return S_ISLNK(st->st_mode) ? check_link(entry, ei) : 0;
}

/* Owner first: then nobody but root can change the mode again. */
static int own(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	const struct look *look = userdata;
	bool is_plain = S_ISREG(entry->st.st_mode) && !(entry->st.st_mode & S_IXUSR);
	char self[64], path[256];

	if (fchownat(entry->fd, "", 0, look->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) <
	    0)
		return errinfo_set(ei, errno, "cannot take over '%s'",
				   names_escape(entry->path, path, sizeof(path)));
	if (S_ISLNK(entry->st.st_mode))
		return 0;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", entry->fd);
	if (chmod(self, is_plain ? 0640 : 0750) < 0)
		return errinfo_set(ei, errno, "cannot take over '%s'",
				   names_escape(entry->path, path, sizeof(path)));
	return 0;
}

int takeover(int fd, const struct release_limits *limits, uid_t unpack_uid, gid_t gid,
	     struct errinfo *ei)
{
	struct look look = {.limits = limits, .unpack_uid = unpack_uid, .gid = gid};
	int r = treewalk_mount_of(fd, &look.mount);

	if (r < 0)
		return errinfo_set(ei, r, "cannot examine the release");
	r = tree_walk(fd, false, check, &look, ei);
	if (r == 0)
		r = tree_walk(fd, true, own, &look, ei);
	if (r == 0 && (fchown(fd, 0, gid) < 0 || fchmod(fd, 0750) < 0))
		r = errinfo_set(ei, errno, "cannot take over the release");
	return r;
}
