#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "loop/child.h"

/*
 * The ranges of /etc/subuid as deployd-users read them last. They are read again when
 * somebody says that the file may have changed, and when they are old; a reading that
 * fails leaves the ranges as they were.
 */

#define USER_NAME_SIZE	       64 /* escaped, with the NUL */
#define USER_RANGES_MAX	       16384
#define USER_RANGES_FRESH_MSEC 60000u
#define USER_RANGES_RETRY_MSEC 10000u /* after a reading that failed */
#define USER_RANGES_FILE       "subuid"

struct users_options;

struct user_range {
	uint32_t first, count;
	uid_t owner; /* -1: could not be looked up */
	char owner_name[USER_NAME_SIZE];
};

struct user_ranges {
	uv_loop_t *loop;
	const struct users_options *options;
	struct user_range *ranges;
	size_t n_ranges;
	json_t *warnings; /* already told */
	struct child child;
	bool running;
	bool again;   /* changed while it was being read */
	bool changed; /* maybe, since it was read */
	bool known;   /* read at least once */
	uint64_t read_at, failed_at;
	char why[200]; /* the last reading failed; else empty */
	bool closing;
	void (*settled)(void *userdata); /* a reading has ended, well or not */
	void *userdata;
};

void user_ranges_init(struct user_ranges *ranges, uv_loop_t *loop,
		      const struct users_options *options,
		      void (*settled)(void *userdata), void *userdata)
	__attribute__((nonnull));

/* Starts to read them, or once more when that is under way. */
void user_ranges_change(struct user_ranges *ranges) __attribute__((nonnull));

/*
 * True when they can be relied on as far as that is possible now; false: a reading is
 * under way, settled is called.
 */
bool user_ranges_ready(struct user_ranges *ranges)
	__attribute__((warn_unused_result, nonnull));

/* The range that uid is in, the first of several; NULL for none. Borrowed. */
const struct user_range *user_ranges_find(const struct user_ranges *ranges, uid_t uid)
	__attribute__((nonnull));

/* Kills the reading and frees everything. */
void user_ranges_close(struct user_ranges *ranges) __attribute__((nonnull));
