/*
 * Room for a rollback on a full disk: the record needs a block or two, and the link an
 * inode. Both are set aside while there is plenty.
 */
#include "store/room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/file.h"
#include "util/json_text.h"
#include "util/treewalk.h"

#define RESERVE_BYTES  65536
#define RESERVE_PLENTY (16u << 20) /* less free: not now */
#define RESERVE_INODES 64

static void say(json_t *messages, const char *what, const char *name)
{
	char shown[128], text[256];

	(void)snprintf(text, sizeof(text), "%s %s", what,
		       names_escape(name, shown, sizeof(shown)));
	if (messages)
		(void)json_array_append_new(messages, json_text(text));
}

/* One that cannot be removed takes up room, but stands in nobody's way. */
static int remove_staged(int dir_fd, const char *name, void *userdata,
			 struct errinfo *ei)
{
	json_t *messages = userdata;
	struct errinfo problem = {0};

	(void)ei;
	if (tree_remove(dir_fd, name, &problem) < 0)
		say(messages, "could not empty staging:", problem.what);
	else
		say(messages, "removed what an unfinished job left in staging:", name);
	return 0;
}

int room_empty_staging(const struct store *store, json_t *messages, struct errinfo *ei)
{
	if (store->staging_fd < 0)
		return 0;
	return dir_for_each(store->staging_fd, remove_staged, messages, ei);
}

/* The fsync: ext4 hands out freed blocks only after the next commit. */
static int give_up(int dir_fd, const char *where, bool *freed, struct errinfo *ei)
{
	if (dir_fd < 0 || unlinkat(dir_fd, STORE_RESERVE, 0) < 0)
		return 0;
	*freed = true;
	return dir_sync(dir_fd, where, ei);
}

int room_make(const struct store *store, struct errinfo *ei)
{
	bool freed = false;
	int r = 0;

	if (!store->staging_in_use && store->staging_fd >= 0) {
		cleanup_json json_t *removed = json_array();

		r = room_empty_staging(store, removed, ei);
		freed = json_array_size(removed) > 0;
		if (r == 0 && freed)
			r = dir_sync(store->staging_fd, STORE_STAGING, ei);
	}
	if (r == 0)
		r = give_up(store->app_fd, store->app.deploy_dir, &freed, ei);
	if (r == 0)
		r = give_up(store->state_fd, store->app.state_dir, &freed, ei);
	return r == 0 && !freed ? -ENOSPC : r;
}

static void keep(int dir_fd)
{
	cleanup_close int fd = -1;
	struct statvfs fs;
	struct stat st;

	if (dir_fd < 0 || fstatat(dir_fd, STORE_RESERVE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	if (fstatvfs(dir_fd, &fs) < 0 ||
	    (uint64_t)fs.f_bavail * fs.f_frsize < RESERVE_PLENTY ||
	    (fs.f_files > 0 && fs.f_favail < RESERVE_INODES))
		return;
	fd = openat(dir_fd, STORE_RESERVE,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)posix_fallocate(fd, 0, RESERVE_BYTES);
}

void room_keep(const struct store *store)
{
	keep(store->app_fd);
	keep(store->state_fd);
}
