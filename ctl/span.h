#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Spans and times as a person types and reads them, systemd.time(7). */

#define SPAN_TEXT_SIZE 48

/* "84 ms", "2.4 s", "53 s", "2min 53s", "3h 5min", "2d 4h". Returns ret_text. */
const char *span_format_ms(int64_t ms, char ret_text[SPAN_TEXT_SIZE])
	__attribute__((nonnull));

#define SPAN_SEC_MAX INT64_C(31622400) /* a leap year */

/* "90", "30s", "5m", "5min", "1h30m", "2d": seconds, 1 to SPAN_SEC_MAX. */
bool span_parse(const char *text, int64_t *ret_sec) __attribute__((nonnull));

/*
 * When something ends, in seconds since the epoch: a span from now_sec on, or a time as
 * names_rfc3339() writes it.
 */
bool span_parse_end(const char *text, int64_t now_sec, int64_t *ret_sec)
	__attribute__((nonnull));
