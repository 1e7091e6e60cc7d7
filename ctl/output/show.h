#pragma once

#include <jansson.h>
#include <stdint.h>

#include "options.h"

/* Shows an answer to a person, on stdout. */

void show_list(const json_t *apps, const struct options *options)
	__attribute__((nonnull));
void show_releases(const json_t *releases, const struct options *options)
	__attribute__((nonnull));
void show_history(const json_t *entries, const struct options *options)
	__attribute__((nonnull));
void show_jobs(const json_t *jobs, const struct options *options)
	__attribute__((nonnull));

/* The answer of DaemonStatus: a block and a table. */
void show_daemon(const json_t *daemon, const struct options *options)
	__attribute__((nonnull));

/* now: seconds since the epoch, for "3min ago". */
void show_status(const json_t *status, int64_t now) __attribute__((nonnull));
void show_release(const json_t *release, int64_t now) __attribute__((nonnull));

/* "2026-11-23 10:15:00 UTC" of an RFC 3339 time, in local time; text itself if it is
 * none.
 */
#define SHOW_TIME_SIZE 64
const char *show_time(const char *text, char ret_text[SHOW_TIME_SIZE])
	__attribute__((nonnull(2)));

/* "3min ago", "2 days ago" */
const char *show_ago(int64_t seconds, char ret_text[SHOW_TIME_SIZE])
	__attribute__((nonnull));
