/*
 * The app's tree: opened component by component without following a link, checked to be
 * root's own, made where it is missing, and locked.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/adopt.h"
#include "store/store.h"

#define LOCK_POLL_MSEC 20

int layout_check_owner(int fd, const char *path, struct errinfo *ei)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'", path);
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"unsafe path: '%s' can be changed by others than root (owner "
			"%u, "
			"mode %04o); run: chown root '%s' && chmod go-w '%s'",
			path, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777,
			path, path);
	return 0;
}

/* mix_deploy gave them to the deploy user. */
static int check_app_owner(const struct store *store, int fd, const char *path,
			   struct errinfo *ei)
{
	int r = layout_check_owner(fd, path, ei);
	size_t n = strlen(store->app.deploy_dir);

	if (r < 0 && ei->result == RESULT_BAD_CONFIG &&
	    strncmp(path, store->app.deploy_dir, n) == 0) {
		n = strlen(ei->what);

		(void)snprintf(ei->what + n, sizeof(ei->what) - n,
			       "; an installation of mix_deploy is taken over by: "
			       "deployctl adopt %s",
			       store->app.name);
	}
	return r;
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

struct directory {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

int layout_write_failed(const struct store *store, int err, const char *what,
			struct errinfo *ei)
{
	return err == EROFS || err == -EROFS ? read_only(store, ei)
					     : errinfo_set(ei, err, "%s", what);
}

/* Complete under another name, then renamed: a crash leaves none that nobody may enter.
 */
static int make_directory(int dir_fd, const char *name, const struct directory *how)
{
	char temporary[NAME_MAX + 1];
	cleanup_close int fd = -1;

	(void)snprintf(temporary, sizeof(temporary), ".%.240s" STORE_NEW,
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
static int make_in_place(int dir_fd, const char *name, const struct directory *how)
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
static int explain_denied(const struct store *store, int dir_fd, const char *name,
			  const char *path, struct errinfo *ei)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? 0 : check_app_owner(store, fd, path, ei);

	return r < 0 ? r : errinfo_set(ei, EACCES, "cannot open '%s'", path);
}

/*
 * Opens name in dir_fd; makes it, owned and with its mode, when how is given. *ret_fd
 * is -1 when it is not there and how is NULL.
 */
static int open_directory(const struct store *store, int dir_fd, const char *name,
			  const char *path, const struct directory *how, int *ret_fd,
			  struct errinfo *ei)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags), r;

