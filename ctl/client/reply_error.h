#pragma once

#include <jansson.h>

#include "client/connection.h"
#include "deploy/result.h"
#include "options.h"

/*
 * The result of an error reply; *ret_parameters are its parameters in snake_case,
 * always with a "message", which says what may have been meant. The caller decrefs.
 */
enum deploy_result reply_error(const struct options *options, const struct reply *reply,
			       json_t **ret_parameters) __attribute__((nonnull));
