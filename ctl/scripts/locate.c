/* Which app a script is of. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/call.h"
#include "deploy/cleanup.h"
#include "output/terminal.h"
#include "scripts/scripts.h"
#include "setup/app_file.h"
#include "util/config_files.h"

struct search {
	struct stat dir;
	char name[256];	 /* of the app whose scripts_dir it is, or of the only one */
	char known[512]; /* names of all */
	size_t n_known, n_here;
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A file with errors counts as an app: whoever loads it again tells them. */
static void consider(struct search *search, const char *file)
{
	struct config_file_list files = {0};
	struct app_config *app = NULL;
	struct diag diag = {0};
	char path[300], name[256];
	size_t length = strlen(search->known);
	struct stat st;

	(void)snprintf(path, sizeof(path), "apps.d/%s", file);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(strlen(file) - 5), file);
	config_files_read(path, &files, &diag);
	if (files.n_texts > 0)
		app = app_config_parse(name, files.texts, files.n_texts, &diag);
	if (app)
		(void)snprintf(name, sizeof(name), "%s", app->app_name);
	(void)snprintf(search->known + length, sizeof(search->known) - length, " %s",
		       name);
	if (app && stat(app->scripts_dir, &st) == 0 && is_same(&st, &search->dir)) {
		search->n_here++;
		(void)snprintf(search->name, sizeof(search->name), "%s", name);
	} else if (search->n_known == 0) {
		(void)snprintf(search->name, sizeof(search->name), "%s", name);
	}
	search->n_known++;
	app_config_free(app);
	config_file_list_deinit(&files);
	diag_deinit(&diag);
}

static bool tell(const struct search *search, const char *dir)
{
	if (search->n_here == 1 || (search->n_here == 0 && search->n_known == 1))
		return true;
	if (search->n_known == 0)
		terminal_error("no app is configured; write "
			       "/etc/deployd/apps.d/APP.conf (deployd.app(5))");
	else if (search->n_here > 1)
		terminal_error("'%s' is scripts_dir of several apps; use `deployctl "
			       "VERB APP`",
			       dir);
	else
		terminal_error("'%s' is scripts_dir of none of the apps, and there are "
			       "several:%s; use `deployctl VERB APP`",
			       dir, search->known);
	return false;
}

struct app_config *script_app(const char *dir, enum deploy_result *ret_result)
{
	struct options options = {OPTIONS_NONE};
	struct diag diag = {0};
	char **names = config_files_names("apps.d", &diag);
	struct app_config *app = NULL;
	struct search search = {0};
	int status;

	(void)stat(dir, &search.dir); /* nothing is the same as zeros */
	for (char **p = names; p && *p; p++) {
		consider(&search, *p);
		free(*p);
	}
	free(names);
	diag_deinit(&diag);
	*ret_result = search.n_known == 0 ? RESULT_NOT_FOUND : RESULT_USAGE;
	if (!tell(&search, dir))
		return NULL;
	options.app = search.name;
	options.n_args = 1;
	status = app_file_load(&options, true, &app);
	*ret_result = RESULT_BAD_CONFIG;
	return status == 0 ? app : NULL;
}