	if (fd < 0 && errno == ENOENT && how) {
#ifdef BREAK_DIRECTORY_IN_PLACE
		r = make_in_place(dir_fd, name, how);
#else
		r = make_directory(dir_fd, name, how);
#endif
		if (r == -EROFS)
			return strncmp(path, store->app.state_dir, strlen(path)) == 0
				       ? state_gone(store, ei)
				       : read_only(store, ei);
		/* Another app's deployd-store may have made what both lie in. */
		if (r < 0 && r != -EEXIST && r != -ENOENT)
			return errinfo_set(ei, r, "cannot make '%s'", path);
		fd = openat(dir_fd, name, flags);
	}
	if (fd < 0 && errno == ENOENT && !how) {
		*ret_fd = -1;
		return 0;
	}
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"'%s' is not a directory (links are not followed)", path);
	if (fd < 0 && errno == EACCES)
		return explain_denied(store, dir_fd, name, path, ei);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* Walks path from the root; *ret_fd is -1 when it is not there and how is NULL. */
static int open_path(const struct store *store, const char *path,
		     const struct directory *how, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char done[1024] = "", copy[1024], *save = NULL;
	int r;

	if (fd < 0 || strlen(path) >= sizeof(copy))
		return errinfo_set(ei, fd < 0 ? errno : ENAMETOOLONG,
				   "cannot open '%s'", path);
	(void)strcpy(copy, path);
	for (char *name = strtok_r(copy, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		size_t length = strlen(done);
		int next = -1;

		(void)snprintf(done + length, sizeof(done) - length, "/%s", name);
		r = open_directory(store, fd, name, done, how, &next, ei);
		if (r < 0)
			return r;
		if (next < 0) {
			*ret_fd = -1;
			return 0;
		}
		(void)close(fd);
		fd = next;
		r = layout_check_owner(fd, done, ei);
		if (r < 0)
			return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int open_state(struct store *store, struct errinfo *ei)
{
	static const struct directory root_only = {0700, 0, 0};
	static const char *const files[] = {"state", "history", "flag", "lock"};
	int r;

	r = open_path(store, store->app.state_dir, &root_only, &store->state_fd, ei);
	if (r < 0)
		return r;
	/* All of it can be made again from what is in releases/. */
	r = file_set_aside(store->state_fd, "meta", S_IFDIR, ei);
	for (size_t i = 0; r == 0 && i < sizeof(files) / sizeof(*files); i++)
		r = file_set_aside(store->state_fd, files[i], S_IFREG, ei);
	if (r < 0)
		return r;
	r = open_directory(store, store->state_fd, "meta", "meta", &root_only,
			   &store->meta_fd, ei);
	return r < 0 ? r : layout_check_owner(store->meta_fd, "meta", ei);
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

static int open_or_make(struct store *store, const char *path,
			const struct directory *how, struct errinfo *ei)
{
	size_t n = strlen(store->app.deploy_dir);
	const char *name = path + n + 1;
	int fd = -1, r;

	/* One that is elsewhere is the administrator's. */
	if (strncmp(path, store->app.deploy_dir, n) != 0 || path[n] != '/' ||
	    strchr(name, '/'))
		return 0;
	r = open_directory(store, store->app_fd, name, path, how, &fd, ei);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int make_writable_parts(struct store *store, struct errinfo *ei)
{
	const struct store_app *app = &store->app;
	const struct directory shared = {0750, 0, app->app_gid};
	const struct directory flags = {app->flags_mode, app->deploy_uid, app->app_gid};
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
	const char *name = strrchr(store->app.deploy_dir, '/');
	cleanup_close int parent_fd = -1;
	char parent[1024];
	int r;

	(void)snprintf(parent, sizeof(parent), "%.*s",
		       (int)(name - store->app.deploy_dir), store->app.deploy_dir);
	r = open_path(store, parent, NULL, &parent_fd, ei);
	if (r < 0 || parent_fd < 0)
		return r;
	r = open_directory(store, parent_fd, name + 1, store->app.deploy_dir, NULL,
			   &store->app_fd, ei);
	if (r < 0 || store->app_fd < 0)
		return r;
	return open_directory(store, store->app_fd, store->app.releases_name,
			      store->app.releases_dir, NULL, &store->releases_fd, ei);
}

int layout_make(struct store *store, struct errinfo *ei)
{
	const struct directory shared = {0750, 0, store->app.app_gid};
	int r = 0;

	if (store->releases_fd < 0)
		r = open_directory(store, store->app_fd, store->app.releases_name,
				   store->app.releases_dir, &shared,
				   &store->releases_fd, ei);
	return r < 0 ? r : make_writable_parts(store, ei);
}

static int open_tree(struct store *store, bool create, struct errinfo *ei)
{
	const struct directory shared = {0750, 0, store->app.app_gid};
	const struct directory base = {0755, 0, 0}, hidden = {0700, 0, 0};
	cleanup_close int base_fd = -1;
	const char *name = strrchr(store->app.deploy_dir, '/');
	char parent[1024];
	int r;

	(void)snprintf(parent, sizeof(parent), "%.*s",
		       (int)(name - store->app.deploy_dir), store->app.deploy_dir);
	r = open_path(store, parent, create ? &base : NULL, &base_fd, ei);
	if (r < 0 || base_fd < 0)
		return r;
	r = open_directory(store, base_fd, name + 1, store->app.deploy_dir,
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
		r = layout_check_owner(store->staging_fd, STORE_STAGING, ei);
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
