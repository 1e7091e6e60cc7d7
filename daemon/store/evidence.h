#pragma once

#include <jansson.h>

#define EVIDENCE_BYTES_MAX 16384 /* as JSON text */

/* A bounded copy of evidence (protocol.h), the caller's; NULL: no memory. */
json_t *evidence_bounded(const json_t *evidence)
	__attribute__((warn_unused_result, nonnull));
