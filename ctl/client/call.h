#pragma once

#include <jansson.h>

#include "verb.h"

/* One question to deployd, here or on another host, and its one answer. */

/*
 * Asks, and gives the answer in snake_case: the member `pick` of the reply, or with
 * NULL the whole reply with its "schema". Takes the reference on parameters (NULL:
 * none). Returns an exit status; when it is not 0 the user has been told why and
 * *ret_value is untouched. The caller decrefs.
 */
int call_ask(const struct verb *verb, const struct options *options, const char *method,
	     json_t *parameters, const char *pick, json_t **ret_value)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 6)));
