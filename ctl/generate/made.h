#pragma once

#include <jansson.h>

#include "generate/generate.h"
#include "verb.h"

/* What the verbs that write files have in common: faults and the list of files. */

/*
 * generate(), with warnings and errors told. Returns an exit status; the caller frees
 * what was generated when it is 0.
 */
int made_generate(const struct options *options, const struct app_config *app,
		  unsigned int what, struct generated *ret_generated)
	__attribute__((nonnull, warn_unused_result));

struct made {
	const char *dir;
	json_t *files;
};

void made_begin(struct made *made, const char *dir) __attribute__((nonnull));
void made_add(struct made *made, const char *path) __attribute__((nonnull));

/* Prints the files, in the order in which they were added, and releases the list. */
void made_tell(struct made *made, const struct verb *verb,
	       const struct options *options, const struct app_config *app)
	__attribute__((nonnull));
