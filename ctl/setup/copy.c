/*
 * copy-files: the sections [copy_file NAME]; and from the project that --app-file is
 * in, what every app needs: its file, and what `deployctl generate` wrote beside it.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "options.h"
#include "setup/accounts.h"
#include "setup/source.h"
#include "setup/tree.h"

/* The section, in front of what is wrong with it. */
static int in_section(const struct app_copy_file *copy, int r, struct errinfo *ei)
{
	struct errinfo inner = *ei;

	(void)snprintf(ei->what, sizeof(ei->what), "[copy_file %s]: %s", copy->name,
		       inner.what);
	return r;
}

static bool has_control(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return true;
	return false;
}

static int copy_one(struct setup *setup, const struct app_copy_file *copy,
		    const char *src, bool is_into, struct errinfo *ei)
{
	cleanup_free char *data = NULL;
	const char *base = strrchr(src, '/');
	char path[PATH_MAX];
	struct place_file file = {.mode = copy->mode};
	char shown[300];
	int n, r;

	/* A pattern finds what others named; the manifest has a line for each. */
	if (has_control(base ? base + 1 : src))
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s' has control characters in its name; rename "
				      "it",
				      names_escape(src, shown, sizeof(shown)));
	n = is_into ? snprintf(path, sizeof(path), "%s/%s", copy->dst,
			       base ? base + 1 : src)
		    : snprintf(path, sizeof(path), "%s", copy->dst);
	if (n < 0 || (size_t)n >= sizeof(path))
		return errinfo_set(ei, ENAMETOOLONG, "cannot copy '%s'", src);
	r = owner_resolve(setup, copy->user, copy->group, &file.owner, ei);
	if (r == 0)
		r = source_read(src, &data, &file.length, ei);
	file.data = data;
	return r < 0 ? r : place_file(setup, path, &file, ei);
}

/*
 * Does dst name a directory, into which the file goes under its own name? Its mode is
 * the file's all the same, never the directory's.
 */
static int is_directory(struct setup *setup, const struct tree *tree, const char *dst,
			struct errinfo *ei)
{
	struct stat st;
	int r;

	if (tree_find(tree, dst))
		return 1;
	r = place_stat(setup, dst, &st, ei);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return S_ISDIR(st.st_mode);
}

static int copy_section(struct setup *setup, const struct tree *tree,
			const struct app_copy_file *copy, struct errinfo *ei)
{
	bool has_pattern = strpbrk(copy->src, "*?[") != NULL;
	glob_t found = {0};
	int is_into = has_pattern ? 1 : is_directory(setup, tree, copy->dst, ei), r;

	if (is_into < 0)
		return is_into;
	if (!has_pattern)
		return copy_one(setup, copy, copy->src, is_into, ei);
	r = glob(copy->src, GLOB_ERR | GLOB_NOSORT, NULL, &found);
	if (r == GLOB_NOMATCH)
		r = errinfo_refuse(ei, RESULT_FAILED,
				   "nothing is named like '%s' (a relative path starts "
				   "at the current directory)",
				   copy->src);
	else if (r != 0)
		r = errinfo_set(ei, r == GLOB_NOSPACE ? ENOMEM : errno,
				"cannot search for '%s'", copy->src);
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = copy_one(setup, copy, found.gl_pathv[i], true, ei);
	globfree(&found);
	return r;
}

/* A section that puts something there has the say. */
static bool has_section_for(const struct app_config *app, const char *dst)
{
	for (size_t i = 0; i < app->n_copy_files; i++) {
		const struct app_copy_file *copy = &app->copy_files[i];
		const char *base = strrchr(dst, '/');
		size_t n = strlen(copy->dst);

		n -= n > 1 && copy->dst[n - 1] == '/';
		if (strcmp(copy->dst, dst) == 0 ||
		    (n == (size_t)(base - dst) && memcmp(copy->dst, dst, n) == 0))
			return true;
	}
	return false;
}

static int copy_own(struct setup *setup, const char *src, const char *dst,
		    struct errinfo *ei)
{
	const struct app_copy_file copy = {.dst = (char *)(uintptr_t)dst,
					   .user = (char *)(uintptr_t) "root",
					   .group = (char *)(uintptr_t) "root",
					   .mode = 0644};

	if (has_section_for(setup->app, dst))
		return 0;
	/* Who wrote the unit by hand has generated none. */
	if (access(src, F_OK) < 0 && errno == ENOENT)
		return 0;
	return copy_one(setup, &copy, src, false, ei);
}

/* Where `deployctl generate` writes it. */
static void generated_path(const struct app_config *app, const char *dir,
			   const char *name, char ret_path[PATH_MAX])
{
	const struct app_option *mix_env = app_config_option(app, "mix_env");

	(void)snprintf(ret_path, PATH_MAX, "_build/%s/deploy/%s/%s",
		       mix_env && mix_env->value ? mix_env->value : "prod", dir, name);
}

bool setup_has_generated_unit(const struct setup *setup)
{
	char src[PATH_MAX];

	generated_path(setup->app, "systemd", setup->app->unit, src);
	return setup->options->app_file && access(src, F_OK) == 0;
}

static int copy_project(struct setup *setup, struct errinfo *ei)
{
	const struct app_config *app = setup->app;
	char name[NAME_MAX + 1], src[PATH_MAX], dst[PATH_MAX];
	int r;

	(void)snprintf(name, sizeof(name), "%s.conf", app->app_name);
	(void)snprintf(dst, sizeof(dst), "/etc/deployd/apps.d/%s", name);
	r = copy_own(setup, setup->options->app_file, dst, ei);
	generated_path(app, "systemd", app->unit, src);
	(void)snprintf(dst, sizeof(dst), "/etc/systemd/system/%s", app->unit);
	if (r == 0)
		r = copy_own(setup, src, dst, ei);
	generated_path(app, "policy.d", name, src);
	(void)snprintf(dst, sizeof(dst), "/etc/deployd/policy.d/%s", name);
	if (r == 0)
		r = copy_own(setup, src, dst, ei);
	return r;
}

int setup_copy_files(struct setup *setup, struct errinfo *ei)
{
	struct tree tree;
	int r = tree_of(setup->app, &tree);

	if (r < 0)
		return errinfo_set(ei, r, "cannot copy files");
	for (size_t i = 0; r == 0 && i < setup->app->n_copy_files; i++) {
		const struct app_copy_file *copy = &setup->app->copy_files[i];

		if (!copy->enabled)
			continue;
		r = copy_section(setup, &tree, copy, ei);
		if (r < 0)
			(void)in_section(copy, r, ei);
	}
	tree_deinit(&tree);
	if (r == 0 && setup->options->app_file)
		r = copy_project(setup, ei);
	return r;
}
