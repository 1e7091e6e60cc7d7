#include "setup/fragment.h"

#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"

char *fragment_word(const char *text)
{
	char *word = malloc(4 * strlen(text) + 3), *to = word;

	if (!word)
		return NULL;
	*to++ = '"';
	for (const unsigned char *from = (const unsigned char *)text; *from; from++) {
		if (*from < ' ' || *from == 0x7f)
			to += snprintf(to, 5, "\\x%02x", *from);
		else if (*from == '"' || *from == '\\')
			to += snprintf(to, 3, "\\%c", *from);
		else if (*from == '%') /* specifiers */
			to += snprintf(to, 3, "%%%%");
		else
			*to++ = (char)*from;
	}
	*to++ = '"';
	*to = '\0';
	return word;
}

char *fragment_home(const char *user)
{
	char *home;

	return asprintf(&home, "/home/%s", user) < 0 ? NULL : home;
}

const char *fragment_app_home(const struct app_config *app)
{
	const struct app_option *dirs = app_config_option(app, "dirs");
	const struct app_option *state = app_config_option(app, "state_dir");

	return dirs && state && state->value && tree_has_word(dirs->value, "state")
		       ? state->value
		       : "/";
}

/* A stream that becomes a text; NULL at the end when anything failed. */
static char *finish(FILE *stream, char *const *text)
{
	bool failed = ferror(stream) != 0;

	if (fclose(stream) == 0 && !failed)
		return *text;
	free(*text);
	return NULL;
}

char *fragment_sysusers(const struct app_config *app)
{
	cleanup_free char *home = fragment_home(app->deploy_user);
	cleanup_free char *app_home = fragment_word(fragment_app_home(app));
	char *text = NULL;
	size_t size;
	FILE *stream = home && app_home ? open_memstream(&text, &size) : NULL;

	if (!stream)
		return NULL;
	(void)fprintf(stream, "# Accounts of the app %s (deployctl)\n", app->app_name);
	(void)fprintf(stream, "g %s -\n", app->app_group);
	if (strcmp(app->app_group, app->deploy_group) != 0)
		(void)fprintf(stream, "g %s -\n", app->deploy_group);
	(void)fprintf(stream, "g " FRAGMENT_DEPLOYD_GROUP " -\n");
	if (strcmp(app->app_user, app->deploy_user) != 0)
		(void)fprintf(stream, "u %s -:%s \"runs %s\" %s -\n", app->app_user,
			      app->app_group, app->app_name, app_home);
	(void)fprintf(stream, "u %s -:%s \"deploys %s\" %s " FRAGMENT_LOGIN_SHELL "\n",
		      app->deploy_user, app->deploy_group, app->app_name, home);
	(void)fprintf(stream, "m %s %s\n", app->deploy_user, app->app_group);
	(void)fprintf(stream, "m %s " FRAGMENT_DEPLOYD_GROUP "\n", app->deploy_user);
	return finish(stream, &text);
}

char *fragment_directory(const char *path, mode_t mode, const char *user,
			 const char *group)
{
	cleanup_free char *word = fragment_word(path);
	char *line;

	if (!word || asprintf(&line, "d %s %04o %s %s\n", word, (unsigned int)mode,
			      user, group) < 0)
		return NULL;
	return line;
}

/*
 * A file that was copied into a tree gets its owner and mode on the machine where the
 * tree is unpacked. One of root's has them from the archive.
 */
static char *file_line(const struct app_copy_file *copy, const struct tree *tree)
{
	const char *base = strrchr(copy->src, '/');
	bool is_into = strpbrk(copy->src, "*?[") || tree_find(tree, copy->dst);
	cleanup_free char *path = NULL, *word = NULL;
	char *line;

	if (asprintf(&path, "%s%s%s", copy->dst, is_into ? "/" : "",
		     !is_into ? ""
		     : base   ? base + 1
			      : copy->src) < 0)
		path = NULL;
	word = path ? fragment_word(path) : NULL;
	if (!word || asprintf(&line, "z %s %04o %s %s\n", word,
			      (unsigned int)copy->mode, copy->user, copy->group) < 0)
		return NULL;
	return line;
}

static bool is_roots(const struct app_copy_file *copy)
{
	return strcmp(copy->user, "root") == 0 && strcmp(copy->group, "root") == 0;
}

char *fragment_tmpfiles(const struct app_config *app, const struct tree *tree)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	(void)fprintf(stream, "# Directories of the app %s (deployctl)\n",
		      app->app_name);
	for (size_t i = 0; i < tree->n_dirs; i++) {
		const struct tree_dir *dir = &tree->dirs[i];
		cleanup_free char *line =
			fragment_directory(dir->path, dir->mode, dir->user, dir->group);

		(void)fputs(line ? line : "", stream);
	}
	for (size_t i = 0; i < app->n_copy_files; i++) {
		const struct app_copy_file *copy = &app->copy_files[i];
		cleanup_free char *line = NULL;

		if (copy->enabled && !is_roots(copy))
			line = file_line(copy, tree);
		(void)fputs(line ? line : "", stream);
	}
	return finish(stream, &text);
}
