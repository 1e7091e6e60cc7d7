#pragma once

#include <stddef.h>

#include "deploy/app_config.h"

/*
 * The names of mix_deploy's scripts; each one stands for a verb: link-scripts
 * links them, ctl/scripts does what they stand for.
 */

#define SCRIPT_PREFIX "deploy-" /* beside the app's target_prefix */

struct script {
	const char *name;     /* without the prefix */
	const char *verb;     /* NULL: there is no such thing here */
	const char *argument; /* behind the app; NULL: none */
	const char *instead;  /* without a verb: what to do */
};

extern const struct script scripts[];
extern const size_t n_scripts;

/*
 * The script that base (a file's name) is under prefix, or under SCRIPT_PREFIX. NULL
 * when it is none.
 */
const struct script *script_find(const char *base, const char *prefix)
	__attribute__((nonnull(1)));

/* The app's option target_prefix. */
const char *script_prefix(const struct app_config *app) __attribute__((nonnull));
