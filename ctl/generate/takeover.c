#include "generate/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/entryname.h"
#include "util/treewalk.h"

struct look {
	const struct release_limits *limits;
	int root_fd;
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

/* The tree is the unpacker's, but no process of its uid runs any more. */
static bool is_dir(const char *path, void *userdata)
{
	const int *root_fd = userdata;
	cleanup_close int fd = fcntl(*root_fd, F_DUPFD_CLOEXEC, 3);
	char copy[ENTRYNAME_PATH_SIZE], *save = NULL;

	(void)strcpy(copy, path);
	for (const char *name = strtok_r(copy, "/", &save); name && fd >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		int next =
			openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		(void)close(fd);
		fd = next;
	}
	return fd >= 0;
}

static int check_link(struct look *look, const struct tree_entry *entry,
		      struct errinfo *ei)
{
	const struct entryname_links links = {
		.allowed = (const char *const *)look->limits->link_targets,
		.is_dir = is_dir,
		.userdata = &look->root_fd};
	char target[PATH_MAX], why[160];
	ssize_t n = readlinkat(entry->dir_fd, entry->name, target, sizeof(target) - 1);
	enum entryname_verdict verdict;

	if (n <= 0 || (size_t)n == sizeof(target) - 1)
		return refuse(ei, entry, "is a link with an unusable target");
	target[n] = '\0';
	verdict = entryname_link_target(entry->path, target, &links);
	if (verdict == ENTRYNAME_OK)
		return 0;
	(void)snprintf(why, sizeof(why), "is a link whose target %s",
		       entryname_verdict_text(verdict));
	return refuse(ei, entry, why);
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
	return S_ISLNK(st->st_mode) ? check_link(look, entry, ei) : 0;
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
	struct look look = {
		.limits = limits, .root_fd = fd, .unpack_uid = unpack_uid, .gid = gid};
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
