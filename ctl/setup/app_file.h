#pragma once

#include <stdbool.h>

#include "deploy/app_config.h"
#include "options.h"

/*
 * Reads an app's configuration as deployd does: its file and drop-ins of /etc, /run and
 * /usr/lib, or with --app-file that file alone. options->app may be NULL when there is
 * one app only. with_environment: APP_USER, APP_GROUP, DEPLOY_USER, DEPLOY_GROUP and
 * MIX_ENV of the environment stand in for the options of that name, as if a last
 * drop-in said so.
 *
 * Returns an exit status; when it is not 0 the user has been told why (every message of
 * the files) and *ret_app is untouched. The caller frees the app. Users are not
 * resolved.
 */
int app_file_load(const struct options *options, bool with_environment,
		  struct app_config **ret_app) __attribute__((nonnull));

/*
 * The app that options name, or all there are. *ret_apps and each of them are the
 * caller's, also when the status is not 0.
 */
int app_file_load_all(const struct options *options, struct app_config ***ret_apps,
		      size_t *ret_n) __attribute__((nonnull));

/*
 * The text of the drop-in that one environment variable stands for, into ret_text.
 * False: value is not fit for a configuration file at all.
 */
#define APP_FILE_OVERRIDE_SIZE 512
bool app_file_override(const char *section, const char *option, const char *value,
		       char ret_text[APP_FILE_OVERRIDE_SIZE]) __attribute__((nonnull));
