#pragma once

#include <jansson.h>
#include <stdint.h>

#include "options.h"

/* What an answer looks like to a person; on stdout, or stream for the tests. */

void look_print_list(const json_t *apps, const struct options *options)
	__attribute__((nonnull));
void look_print_releases(const json_t *releases, const struct options *options)
	__attribute__((nonnull));
void look_print_history(const json_t *entries, const struct options *options)
	__attribute__((nonnull));
void look_print_jobs(const json_t *jobs, const struct options *options)
	__attribute__((nonnull));

/* The answer of DaemonStatus: a block and a table. */
void look_print_daemon(const json_t *daemon, const struct options *options)
	__attribute__((nonnull));

/* now: seconds since the epoch, for "3min ago". */
void look_print_status(const json_t *status, int64_t now) __attribute__((nonnull));
void look_print_release(const json_t *release, int64_t now) __attribute__((nonnull));

/* "2026-11-23 10:15:00 UTC" of an RFC 3339 time, in local time; text itself if it is
 * none.
 */
#define LOOK_TIME_SIZE 64
const char *look_time(const char *text, char ret_text[LOOK_TIME_SIZE])
	__attribute__((nonnull(2)));

/* "3min ago", "2 days ago" */
const char *look_ago(int64_t seconds, char ret_text[LOOK_TIME_SIZE])
	__attribute__((nonnull));
