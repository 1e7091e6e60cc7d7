#pragma once

#include <stddef.h>

#include "core/preflight.h"
#include "deploy/errinfo.h"

#define PREFLIGHT_HIDDEN_MAX 256 /* paths where the unit sees something else */

struct preflight_options {
	const char *current; /* the link; absolute */
	const char *release; /* the directory that it is read as; absolute */
	const char *hidden[PREFLIGHT_HIDDEN_MAX];
	size_t n_hidden;
	struct {
		enum preflight_use use;
		const char *path;
	} asked[PREFLIGHT_PATHS_MAX];
	size_t n_asked;
};

/*
 * --current= and --release= once, --hidden= and --command=, --root=, --directory=,
 * --file= (preflight_use_name()) as often as there are paths. Texts point into argv. 0
 * or -EINVAL with *ei.
 */
int preflight_options_parse(int argc, char **argv,
			    struct preflight_options *ret_options, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
