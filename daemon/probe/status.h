#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "deploy/limits.h"

#define STATUS_SET_BYTES ((HEALTH_STATUS_MAX - HEALTH_STATUS_MIN) / 8 + 1)

/* HTTP status codes that pass. */
struct status_set {
	uint8_t bits[STATUS_SET_BYTES];
};

/*
 * Reads "200", "200,204", "200,300-399": codes from 100 to 599, no blanks, ranges not
 * backwards. False, and *ret_set untouched, when text is anything else.
 */
bool status_parse(const char *text, struct status_set *ret_set)
	__attribute__((nonnull, warn_unused_result));

/* False for codes that no set can have. */
bool status_in(const struct status_set *set, long code) __attribute__((nonnull));
