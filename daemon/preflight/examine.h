#pragma once

#include <jansson.h>

#include "preflight/options.h"

/*
 * Examines what is asked. The report, to be released: {"closed": the directory on the
 * way to the release that cannot be entered or read, or null, "top": the only directory
 * of the release, or null, "paths": [{"verdict", "in_release", "in_top", "file",
 * "detail"}] in the order of the options}. Texts are escaped. NULL: no memory.
 */
json_t *preflight_examine(const struct preflight_options *options)
	__attribute__((nonnull, warn_unused_result));
