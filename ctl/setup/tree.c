#include "setup/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS 6

static const struct {
	const char *name, *dir, *mode;
} kinds[KINDS] = {
	{"runtime", "runtime_dir", "runtime_directory_mode"},
	{"configuration", "configuration_dir", "configuration_directory_mode"},
	{"state", "state_dir", "state_directory_mode"},
	{"cache", "cache_dir", "cache_directory_mode"},
	{"logs", "logs_dir", "logs_directory_mode"},
	{"tmp", "tmp_dir", "tmp_directory_mode"},
};

bool tree_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (list && *list) {
		size_t length = strcspn(list, "\n");

		if (length == n && memcmp(list, word, n) == 0)
			return true;
		list += length + (list[length] == '\n');
	}
	return false;
}

bool tree_is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static const char *text_of(const struct app_config *app, const char *name)
{
	const struct app_option *option = app_config_option(app, name);

	return option && option->value ? option->value : "";
}

/* Something else lies in it, or it is where the app's PID file goes. */
static bool is_needed(const struct app_config *app, const char *dir)
{
	for (size_t i = 0; i < app->n_copy_files; i++)
		if (app->copy_files[i].enabled &&
		    tree_is_below(app->copy_files[i].dst, dir))
			return true;
	return strcmp(text_of(app, "service_type"), "forking") == 0 &&
	       tree_is_below(text_of(app, "pid_file"), dir);
}

/* The last one of a path has the last word. */
static void put(struct tree *tree, const char *path, const char *user,
		const char *group, mode_t mode)
{
	struct tree_dir *dir = NULL;

	for (size_t i = 0; i < tree->n_dirs; i++)
		if (strcmp(tree->dirs[i].path, path) == 0)
			dir = &tree->dirs[i];
	if (!dir)
		dir = &tree->dirs[tree->n_dirs++];
	*dir = (struct tree_dir){path, user, group, mode,
				 tree_is_below(path, "/run") ||
					 tree_is_below(path, "/var/run")};
}

static void put_releases(struct tree *tree, const struct app_config *app)
{
	mode_t flags = app->restart_method == RESTART_METHOD_TOUCH ? 0775 : 0755;

	put(tree, app->deploy_dir, "root", app->app_group, 0750);
	put(tree, app->releases_dir, "root", app->app_group, 0750);
	put(tree, app->scripts_dir, "root", app->app_group, 0750);
	put(tree, app->etc_dir, "root", app->app_group, 0750);
	put(tree, app->flags_dir, app->deploy_user, app->app_group, flags);
}

/*
 * The app reads its configuration and does not write it; systemd leaves the owner of
 * ConfigurationDirectory= as it is (root's when it makes the directory), so that the
 * app's group must be able to read it.
 */
static void put_kind(struct tree *tree, const struct app_config *app, size_t i)
{
	bool is_configuration = strcmp(kinds[i].name, "configuration") == 0;

	put(tree, text_of(app, kinds[i].dir), is_configuration ? "root" : app->app_user,
	    app->app_group, (mode_t)strtoul(text_of(app, kinds[i].mode), NULL, 8));
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct tree_dir *)a)->path,
		      ((const struct tree_dir *)b)->path);
}

int tree_of_releases(const struct app_config *app, struct tree *ret_tree)
{
	*ret_tree = (struct tree){calloc(5, sizeof(struct tree_dir)), 0};
	if (!ret_tree->dirs)
		return -ENOMEM;
	put_releases(ret_tree, app);
	return 0;
}

int tree_of(const struct app_config *app, struct tree *ret_tree)
{
	const char *dirs = text_of(app, "dirs");

	*ret_tree = (struct tree){
		calloc(5 + KINDS + app->n_create_dirs, sizeof(struct tree_dir)), 0};
	if (!ret_tree->dirs)
		return -ENOMEM;
	put_releases(ret_tree, app);
	for (size_t i = 0; i < KINDS; i++)
		if (tree_has_word(dirs, kinds[i].name) ||
		    is_needed(app, text_of(app, kinds[i].dir)))
			put_kind(ret_tree, app, i);
	for (size_t i = 0; i < app->n_create_dirs; i++) {
		const struct app_create_dir *dir = &app->create_dirs[i];

		if (dir->enabled)
			put(ret_tree, dir->path, dir->user, dir->group, dir->mode);
	}
	/* Parents first. */
	qsort(ret_tree->dirs, ret_tree->n_dirs, sizeof(*ret_tree->dirs), compare_paths);
	return 0;
}

const struct tree_dir *tree_find(const struct tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->n_dirs; i++)
		if (strcmp(tree->dirs[i].path, path) == 0)
			return &tree->dirs[i];
	return NULL;
}

void tree_deinit(struct tree *tree)
{
	free(tree->dirs);
	*tree = (struct tree){0};
}
