#pragma once

#include <jansson.h>

#include "deploy/result.h"
#include "options.h"

/* How a failure is told: text on stderr, with --json an object on stdout too. */

/*
 * parameters are those of the error reply in snake_case, "message" among them. Returns
 * the exit status.
 */
int failure_show(const struct options *options, enum deploy_result result,
		 const json_t *parameters) __attribute__((nonnull(1)));

/* The same for a failure of our own. */
int failure_tell(const struct options *options, enum deploy_result result,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4), nonnull));

/* Only the text of failure_show(). */
void failure_print(const json_t *parameters);
