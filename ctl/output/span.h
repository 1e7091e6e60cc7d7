#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Spans and times as a person types them, systemd.time(7). */

#define SPAN_SEC_MAX INT64_C(31622400) /* a leap year */

/* "90", "30s", "5m", "5min", "1h30m", "2d": seconds, 1 to SPAN_SEC_MAX. */
bool span_parse(const char *text, int64_t *ret_sec) __attribute__((nonnull));

/*
 * When something ends, in seconds since the epoch: a span from now_sec on, or a time as
 * names_rfc3339() writes it.
 */
bool span_parse_end(const char *text, int64_t now_sec, int64_t *ret_sec)
	__attribute__((nonnull));
