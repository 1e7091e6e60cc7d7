/*
 * clean-target and remove-app. The first takes away what the manifest says was made for
 * this app, and of directories only empty ones; the second the releases and deployd's
 * own notes too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "setup/lock.h"
#include "setup/manifest.h"
#include "setup/place.h"
#include "setup/tree.h"
#include "setup/unit.h"
#include "util/treewalk.h"

static bool is_unit_file(const char *path)
{
	return strstr(path, "/systemd/system/") != NULL;
}

/* Below first. */
static int compare_entries(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind == MANIFEST_FILE ? -1 : 1;
	return strcmp(y->path, x->path);
}

static int remove_entry(struct setup *setup, struct manifest_entry *entry,
			struct errinfo *ei)
{
	struct stat st;
	int r;

	if (entry->kind == MANIFEST_FILE) {
		r = place_stat(setup, entry->path, &st, ei);
		if (r == 0 && S_ISDIR(st.st_mode)) {
			setup_note(setup, "%s has become a directory: left",
				   entry->path);
			return 0;
		}
		r = r == -ENOENT ? 0 : r < 0 ? r : place_remove(setup, entry->path, ei);
	} else {
		r = place_remove_if_empty(setup, entry->path, ei);
		if (r == -ENOTEMPTY) {
			setup_note(setup, "%s is not empty: left", entry->path);
			return 0;
		}
	}
	if (r == 0 && !setup->dry_run) {
		free(entry->path);
		entry->path = NULL;
	}
	return r;
}

static int remove_entries(struct setup *setup, struct errinfo *ei)
{
	struct manifest *manifest = setup->manifest;
	bool has_unit = false;
	int r = 0, saved;

	if (manifest->n_entries == 0)
		return 0;
	qsort(manifest->entries, manifest->n_entries, sizeof(*manifest->entries),
	      compare_entries);
	for (size_t i = 0; r == 0 && i < manifest->n_entries; i++) {
		has_unit |= is_unit_file(manifest->entries[i].path);
		r = remove_entry(setup, &manifest->entries[i], ei);
	}
	if (setup->dry_run)
		return r;
	/* Also after a failure: what is gone is no longer ours. */
	saved = manifest_save(setup, ei);
	r = r < 0 ? r : saved;
	return r == 0 && has_unit ? unit_reload(setup, ei) : r;
}

/* Only when it is one of ours: links of an enabled unit would dangle. */
static bool owns_unit(const struct setup *setup)
{
	for (size_t i = 0; i < setup->manifest->n_entries; i++) {
		const char *path = setup->manifest->entries[i].path;
		const char *base = strrchr(path, '/');

		if (is_unit_file(path) && strcmp(base + 1, setup->app->unit) == 0)
			return true;
	}
	return false;
}

static int ask_for_yes(const struct setup *setup, struct errinfo *ei)
{
	if (setup->options->yes || setup->options->dry_run || setup->n_changes == 0)
		return 0;
	return errinfo_refuse(ei, RESULT_USAGE,
			      "nothing was removed; to remove what is listed here: "
			      "deployctl %s %s --yes",
			      setup->verb->name, setup->app->app_name);
}

static int clean(struct setup *setup, bool stop, struct errinfo *ei)
{
	int r = manifest_load(setup, ei);

	if (r == 0 && (stop || owns_unit(setup)))
		r = unit_disable(setup, stop, ei);
	return r < 0 ? r : remove_entries(setup, ei);
}

int setup_clean_target(struct setup *setup, struct errinfo *ei)
{
	cleanup_close int lock_fd = -1;
	int r = app_lock(setup, &lock_fd, ei);

	setup->dry_run |= !setup->options->yes;
	if (r == 0)
		r = clean(setup, false, ei);
	return r < 0 ? r : ask_for_yes(setup, ei);
}

/* All of it, however deep. */
static int remove_tree(struct setup *setup, const char *path, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	const char *name;
	struct stat st;
	int r = place_open_parent(setup, path, false, &dir_fd, &name, ei);

	if (r == 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = errno == ENOENT ? -ENOENT
				    : errinfo_set(ei, errno, "cannot examine '%s%s'",
						  setup->destdir, path);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	setup_say(setup, "remove", path, "%s",
		  S_ISDIR(st.st_mode) ? "with all that is in it" : "link");
	return setup->dry_run ? 0 : tree_remove(dir_fd, name, ei);
}

/* What deployd and we put into deploy_dir; what else is there is somebody's. */
static int remove_deploy_dir(struct setup *setup, struct errinfo *ei)
{
	const struct app_config *app = setup->app;
	const char *const parts[] = {app->current_dir, app->releases_dir,
				     app->flags_dir, app->scripts_dir, app->etc_dir};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(*parts); i++)
		if (tree_is_below(parts[i], app->deploy_dir) &&
		    strcmp(parts[i], app->deploy_dir) != 0)
			r = remove_tree(setup, parts[i], ei);
	if (r == 0)
		r = place_remove_if_empty(setup, app->deploy_dir, ei);
	if (r == -ENOTEMPTY && !setup->dry_run)
		setup_note(setup, "%s is not empty: left", app->deploy_dir);
	return r == -ENOTEMPTY ? 0 : r;
}

int setup_remove_app(struct setup *setup, struct errinfo *ei)
{
	const struct app_config *app = setup->app;
	cleanup_close int lock_fd = -1;
	char state[256];
	int r = app_lock(setup, &lock_fd, ei);

	setup->dry_run |= !setup->options->yes;
	(void)snprintf(state, sizeof(state), "/var/lib/deployd/%s", app->app_name);
	if (r == 0)
		r = clean(setup, true, ei);
	if (r == 0)
		r = remove_deploy_dir(setup, ei);
	if (r == 0)
		r = remove_tree(setup, state, ei);
	if (r == 0)
		r = ask_for_yes(setup, ei);
	if (r < 0 || setup->dry_run || *setup->destdir)
		return r;
	setup_note(setup,
		   "what is left: %s (remove it and its rules, then `systemctl reload "
		   "deployd`), and the users %s and %s, who may own files elsewhere",
		   app->file, app->app_user, app->deploy_user);
	return 0;
}
