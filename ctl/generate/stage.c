/*
 * stage-files: what a build machine hands to CodeDeploy, in one directory. What the
 * project has itself, an appspec.yml and scripts in bin/, comes along as it is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "generate/made.h"
#include "generate/output.h"
#include "generate/text.h"
#include "generate/verbs.h"
#include "output/failure.h"
#include "setup/app_file.h"
#include "setup/source.h"
#include "util/config_files.h"

#define SCRIPTS_MAX 1000 /* of the project */

struct stage {
	const struct options *options;
	const struct app_config *app;
	struct generated generated;
	struct made made;
	int dir_fd; /* -1 with --dry-run */
};

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static const char *option(const struct stage *stage, const char *name)
{
	const struct app_option *found = app_config_option(stage->app, name);

	return found && found->value ? found->value : "";
}

/* Where mix and distillery leave it. An unknown version is any, "*". */
static void archive_pattern(const struct stage *stage, char ret_pattern[PATH_MAX])
{
	const char *name = environment("RELEASE_NAME", stage->app->release_name);
	const char *version = environment("RELEASE_VSN", stage->app->version);
	const char *mix_env = option(stage, "mix_env");

	version = version ? version : "*";
	if (strcmp(option(stage, "release_system"), "mix") == 0)
		(void)snprintf(ret_pattern, PATH_MAX, "_build/%s/%s-%s.tar.gz", mix_env,
			       name, version);
	else
		(void)snprintf(ret_pattern, PATH_MAX,
			       "_build/%s/rel/%s/releases/%s/%s.tar.gz", mix_env, name,
			       version, name);
}

static int find_archive(const struct stage *stage, char ret_path[PATH_MAX],
			struct errinfo *ei)
{
	char pattern[PATH_MAX], shown[300];
	glob_t found = {0};
	int r;

	if (stage->options->n_args > 1) {
		(void)snprintf(ret_path, PATH_MAX, "%s", stage->options->args[1]);
		return 0;
	}
	archive_pattern(stage, pattern);
	r = glob(pattern, 0, NULL, &found);
	(void)names_escape(pattern, shown, sizeof(shown));
	if (r == GLOB_NOMATCH)
		r = errinfo_refuse(ei, RESULT_NOT_FOUND,
				   "there is no archive '%s' here; make it (mix "
				   "release, with the step :tar), or name it behind "
				   "the app",
				   shown);
	else if (r != 0)
		r = errinfo_set(ei, ENOMEM, "cannot search for '%s'", shown);
	else if (found.gl_pathc > 1)
		r = errinfo_refuse(ei, RESULT_USAGE,
				   "there are %zu archives '%s' here; say which one by "
				   "RELEASE_VSN, by version in the app's file, or "
				   "behind the app",
				   found.gl_pathc, shown);
	else
		(void)snprintf(ret_path, PATH_MAX, "%s", found.gl_pathv[0]);
	globfree(&found);
	return r;
}

static int open_source(const char *path, struct stat *ret_stat, int *ret_fd,
		       struct errinfo *ei)
{
	cleanup_close int fd = -1;
	char shown[300];

