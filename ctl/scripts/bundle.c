#include "scripts/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/ini.h"
#include "deploy/names.h"
#include "output/terminal.h"
#include "scripts/scripts.h"
#include "setup/app_file.h"
#include "setup/place.h"

#define INSTALLED   "/etc/deployd/apps.d"
#define APPSPEC	    "appspec.yml"
#define APPSPEC_OLD "appspec.yaml"
#define LEVELS_MAX  16 /* of directories between a hook and its appspec.yml */

static const char *const archive_suffixes[] = {".tar.gz", ".tgz",     ".tar.zst",
					       ".tar.xz", ".tar.bz2", ".tar"};

static bool exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < PATH_MAX &&
	       access(path, F_OK) == 0;
}

/*
 * Is it there, and of root or of who can write the hook? A user can leave a bundle of
 * his own above a script of root's.
 */
static bool is_of(uid_t owner, const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < PATH_MAX &&
	       lstat(path, &st) == 0 && (st.st_uid == 0 || st.st_uid == owner);
}

/* The directory of the hook, or one above it, that has an appspec.yml. */
static char *find_bundle(const char *file, uid_t *ret_owner)
{
	char *dir = file ? realpath(file, NULL) : NULL;
	cleanup_free char *above = dir ? script_directory(dir) : NULL;
	struct stat st, st_above;

	if (!above || stat(dir, &st) < 0 || stat(above, &st_above) < 0) {
		free(dir);
		return NULL;
	}
	*ret_owner = st_above.st_uid != 0 ? st_above.st_uid : st.st_uid;
	for (int i = 0; i < LEVELS_MAX; i++) {
		char *slash = strrchr(dir, '/');

		if (!slash || slash == dir)
			break;
		*slash = '\0';
		if (is_of(*ret_owner, dir, APPSPEC) ||
		    is_of(*ret_owner, dir, APPSPEC_OLD))
			return dir;
	}
	free(dir);
	return NULL;
}

/* apps.d/APP.conf. Two would be two apps in one bundle. */
static int find_app_file(struct bundle *bundle, uid_t owner)
{
	char pattern[PATH_MAX];
	glob_t found = {0};
	int r;

	if (snprintf(pattern, sizeof(pattern), "%s/apps.d/*.conf", bundle->dir) >=
	    PATH_MAX)
		return 0;
	r = is_of(owner, bundle->dir, "apps.d") ? glob(pattern, 0, NULL, &found)
						: GLOB_NOMATCH;
	if (r == 0 && found.gl_pathc == 1 && is_of(owner, "", found.gl_pathv[0] + 1))
		bundle->app_file = strdup(found.gl_pathv[0]);
	if (r == 0 && found.gl_pathc > 1) {
		terminal_error("there are %zu files '%s'; a bundle is of one app",
			       found.gl_pathc, pattern);
		r = result_exit_status(RESULT_BAD_CONFIG);
	} else {
		r = 0;
	}
	globfree(&found);
	return r;
}

static void find_archive(struct bundle *bundle)
{
	const size_t n = sizeof(archive_suffixes) / sizeof(*archive_suffixes);

	for (size_t i = 0; !bundle->archive && i < n; i++) {
		char *path;

		if (asprintf(&path, "%s/%s%s", bundle->dir, bundle->app->release_name,
			     archive_suffixes[i]) < 0)
			return;
		if (access(path, F_OK) == 0)
			bundle->archive = path;
		else
			free(path);
	}
}

/* CodeDeploy's name for the application, if that is an app's here. */
static struct app_config *app_of_environment(void)
{
	struct options options = {OPTIONS_NONE, .n_args = 1};
	struct app_config *app = NULL;
	char path[PATH_MAX];

	options.app = getenv("APPLICATION_NAME");
	if (!options.app || !names_app_valid(options.app))
		return NULL;
	(void)snprintf(path, sizeof(path), INSTALLED "/%s.conf", options.app);
	if (access(path, F_OK) != 0)
		return NULL;
	return app_file_load(&options, true, &app) == 0 ? app : NULL;
}

