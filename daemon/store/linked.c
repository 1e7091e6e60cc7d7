#include "store/linked.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/layout.h"
#include "store/request.h"
#include "util/safedir.h"
#include "util/treewalk.h"

#define PATH_BYTES_MAX 1000 /* with the way to it: below PATH_MAX */
#define OPEN_FLAGS     (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* One entry of linked_dirs or linked_files. */
struct linked {
	struct store *store;
	const char *path;   /* relative */
	const char *option; /* that it is of */
	bool is_dir;
	uid_t app_uid;
	struct errinfo *ei;
};

/* Cuts the first component off *path; NULL when the last one is left. */
static const char *next_parent(const char **path, char ret_name[NAME_MAX + 1])
{
	const char *slash = strchr(*path, '/');

	if (!slash)
		return NULL;
	(void)snprintf(ret_name, NAME_MAX + 1, "%.*s", (int)(slash - *path), *path);
	*path = slash + 1;
	return ret_name;
}

/* --- shared/ ---------------------------------------------------------------------- */

static void shared_path(const struct linked *linked, const char *end,
			char ret_text[PATH_MAX])
{
	(void)snprintf(ret_text, PATH_MAX, "%s/" LINKED_SHARED "/%.*s",
		       linked->store->app.deploy_dir, (int)(end - linked->path),
		       linked->path);
}

/* A directory on the way: root's, else whoever may write there decides what is linked.
 */
static int enter_shared(const struct linked *linked, int *fd, const char *name,
			const char *path)
{
	const struct safedir_new how = {0750, 0, linked->store->app.app_gid};
	cleanup_close int next = -1;
	int r = safedir_open_at(*fd, name, path, O_RDONLY, &how, &next, linked->ei);

	if (r == -EROFS)
		return layout_write_failed(linked->store, r, path, linked->ei);
	if (r == 0)
		r = safedir_check(next, path, linked->ei);
	if (r < 0)
		return r;
	if (*fd != linked->store->app_fd)
		(void)close(*fd);
	*fd = steal_fd(&next);
	return 0;
}

static int check_file(const struct linked *linked, int dir_fd, const char *name,
		      const char *path)
{
	struct stat st;
	bool there = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

	if (!there && errno != ENOENT)
		return errinfo_set(linked->ei, errno, "cannot examine '%s'", path);
	if (!there)
		return errinfo_refuse(linked->ei, RESULT_BAD_CONFIG,
				      "linked_files: '%s' does not exist; put the file "
				      "there first",
				      path);
	if (!S_ISREG(st.st_mode))
		return errinfo_refuse(linked->ei, RESULT_BAD_CONFIG,
				      "linked_files: '%s' is not a file (links are not "
				      "followed)",
				      path);
	return 0;
}

static int make_leaf(const struct linked *linked, int dir_fd, const char *name,
		     const char *path)
{
	const struct safedir_new how = {0750, linked->app_uid,
					linked->store->app.app_gid};
	struct stat st;
	int fd = -1, r;

	/* One that is there is the app's business: not even opened. */
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode)
			       ? 0
			       : errinfo_refuse(linked->ei, RESULT_BAD_CONFIG,
						"linked_dirs: '%s' is not a directory "
						"(links are not followed)",
						path);
	r = safedir_open_at(dir_fd, name, path, O_PATH, &how, &fd, linked->ei);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int make_shared(const struct linked *linked)
{
	char name[NAME_MAX + 1], path[PATH_MAX];
	const char *rest = linked->path;
	int fd = linked->store->app_fd, r;

	shared_path(linked, linked->path, path);
	path[strlen(path) - 1] = '\0'; /* the slash */
	r = enter_shared(linked, &fd, LINKED_SHARED, path);
	while (r == 0 && next_parent(&rest, name)) {
		shared_path(linked, rest - 1, path);
		r = enter_shared(linked, &fd, name, path);
	}
	if (r == 0) {
		shared_path(linked, rest + strlen(rest), path);
		r = linked->is_dir ? make_leaf(linked, fd, rest, path)
				   : check_file(linked, fd, rest, path);
	}
	if (fd >= 0 && fd != linked->store->app_fd)
		(void)close(fd);
	return r;
}

/* --- the release ------------------------------------------------------------------ */

static int reject(const struct linked *linked, const char *why)
{
	char text[256];

	return errinfo_refuse(linked->ei, RESULT_REJECTED,
			      "%s takes '%s' from " LINKED_SHARED "/, but %s",
			      linked->option,
			      names_escape(linked->path, text, sizeof(text)), why);
}

