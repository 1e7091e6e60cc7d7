#pragma once

#include <jansson.h>

#include "connection.h"
#include "options.h"

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

/*
 * Tells of a failure: text on stderr, with --json an object on stdout too. parameters
 * are those of the error reply in snake_case. Returns the exit status.
 */
int call_tell_failure(const struct options *options, enum deploy_result result,
		      const json_t *parameters) __attribute__((nonnull(1)));

/* The same for a failure of our own. */
int call_tell(const struct options *options, enum deploy_result result, const char *fmt,
	      ...) __attribute__((format(printf, 3, 4), nonnull));

/*
 * The result of an error reply; *ret_parameters are its parameters in snake_case,
 * always with a "message", which says what may have been meant. The caller decrefs.
 */
enum deploy_result call_error(const struct options *options, const struct reply *reply,
			      json_t **ret_parameters) __attribute__((nonnull));

/* Only the text of call_tell_failure(), on stderr. */
void call_print_failure(const json_t *parameters);
