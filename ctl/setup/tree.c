#include "setup/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KINDS	    6
#define SHARED_NAME "shared" /* as daemon/store/linked.h has it */

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
	*dir = (struct tree_dir){.path = path,
				 .user = user,
				 .group = group,
				 .mode = mode,
				 .is_volatile = tree_is_below(path, "/run") ||
						tree_is_below(path, "/var/run")};
}

static size_t n_parts(char *const *words)
{
	size_t n = 0;

	for (; words && *words; words++) {
		n++;
		for (const char *p = *words; *p; p++)
			n += *p == '/';
	}
	return n;
}

static bool app_has_linked(const struct app_config *app)
{
	return n_parts(app->linked_dirs) + n_parts(app->linked_files) > 0;
}

static size_t n_shared(const struct app_config *app)
{
	return 1 + n_parts(app->linked_dirs) + n_parts(app->linked_files);
}

/* Copies the first `length` bytes of path below shared/ to *at, and moves it on. */
static const char *shared_path(const struct app_config *app, const char *path,
			       size_t length, char **at)
{
	size_t size = strlen(app->deploy_dir) + sizeof("/" SHARED_NAME "/") + length;
	const char *start = *at;

	(void)snprintf(*at, size, "%s/" SHARED_NAME "%s%.*s", app->deploy_dir,
		       length > 0 ? "/" : "", (int)length, path);
	*at += size;
	return start;
}

/* What lies between is root's, else the app decides what is linked. */
static void put_linked(struct tree *tree, const struct app_config *app,
		       char *const *words, bool are_dirs, char **at)
{
	for (; words && *words; words++) {
		const char *path = *words;

		for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
			put(tree, shared_path(app, path, (size_t)(p - path), at),
			    "root", app->app_group, 0750);
		if (!are_dirs)
			continue;
		put(tree, shared_path(app, path, strlen(path), at), app->app_user,
		    app->app_group, 0750);
		tree->dirs[tree->n_dirs - 1].is_linked = true;
	}
}

/* There is room for n_shared() more. */
static int put_shared(struct tree *tree, const struct app_config *app)
{
	size_t size = strlen(app->deploy_dir) + sizeof("/" SHARED_NAME "/"),
	       longest = 0;
	char *const *lists[] = {app->linked_dirs, app->linked_files};
	char *at;

	if (!app_has_linked(app))
		return 0;
	for (size_t i = 0; i < 2; i++)
		for (char *const *word = lists[i]; word && *word; word++)
			if (strlen(*word) > longest)
				longest = strlen(*word);
	at = tree->linked_paths = malloc(n_shared(app) * (size + longest));
	if (!at)
		return -ENOMEM;
	put(tree, shared_path(app, "", 0, &at), "root", app->app_group, 0750);
	put_linked(tree, app, app->linked_dirs, true, &at);
	put_linked(tree, app, app->linked_files, false, &at);
	return 0;
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
	*ret_tree = (struct tree){.dirs = calloc(5, sizeof(struct tree_dir))};
	if (!ret_tree->dirs)
		return -ENOMEM;
	put_releases(ret_tree, app);
	return 0;
}

int tree_of_shared(const struct app_config *app, struct tree *ret_tree)
{
	*ret_tree =
		(struct tree){.dirs = calloc(n_shared(app), sizeof(struct tree_dir))};
	if (!ret_tree->dirs || put_shared(ret_tree, app) < 0) {
		tree_deinit(ret_tree);
		return -ENOMEM;
	}
	qsort(ret_tree->dirs, ret_tree->n_dirs, sizeof(*ret_tree->dirs), compare_paths);
	return 0;
}

int tree_of(const struct app_config *app, struct tree *ret_tree)
{
	const char *dirs = text_of(app, "dirs");

	*ret_tree = (struct tree){
		.dirs = calloc(5 + KINDS + n_shared(app) + app->n_create_dirs,
			       sizeof(struct tree_dir))};
	if (!ret_tree->dirs || put_shared(ret_tree, app) < 0) {
		tree_deinit(ret_tree);
		return -ENOMEM;
	}
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
	free(tree->linked_paths);
	*tree = (struct tree){0};
}
