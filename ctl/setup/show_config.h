#pragma once

#include <jansson.h>

#include "deploy/app_config.h"
#include "options.h"

/*
 * `show APP --config`: every option of the app's file with its value and the line that
 * it comes from, read here as deployd reads it. On stdout as a file that says the same,
 * or JSON. Returns an exit status.
 */
int show_config(const struct options *options) __attribute__((nonnull));

/* The same as an object. NULL without memory; the caller decrefs. */
json_t *show_config_json(const struct app_config *app) __attribute__((nonnull));

/*
 * Writes one value of an option so that it is read back as the same: braces doubled,
 * and quoted where it could be taken for a comment. The caller frees; NULL without
 * memory.
 */
char *show_config_value(const char *value) __attribute__((nonnull));
