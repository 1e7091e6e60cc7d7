/* set-perms: owners and modes below deploy_dir as deployd wants them. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "setup/accounts.h"
#include "setup/dirs.h"
#include "setup/lock.h"
#include "util/treewalk.h"

/* What is repaired in one directory, and how. */
struct sweep {
	struct setup *setup;
	const char *dir;
	struct owner owner;
	mode_t file, executable; /* modes */
};

/* A file that a section installs has the owner and mode of the section. */
static const struct app_copy_file *find_copy(const struct app_config *app,
					     const char *path)
{
	for (size_t i = 0; i < app->n_copy_files; i++) {
		const struct app_copy_file *copy = &app->copy_files[i];
		const char *base = strrchr(copy->src, '/');
		size_t n = strlen(copy->dst);

		if (!copy->enabled || strncmp(path, copy->dst, n) != 0)
			continue;
		base = base ? base + 1 : copy->src;
		if (path[n] == '\0' ||
		    (path[n] == '/' && fnmatch(base, path + n + 1, FNM_PATHNAME) == 0))
			return copy;
	}
	return NULL;
}

static const struct app_create_dir *find_dir(const struct app_config *app,
					     const char *path)
{
	for (size_t i = 0; i < app->n_create_dirs; i++)
		if (app->create_dirs[i].enabled &&
		    strcmp(app->create_dirs[i].path, path) == 0)
			return &app->create_dirs[i];
	return NULL;
}

static int visit(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	const struct sweep *sweep = userdata;
	const struct app_config *app = sweep->setup->app;
	const struct app_copy_file *copy;
	const struct app_create_dir *dir;
	struct owner owner = sweep->owner;
	mode_t mode = 0750;
	char path[PATH_MAX];
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", sweep->dir, entry->path);
	if (S_ISLNK(entry->st.st_mode))
		return 0; /* has no mode, and its owner means nothing */
	if (!S_ISREG(entry->st.st_mode) && !S_ISDIR(entry->st.st_mode)) {
		setup_note(sweep->setup, "%s is neither a file nor a directory: left",
			   path);
		return 0;
	}
	copy = S_ISREG(entry->st.st_mode) ? find_copy(app, path) : NULL;
	dir = S_ISDIR(entry->st.st_mode) ? find_dir(app, path) : NULL;
	if (S_ISREG(entry->st.st_mode))
		mode = (entry->st.st_mode & 0111) != 0 ? sweep->executable
						       : sweep->file;
	if (copy)
		r = owner_resolve(sweep->setup, copy->user, copy->group, &owner, ei);
	if (dir)
		r = owner_resolve(sweep->setup, dir->user, dir->group, &owner, ei);
	if (r < 0)
		return r;
	mode = copy ? copy->mode : dir ? dir->mode : mode;
	r = place_repair(sweep->setup, entry->fd, path, &owner, mode, ei);
	if (r < 0 || sweep->setup->dry_run || !sweep->setup->is_root ||
	    !S_ISREG(entry->st.st_mode) || owner.uid != 0 ||
	    (mode & (S_IWGRP | S_IWOTH)) != 0)
		return r < 0 ? r : 0;
	/* Each time, or it would be asked only before the first time failed. */
	return place_check_writers(sweep->setup, entry->fd, path, ei);
}

/* Everything in dir, and with itself the directory too. Nothing there is no error. */
static int sweep_dir(struct setup *setup, const char *dir, bool itself, mode_t file,
		     mode_t executable, struct errinfo *ei)
{
	struct sweep sweep = {setup, dir, {0}, file, executable};
	cleanup_close int fd = -1, readable_fd = -1;
	int r = place_open_dir(setup, dir, false, &fd, ei);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = owner_resolve(setup, "root", setup->app->app_group, &sweep.owner, ei);
	if (r == 0 && itself)
		r = place_repair(setup, fd, dir, &sweep.owner, 0750, ei);
	if (r < 0)
		return r;
	readable_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (readable_fd < 0)
		return errinfo_set(ei, errno, "cannot read '%s%s'", setup->destdir,
				   dir);
	return tree_walk(readable_fd, false, visit, &sweep, ei);
}

/* What is in a release, and not in .staging, which is deployd's. */
static int visit_release(const struct tree_entry *entry, void *userdata,
			 struct errinfo *ei)
{
	char first[NAME_MAX + 1];

	(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(entry->path, "/"),
		       entry->path);
	return names_release_valid(first) ? visit(entry, userdata, ei) : 0;
}

static int sweep_releases(struct setup *setup, struct errinfo *ei)
{
	struct sweep sweep = {setup, setup->app->releases_dir, {0}, 0640, 0750};
	cleanup_close int fd = -1, list_fd = -1;
	int r = place_open_dir(setup, setup->app->releases_dir, false, &fd, ei);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = owner_resolve(setup, "root", setup->app->app_group, &sweep.owner, ei);
	if (r < 0)
		return r;
	list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return list_fd < 0 ? errinfo_set(ei, errno, "cannot read '%s%s'",
					 setup->destdir, setup->app->releases_dir)
			   : tree_walk(list_fd, false, visit_release, &sweep, ei);
}

/* A single version, as CodeDeploy has it, is a directory instead of a link. */
static int sweep_current(struct setup *setup, struct errinfo *ei)
{
	struct stat st;
	int r = place_stat(setup, setup->app->current_dir, &st, ei);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return S_ISDIR(st.st_mode)
		       ? sweep_dir(setup, setup->app->current_dir, true, 0640, 0750, ei)
		       : 0;
}

int setup_set_perms(struct setup *setup, struct errinfo *ei)
{
	cleanup_close int lock_fd = -1;
	struct tree tree;
	int r = app_lock(setup, &lock_fd, ei);

	if (r == 0) {
		r = tree_of_releases(setup->app, &tree);
		if (r < 0)
			return errinfo_set(ei, r, "cannot set owners and modes");
		r = dirs_apply(setup, &tree, true, ei);
		tree_deinit(&tree);
	}
	/* Scripts are there to be run, whatever their mode was when they came. */
	if (r == 0)
		r = sweep_dir(setup, setup->app->scripts_dir, false, 0750, 0750, ei);
	if (r == 0)
		r = sweep_dir(setup, setup->app->etc_dir, false, 0640, 0750, ei);
	if (r == 0)
		r = sweep_releases(setup, ei);
	return r < 0 ? r : sweep_current(setup, ei);
}
