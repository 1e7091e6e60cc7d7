#pragma once

#include "option.h"

/* The options of an app's file by section. */

extern const struct option_spec app_options[];
extern const size_t n_app_options;

#define APP_COPY_FILE_OPTIONS	 6
#define APP_CREATE_DIR_OPTIONS	 6
#define APP_HEALTH_CHECK_OPTIONS 10
extern const struct option_spec app_health_check_options[APP_HEALTH_CHECK_OPTIONS];
extern const struct option_spec app_copy_file_options[APP_COPY_FILE_OPTIONS];
extern const struct option_spec app_create_dir_options[APP_CREATE_DIR_OPTIONS];

/* The word before NAME in the title of the section that has the option: "copy_file".
 * NULL when no named section has it. */
const char *app_named_section_of(const char *option) __attribute__((nonnull));

/* An option of mix_deploy that is written otherwise here, or means nothing here. */
struct app_foreign_option {
	const char *name;
	const char *instead; /* NULL: it steers mix_deploy's generator only */
};

/* NULL when it is none. */
const struct app_foreign_option *app_foreign_option(const char *name)
	__attribute__((nonnull));
