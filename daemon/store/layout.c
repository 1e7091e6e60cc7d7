/*
 * The app's tree: opened component by component without following a link, checked to be
 * root's own, made where it is missing, and locked.
 */
#include "store/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/record.h"
#include "util/safedir.h"

#define LOCK_POLL_MSEC 20

/* mix_deploy gave them to the deploy user. */
static int advise_adopt(const struct store *store, int r, const char *path,
			struct errinfo *ei)
{
	size_t n = strlen(store->app.deploy_dir);

	if (r == -EINVAL && strncmp(path, store->app.deploy_dir, n) == 0) {
		n = strlen(ei->what);

		(void)snprintf(ei->what + n, sizeof(ei->what) - n,
			       "; an installation of mix_deploy is taken over by: "
			       "deployctl adopt %s",
			       store->app.name);
	}
	return r;
}

static int check_app_owner(const struct store *store, int fd, const char *path,
			   struct errinfo *ei)
{
	return advise_adopt(store, safedir_check(fd, path, ei), path, ei);
}

static int read_only(const struct store *store, struct errinfo *ei)
{
	return errinfo_refuse(ei, RESULT_BAD_CONFIG,
			      "deployd.service may not write in '%s'; run: "
			      "mkdir -p /etc/systemd/system/deployd.service.d && "
			      "printf '[Service]\\nReadWritePaths=%s\\n' > "
			      "/etc/systemd/system/deployd.service.d/%s.conf && "
			      "systemctl daemon-reload && systemctl restart deployd",
			      store->app.base_dir, store->app.base_dir,
			      store->app.name);
}

/* systemd makes it, and shows it to deployd.service, at its start. */
static int state_gone(const struct store *store, struct errinfo *ei)
{
	return errinfo_refuse(
		ei, RESULT_FAILED,
		"'%s' was removed while deployd ran; what can be known is "
		"made again from the releases: systemctl restart deployd",
		store->app.state_dir);
}

int layout_write_failed(const struct store *store, int err, const char *what,
			struct errinfo *ei)
{
	return err == EROFS || err == -EROFS ? read_only(store, ei)
					     : errinfo_set(ei, err, "%s", what);
}

/*
 * Opens name in dir_fd; makes it when how is given. *ret_fd is -1 when it is not there
 * and how is NULL.
 */
static int open_directory(const struct store *store, int dir_fd, const char *name,
			  const char *path, const struct safedir_new *how, int *ret_fd,
			  struct errinfo *ei)
{
	int r = safedir_open_at(dir_fd, name, path, O_RDONLY, how, ret_fd, ei);

	if (r == -ENOENT && !how) {
		*ret_fd = -1;
		return 0;
	}
	return r == -EROFS ? read_only(store, ei) : advise_adopt(store, r, path, ei);
}

/* The same for a path from the root, all of which must be root's alone. */
static int open_path(const struct store *store, const char *path,
		     const struct safedir_new *how, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int parent_fd = -1, fd = -1;
	int r = safedir_open(path, O_RDONLY, how, &parent_fd, &fd, ei);

	if (r == -ENOENT && !how) {
		*ret_fd = -1;
		return 0;
	}
	if (r == -EROFS)
		return path == store->app.state_dir ? state_gone(store, ei)
						    : read_only(store, ei);
	if (r == 0)
		r = safedir_check(fd, path, ei);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

/* Where deploy_dir is in; its basename is *ret_name. */
static int open_parent(const struct store *store, const struct safedir_new *how,
		       const char **ret_name, int *ret_fd, struct errinfo *ei)
{
	const char *name = strrchr(store->app.deploy_dir, '/');
	char parent[1024];

	*ret_name = name + 1;
	(void)snprintf(parent, sizeof(parent), "%.*s",
		       (int)(name - store->app.deploy_dir), store->app.deploy_dir);
	if (*parent == '\0') {
		*ret_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return *ret_fd < 0 ? errinfo_set(ei, errno, "cannot open '/'") : 0;
	}
	return open_path(store, parent, how, ret_fd, ei);
}

static int open_state(struct store *store, struct errinfo *ei)
{
	static const struct safedir_new root_only = {0700, 0, 0};
	static const char *const files[] = {"state", "history", "flag", "lock"};
	int r;

	r = open_path(store, store->app.state_dir, &root_only, &store->state_fd, ei);
	if (r < 0)
		return r;
	/* All of it can be made again from what is in releases/. */
	r = record_set_aside(store->state_fd, "meta", S_IFDIR, ei);
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(*files); i++)
		r = record_set_aside(store->state_fd, files[i], S_IFREG, ei);
	if (r < 0)
		return r;
	r = open_directory(store, store->state_fd, "meta", "meta", &root_only,
			   &store->meta_fd, ei);
	return r < 0 ? r : safedir_check(store->meta_fd, "meta", ei);
}