	(void)names_escape(path, shown, sizeof(shown));
	/* The project may be another's: what root can read is not to get out by it. */
	if (geteuid() == 0) {
		int r = source_open(path, &fd, ei);

		if (r < 0)
			return r;
	} else {
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return errinfo_set(ei, errno, "cannot read '%s'", shown);
	if (!S_ISREG(ret_stat->st_mode))
		return errinfo_refuse(ei, RESULT_FAILED, "'%s' is not a regular file",
				      shown);
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int copy(struct stage *stage, const char *from, const char *to,
		struct errinfo *ei)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r = open_source(from, &st, &fd, ei);

	if (r < 0)
		return r;
	made_add(&stage->made, to);
	return stage->dir_fd < 0 ? 0
				 : output_copy(stage->dir_fd, to, fd,
					       st.st_mode & S_IXUSR ? 0755 : 0644, ei);
}

static int copy_archive(struct stage *stage, const char *from, struct errinfo *ei)
{
	char to[NAME_MAX + 8];

	(void)snprintf(to, sizeof(to), "%s.tar.gz",
		       environment("RELEASE_NAME", stage->app->release_name));
	return copy(stage, from, to, ei);
}

/* One of the project, that is: an earlier one of ours is made anew. */
static bool has_own_appspec(void)
{
	cleanup_file FILE *file = fopen("appspec.yml", "re");
	char head[sizeof(TEXT_MARK)] = "";

	return file &&
	       (!fgets(head, sizeof(head), file) || strcmp(head, TEXT_MARK) != 0);
}

static bool is_generated(const struct stage *stage, const char *path)
{
	for (size_t i = 0; i < stage->generated.n_files; i++)
		if (strcmp(stage->generated.files[i].path, path) == 0)
			return stage->generated.files[i].text != NULL;
	return false;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int copy_script(struct stage *stage, const char *dir, const char *name,
		       struct errinfo *ei)
{
	char from[PATH_MAX], to[NAME_MAX + 8];
	struct stat st;

	(void)snprintf(from, sizeof(from), "%s/%s", dir, name);
	(void)snprintf(to, sizeof(to), "bin/%s", name);
	if (is_generated(stage, to) || stat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return copy(stage, from, to, ei);
}

static int copy_scripts(struct stage *stage, struct errinfo *ei)
{
	const char *dir = environment("SCRIPTS_SRC", "bin");
	struct dirent **entries;
	int n = scandir(dir, &entries, is_visible, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT
			       ? 0
			       : errinfo_set(ei, errno, "cannot read '%s'", dir);
	if (n > SCRIPTS_MAX)
		r = errinfo_refuse(ei, RESULT_FAILED, "more than %u files in '%s'",
				   SCRIPTS_MAX, dir);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = copy_script(stage, dir, entries[i]->d_name, ei);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* A file of the app, as it is read here, for the target to read. */
static int put_text(struct stage *stage, const struct config_text *text, size_t i,
		    struct errinfo *ei)
{
	const char *base = strrchr(text->file, '/');
	char to[2 * NAME_MAX];

	if (i == 0)
		(void)snprintf(to, sizeof(to), "apps.d/%s.conf", stage->app->app_name);
	else
		(void)snprintf(to, sizeof(to), "apps.d/%s.conf.d/%s",
			       stage->app->app_name, base ? base + 1 : text->file);
	made_add(&stage->made, to);
	return stage->dir_fd < 0 ? 0
				 : output_write(stage->dir_fd, to, text->text,
						text->length, 0644, ei);
}

static int copy_app_file(struct stage *stage, struct errinfo *ei)
{
	struct config_file_list list = {0};
	struct diag diag = {0};
	char name[NAME_MAX + 8], to[NAME_MAX + 16];
	const char *base = strrchr(stage->app->file, '/');
	int r = 0;

	if (stage->options->app_file) {
		(void)snprintf(to, sizeof(to), "apps.d/%s.conf", stage->app->app_name);
		return copy(stage, stage->options->app_file, to, ei);
	}
	(void)snprintf(name, sizeof(name), "apps.d/%s",
		       base ? base + 1 : stage->app->file);
	config_files_read(name, &list, &diag);
	for (size_t i = 0; r == 0 && i < list.n_texts; i++)
		r = put_text(stage, &list.texts[i], i, ei);
	config_file_list_deinit(&list);
	diag_deinit(&diag);
	return r;
}

/* Of scripts, the project's wins unless it has the name of one of mix_deploy. */
static bool is_replaced(const struct generated_file *file, bool own_appspec)
{
	char path[PATH_MAX];

	if (strcmp(file->path, "appspec.yml") == 0)
		return own_appspec;
	if (strncmp(file->path, "bin/", 4) != 0 ||
	    strncmp(file->path + 4, "deploy-", 7) == 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s", environment("SCRIPTS_SRC", "bin"),
		       file->path + 4);
	return access(path, F_OK) == 0;
}

static int put_generated(struct stage *stage, struct errinfo *ei)
{
	bool own_appspec = has_own_appspec();
	int r = 0;

	for (size_t i = 0; i < stage->generated.n_files; i++) {
		struct generated_file *file = &stage->generated.files[i];

		if (is_replaced(file, own_appspec)) {
			free(file->text);
			file->text = NULL;
		} else if (file->text) {
			made_add(&stage->made, file->path);
		}
	}
	if (stage->dir_fd >= 0)
		r = output_generated(stage->dir_fd, &stage->generated, ei);
	return r == 0 && own_appspec ? copy(stage, "appspec.yml", "appspec.yml", ei)
				     : r;
}

static int stage_all(struct stage *stage, struct errinfo *ei)
{
	cleanup_close int etc_fd = -1;
	char archive[PATH_MAX];
	int r = find_archive(stage, archive, ei);

	if (r == 0 && !stage->options->dry_run)
		r = output_open(stage->made.dir, &stage->dir_fd, ei);
	if (r == 0)
		r = copy_archive(stage, archive, ei);
	if (r == 0)
		r = put_generated(stage, ei);
	if (r == 0)
		r = copy_app_file(stage, ei);
	if (r == 0)
		r = copy_scripts(stage, ei);
	/* appspec.yml names it, and CodeDeploy fails where it is not. */
	if (r == 0 && stage->dir_fd >= 0)
		r = output_directory(stage->dir_fd, "etc", &etc_fd, ei);
	return r;
}

static int run(const struct verb *verb, struct stage *stage)
{
	const char *dir = stage->options->to ? stage->options->to
					     : environment("OUTPUT_DIR", "files");
	struct errinfo ei = {0};
	int r;

	made_begin(&stage->made, dir);
	r = stage_all(stage, &ei);
	if (stage->dir_fd >= 0)
		(void)close(stage->dir_fd);
	if (r == 0) {
		made_tell(&stage->made, verb, stage->options, stage->app);
		return 0;
	}
	json_decref(stage->made.files);
	return failure_tell(stage->options, ei.result, "%s", ei.what);
}

int verb_stage_files(const struct verb *verb, const struct options *options)
{
	struct stage stage = {.options = options, .dir_fd = -1};
	struct app_config *app = NULL;
	int status = app_file_load(options, true, &app);

	if (status != 0)
		return status;
	stage.app = app;
	status = made_generate(options, app, GENERATE_UNITS | GENERATE_BUNDLE,
			       &stage.generated);
	if (status == 0) {
		status = run(verb, &stage);
		generated_free(&stage.generated);
	}
	app_config_free(app);
	return status;
}
