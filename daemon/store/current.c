/*
 * The link `current`: the only thing that says what is live. It is replaced by rename,
 * so a reader sees the old one or the new one.
 */
#include "store/current.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/layout.h"
#include "store/room.h"
#include "util/file.h"
#include "util/report.h"

/* The id in "releases/ID"; NULL when the target is anything else. */
static const char *id_of(const struct store *store, const char *target)
{
	size_t n = strlen(store->app.releases_name);

	if (strncmp(target, store->app.releases_name, n) != 0 || target[n] != '/' ||
	    !names_release_valid(target + n + 1))
		return NULL;
	return target + n + 1;
}

int current_read(const struct store *store, char ret_release[RELEASE_ID_SIZE],
		 struct errinfo *ei)
{
	char target[512], shown[256];
	const char *id;
	ssize_t n;

	ret_release[0] = '\0';
	if (store->app_fd < 0)
		return 0;
	n = readlinkat(store->app_fd, store->app.current_name, target,
		       sizeof(target) - 1);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0 && errno == EINVAL)
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"'%s' is not a link: move it away, or make a release of it: "
			"deployctl adopt %s",
			store->app.current_dir, store->app.name);
	if (n < 0)
		return errinfo_set(ei, errno, "cannot read '%s'",
				   store->app.current_dir);
	target[n] = '\0';
	id = id_of(store, target);
	if (!id)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'%s' points to '%s', not to '%s/ID': remove the "
				      "link, or take over what it points to: deployctl "
				      "adopt %s",
				      store->app.current_dir,
				      names_escape(target, shown, sizeof(shown)),
				      store->app.releases_name, store->app.name);
	(void)strcpy(ret_release, id);
	return 0;
}

static int replace_link(const struct store *store, const char *to)
{
	char target[RELEASE_ID_SIZE + 256], name[64];

	(void)snprintf(target, sizeof(target), "%s/%s", store->app.releases_name, to);
	(void)snprintf(name, sizeof(name), STORE_LINK_PREFIX "%ld", (long)getpid());
#ifdef BREAK_UNLINK_SYMLINK
	(void)unlinkat(store->app_fd, store->app.current_name, 0);
	return symlinkat(target, store->app_fd, store->app.current_name) < 0 ? -errno
									     : 0;
#endif
	if (unlinkat(store->app_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(target, store->app_fd, name) < 0)
		return -errno;
	if (renameat(store->app_fd, name, store->app_fd, store->app.current_name) < 0) {
		int r = -errno;

		(void)unlinkat(store->app_fd, name, 0);
		return r;
	}
	return 0;
}

/* A full disk may have no inode for the link. */
int current_replace(const struct store *store, const char *to, struct errinfo *ei)
{
	int r = replace_link(store, to);

	if (r == -ENOSPC || r == -EDQUOT) {
		int made_room = room_make(store, ei);

		if (made_room < 0 && made_room != -ENOSPC)
			return made_room;
		if (made_room == 0)
			r = replace_link(store, to);
	}
	return r < 0 ? layout_write_failed(store, r, "cannot make the link", ei) : 0;
}

int current_sync(const struct store *store, struct errinfo *ei)
{
#ifdef BREAK_NO_FSYNC_APP
	(void)store;
	(void)ei;
	return 0;
#else
	int r;

#ifdef BREAK_TOLD_BEFORE_FSYNC
	r = report_result(RESULT_OK, "", NULL);
#endif
	r = dir_sync(store->app_fd, store->app.deploy_dir, ei);
#ifdef BREAK_FSYNC_ERROR_IGNORED
	r = 0;
#endif
	return r;
#endif
}

int current_take_back(const struct store *store, const char *release)
{
	if (release[0] != '\0')
		return replace_link(store, release);
	return unlinkat(store->app_fd, store->app.current_name, 0) < 0 ? -errno : 0;
}