/* Dies with the process; the file itself stays. */
static int take_lock(struct store *store, unsigned int lock_wait_ms, struct errinfo *ei)
{
	const struct timespec pause = {0, LOCK_POLL_MSEC * 1000000L};
	struct stat held, named;

	store->lock_fd = openat(store->state_fd, "lock",
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return errinfo_set(ei, errno, "cannot open the lock of %s",
				   store->app.name);
#ifdef BREAK_NO_LOCK
	return 0;
#endif
	for (unsigned int waited = 0; flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0;
	     waited += LOCK_POLL_MSEC) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return errinfo_set(ei, errno, "cannot lock %s",
					   store->app.name);
		if (waited >= lock_wait_ms)
			return errinfo_refuse(ei, RESULT_BUSY,
					      "another deployd-store is at work on %s",
					      store->app.name);
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	/* Somebody may have put another file there meanwhile: two would hold "the"
	 * lock. */
	if (fstat(store->lock_fd, &held) < 0 ||
	    fstatat(store->state_fd, "lock", &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errinfo_set(ei, errno, "cannot examine the lock of %s",
				   store->app.name);
	if (held.st_ino != named.st_ino)
		return errinfo_refuse(ei, RESULT_BUSY, "the lock of %s was replaced",
				      store->app.name);
	return 0;
}

const char *layout_name_in(const struct store_app *app, const char *path)
{
	size_t n = strlen(app->deploy_dir);

	if (strncmp(path, app->deploy_dir, n) != 0 || path[n] != '/' ||
	    strchr(path + n + 1, '/'))
		return NULL;
	return path + n + 1;
}

static int open_or_make(struct store *store, const char *path,
			const struct safedir_new *how, struct errinfo *ei)
{
	const char *name = layout_name_in(&store->app, path);
	int fd = -1, r;

	/* One that is elsewhere is the administrator's. */
	if (!name)
		return 0;
	r = open_directory(store, store->app_fd, name, path, how, &fd, ei);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int make_writable_parts(struct store *store, struct errinfo *ei)
{
	const struct store_app *app = &store->app;
	const struct safedir_new shared = {0750, 0, app->app_gid};
	const struct safedir_new flags = {app->flags_mode, app->deploy_uid,
					  app->app_gid};
	int r;

	r = open_or_make(store, app->scripts_dir, &shared, ei);
	if (r == 0)
		r = open_or_make(store, app->etc_dir, &shared, ei);
	if (r == 0)
		r = open_or_make(store, app->flags_dir, &flags, ei);
	return r;
}

/* deploy_dir and releases_dir, whoever may change them. */
static int open_foreign_tree(struct store *store, struct errinfo *ei)
{
	cleanup_close int parent_fd = -1;
	const char *name;
	int r = open_parent(store, NULL, &name, &parent_fd, ei);

	if (r < 0 || parent_fd < 0)
		return r;
	r = open_directory(store, parent_fd, name, store->app.deploy_dir, NULL,
			   &store->app_fd, ei);
	if (r < 0 || store->app_fd < 0)
		return r;
	return open_directory(store, store->app_fd, store->app.releases_name,
			      store->app.releases_dir, NULL, &store->releases_fd, ei);
}

int layout_make(struct store *store, struct errinfo *ei)
{
	const struct safedir_new shared = {0750, 0, store->app.app_gid};
	int r = 0;

	if (store->releases_fd < 0)
		r = open_directory(store, store->app_fd, store->app.releases_name,
				   store->app.releases_dir, &shared,
				   &store->releases_fd, ei);
	return r < 0 ? r : make_writable_parts(store, ei);
}

static int open_tree(struct store *store, bool create, struct errinfo *ei)
{
	const struct safedir_new shared = {0750, 0, store->app.app_gid};
	const struct safedir_new base = {0755, 0, 0}, hidden = {0700, 0, 0};
	cleanup_close int base_fd = -1;
	const char *name;
	int r = open_parent(store, create ? &base : NULL, &name, &base_fd, ei);

	if (r < 0 || base_fd < 0)
		return r;
	r = open_directory(store, base_fd, name, store->app.deploy_dir,
			   create ? &shared : NULL, &store->app_fd, ei);
	if (r < 0 || store->app_fd < 0)
		return r;
	r = check_app_owner(store, store->app_fd, store->app.deploy_dir, ei);
	if (r == 0)
		r = open_directory(store, store->app_fd, store->app.releases_name,
				   store->app.releases_dir, create ? &shared : NULL,
				   &store->releases_fd, ei);
	if (r < 0 || store->releases_fd < 0)
		return r;
	r = check_app_owner(store, store->releases_fd, store->app.releases_dir, ei);
	if (r == 0)
		r = open_directory(store, store->releases_fd, STORE_STAGING,
				   STORE_STAGING, create ? &hidden : NULL,
				   &store->staging_fd, ei);
	if (r == 0 && store->staging_fd >= 0)
		r = safedir_check(store->staging_fd, STORE_STAGING, ei);
	if (r == 0 && create)
		r = make_writable_parts(store, ei);
	return r;
}

int layout_open(struct store *store, bool create, unsigned int lock_wait_ms,
		struct errinfo *ei)
{
	int r;

	r = open_state(store, ei);
	if (r == 0)
		r = take_lock(store, lock_wait_ms, ei);
	if (r == 0)
		r = open_tree(store, create, ei);
	return r;
}

int layout_open_foreign(struct store *store, unsigned int lock_wait_ms,
			struct errinfo *ei)
{
	int r;

	r = open_state(store, ei);
	if (r == 0)
		r = take_lock(store, lock_wait_ms, ei);
	return r < 0 ? r : open_foreign_tree(store, ei);
}