static int find_app(struct bundle *bundle, const char *file)
{
	struct options options = {OPTIONS_NONE};
	enum deploy_result result = RESULT_OK;

	if (bundle->app_file) {
		options.app_file = bundle->app_file;
		return app_file_load(&options, true, &bundle->app);
	}
	bundle->app = app_of_environment();
	if (!bundle->app) {
		cleanup_free char *dir = script_directory(file ? file : "");

		if (dir)
			bundle->app = script_app(dir, &result);
		else
			result = RESULT_FAILED;
	}
	return bundle->app ? 0 : result_exit_status(result);
}

int bundle_open(const char *file, struct bundle *ret_bundle)
{
	uid_t owner = 0;
	int status = 0;

	*ret_bundle = (struct bundle){.dir = find_bundle(file, &owner)};
	if (ret_bundle->dir)
		status = find_app_file(ret_bundle, owner);
	if (status == 0)
		status = find_app(ret_bundle, file);
	if (status == 0 && ret_bundle->dir)
		find_archive(ret_bundle);
	return status;
}

void bundle_deinit(struct bundle *bundle)
{
	app_config_free(bundle->app);
	free(bundle->dir);
	free(bundle->app_file);
	free(bundle->archive);
	*bundle = (struct bundle){0};
}

static char *read_text(const char *path, size_t *ret_length)
{
	cleanup_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *text = malloc(INI_FILE_BYTES_MAX + 1);
	ssize_t n = -1;

	*ret_length = 0;
	while (fd >= 0 && text && *ret_length <= INI_FILE_BYTES_MAX) {
		n = read(fd, text + *ret_length, INI_FILE_BYTES_MAX + 1 - *ret_length);
		if (n <= 0)
			break;
		*ret_length += (size_t)n;
	}
	if (n == 0 && *ret_length <= INI_FILE_BYTES_MAX)
		return text;
	free(text);
	return NULL;
}

static void installed_path(const struct bundle *bundle, char ret_path[PATH_MAX])
{
	(void)snprintf(ret_path, PATH_MAX, INSTALLED "/%s.conf", bundle->app->app_name);
}

bool bundle_is_installed(const struct bundle *bundle)
{
	cleanup_free char *is = NULL, *wanted = NULL;
	char path[PATH_MAX];
	size_t n_is, n_wanted;

	if (!bundle->app_file)
		return true;
	installed_path(bundle, path);
	is = read_text(path, &n_is);
	wanted = read_text(bundle->app_file, &n_wanted);
	return is && wanted && n_is == n_wanted && memcmp(is, wanted, n_is) == 0;
}

int bundle_install_app_file(struct setup *setup, const struct bundle *bundle,
			    struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	struct place_file file = {.owner = {"root", "root", 0, 0}, .mode = 0644};
	char path[PATH_MAX];

	if (!bundle->app_file)
		return 0;
	text = read_text(bundle->app_file, &file.length);
	if (!text)
		return errinfo_refuse(ei, RESULT_FAILED, "cannot read '%s'",
				      bundle->app_file);
	file.data = text;
	installed_path(bundle, path);
	if (!bundle_is_installed(bundle))
		setup_note(setup, "install %s", path);
	return place_file(setup, path, &file, ei);
}

int bundle_unlink_scripts(struct setup *setup, const struct bundle *bundle,
			  struct errinfo *ei)
{
	char name[NAME_MAX], path[PATH_MAX];
	struct stat st;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_scripts; i++) {
		(void)snprintf(name, sizeof(name), "bin/%s%s",
			       script_prefix(setup->app), scripts[i].name);
		if (!exists(bundle->dir, name) ||
		    snprintf(path, sizeof(path), "%s/%s", setup->app->scripts_dir,
			     name + strlen("bin/")) >= PATH_MAX)
			continue;
		r = place_stat(setup, path, &st, ei);
		if (r == -ENOENT)
			r = 0;
		else if (r == 0 && S_ISLNK(st.st_mode)) {
			setup_note(setup,
				   "remove %s: a link, CodeDeploy would write "
				   "through it",
				   path);
			r = place_remove(setup, path, ei);
		}
	}
	return r;
}
