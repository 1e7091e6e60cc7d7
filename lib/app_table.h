#pragma once

#include "option.h"

/* The tables of app_config.c: the options of an app's file by section. */

extern const struct option_spec app_options[];
extern const size_t n_app_options;

#define APP_COPY_FILE_OPTIONS  6
#define APP_CREATE_DIR_OPTIONS 6
extern const struct option_spec app_copy_file_options[APP_COPY_FILE_OPTIONS];
extern const struct option_spec app_create_dir_options[APP_CREATE_DIR_OPTIONS];

/* An option of mix_deploy that is written otherwise here, or means nothing here. */
struct app_foreign_option {
	const char *name;
	const char *instead; /* NULL: it steers mix_deploy's generator only */
};

/* NULL when it is none. */
const struct app_foreign_option *app_foreign_option(const char *name)
	__attribute__((nonnull));