/* The tree is root's by now: nobody else changes it meanwhile. */
static int enter_release(const struct linked *linked, int *fd, const char *name)
{
	int next = openat(*fd, name, OPEN_FLAGS);

	if (next < 0 && errno == ENOENT) {
		if (mkdirat(*fd, name, 0750) < 0)
			return errinfo_set(linked->ei, errno, "cannot make '%s'", name);
		next = openat(*fd, name, OPEN_FLAGS);
		if (next >= 0 && (fchown(next, 0, linked->store->app.app_gid) < 0 ||
				  fchmod(next, 0750) < 0)) {
			int err = errno;

			(void)close(next);
			return errinfo_set(linked->ei, err, "cannot own '%s'", name);
		}
	}
	if (next < 0 && (errno == ENOTDIR || errno == ELOOP))
		return reject(linked, "in the archive it lies below what is no "
				      "directory");
	if (next < 0)
		return errinfo_set(linked->ei, errno, "cannot open '%s'", name);
	(void)close(*fd);
	*fd = next;
	return 0;
}

static int is_placeholder(int dir_fd, const char *name, void *userdata,
			  struct errinfo *ei)
{
	struct stat st;

	(void)ei;
	if ((strcmp(name, ".keep") != 0 && strcmp(name, ".gitkeep") != 0) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		*(bool *)userdata = false;
	return 0;
}

/* What the archive has in its place gives way if nothing is lost by that. */
static int make_way(const struct linked *linked, int dir_fd, const char *name)
{
	cleanup_close int fd = -1;
	bool empty = true;
	struct stat st;
	int r;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : errinfo_set(linked->ei, errno,
						     "cannot examine '%s'", name);
	if (!linked->is_dir) {
		if (!S_ISREG(st.st_mode) || st.st_size > 0)
			return reject(linked, "the archive has it, too; leave it out "
					      "of the archive");
		return unlinkat(dir_fd, name, 0) < 0
			       ? errinfo_set(linked->ei, errno, "cannot remove '%s'",
					     name)
			       : 0;
	}
	if (!S_ISDIR(st.st_mode))
		return reject(linked, "in the archive it is no directory");
	fd = openat(dir_fd, name, OPEN_FLAGS);
	if (fd < 0)
		return errinfo_set(linked->ei, errno, "cannot open '%s'", name);
	r = dir_for_each(fd, is_placeholder, &empty, linked->ei);
	if (r == 0 && !empty)
		return reject(linked, "the archive has something in it; leave that out "
				      "of the archive");
	return r < 0 ? r : tree_remove(dir_fd, name, linked->ei);
}

/* Relative, so that it holds wherever the app's directory is seen. */
static int make_link(const struct linked *linked, int dir_fd, const char *name)
{
	char target[PATH_MAX] = "../../";
	size_t length = strlen(target);

	for (const char *p = strchr(linked->path, '/'); p; p = strchr(p + 1, '/'))
		length += (size_t)snprintf(target + length, sizeof(target) - length,
					   "../");
	(void)snprintf(target + length, sizeof(target) - length, LINKED_SHARED "/%s",
		       linked->path);
	if (symlinkat(target, dir_fd, name) < 0 ||
	    fchownat(dir_fd, name, 0, linked->store->app.app_gid, AT_SYMLINK_NOFOLLOW) <
		    0)
		return errinfo_set(linked->ei, errno, "cannot link '%s'", linked->path);
	return 0;
}

static int link_into(const struct linked *linked, int root_fd)
{
	char name[NAME_MAX + 1];
	const char *rest = linked->path;
	cleanup_close int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return errinfo_set(linked->ei, errno, "cannot open the release");
	while (r == 0 && next_parent(&rest, name))
		r = enter_release(linked, &fd, name);
	if (r == 0)
		r = make_way(linked, fd, rest);
	return r < 0 ? r : make_link(linked, fd, rest);
}

/* As --check has it; deployd is not believed in this. */
static bool is_path(const char *path)
{
	const char *part = path;

	if (strlen(path) > PATH_BYTES_MAX || *path == '\0')
		return false;
	for (;; part++) {
		size_t n = strcspn(part, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && part[0] == '.') ||
		    (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part += n;
		if (*part == '\0')
			return true;
	}
}

/* root_fd < 0: what the links lead to, else the links. */
static int make_all(struct linked linked, int root_fd, const json_t *list)
{
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)list, i, item) {
		linked.path = json_string_value(item);
		if (!is_path(linked.path))
			return request_refuse(linked.option, linked.ei);
		r = root_fd < 0 ? make_shared(&linked) : link_into(&linked, root_fd);
		if (r < 0)
			break;
	}
	return r;
}

int linked_make(struct store *store, int root_fd, const json_t *dirs,
		const json_t *files, uid_t app_uid, struct errinfo *ei)
{
	const struct linked dir = {.store = store,
				   .option = "linked_dirs",
				   .is_dir = true,
				   .app_uid = app_uid,
				   .ei = ei};
	const struct linked file = {.store = store, .option = "linked_files", .ei = ei};
	int r = make_all(dir, root_fd, dirs);

	/* An archive that is refused leaves nothing in shared/. */
	if (r == 0)
		r = make_all(file, root_fd, files);
	if (r == 0)
		r = make_all(dir, -1, dirs);
	return r < 0 ? r : make_all(file, -1, files);
}
