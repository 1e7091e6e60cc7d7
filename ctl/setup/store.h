#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"

/*
 * Asks deployd-store, as deployd does, but with the caller's capabilities: for what
 * root does to the release store itself. Takes the reference on request. *ret_reply is
 * its result line, which the caller decrefs. A refusal is told in ei, with its result.
 */
int store_ask(json_t *request, unsigned int timeout_sec, json_t **ret_reply,
	      struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
