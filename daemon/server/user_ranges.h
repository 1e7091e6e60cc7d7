#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/child.h"

/*
 * The ranges of /etc/subuid as deployd-users last read them. They are read again after
 * user_ranges_change(), and when they are old. A read that fails leaves the ranges as
 * they were.
 */

#define USER_NAME_SIZE	       64 /* escaped, with the NUL */
#define USER_RANGES_MAX	       16384
#define USER_RANGES_FRESH_MSEC 60000u
#define USER_RANGES_RETRY_MSEC 10000u /* after a failed read */
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
	json_t *warnings; /* already reported */
	struct child child;
	bool running;
	bool again;   /* changed while it was being read */
	bool changed; /* the file may have, since it was read */
	bool known;   /* read at least once */
	uint64_t read_at, failed_at;
	char why[200]; /* why the last read failed; else empty */
	bool closing;
	void (*settled)(void *userdata); /* a read has ended, well or not */
	void *userdata;
};

void user_ranges_init(struct user_ranges *ranges, uv_loop_t *loop,
		      const struct users_options *options,
		      void (*settled)(void *userdata), void *userdata)
	__attribute__((nonnull));

/* Starts to read them; if a read is under way, another one follows. */
void user_ranges_change(struct user_ranges *ranges) __attribute__((nonnull));

/*
 * True when they are as reliable as they can be now; false: a read is under way, and
 * settled will be called.
 */
bool user_ranges_ready(struct user_ranges *ranges)
	__attribute__((warn_unused_result, nonnull));

/* The first range that has uid; NULL: there is none. Borrowed. */
const struct user_range *user_ranges_find(const struct user_ranges *ranges, uid_t uid)
	__attribute__((nonnull));

/* Kills a read that is under way and frees everything. */
void user_ranges_close(struct user_ranges *ranges) __attribute__((nonnull));
