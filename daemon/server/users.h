#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "server/user_ranges.h"

/*
 * Tells who a uid is: a user with a name, a uid that /etc/subuid lends to a user, or a
 * uid that the name service does not know. The name service may block for a long time
 * (LDAP), so each look-up runs in a process of its own, deployd-users, with a deadline.
 * The answer is kept for a while. A look-up that fails is reported as such, never as
 * "unknown".
 */

#define USERS_CACHE_MAX	   256
#define USERS_FRESH_MSEC   60000u /* then the name service is asked again */
#define USERS_LOOKUPS_MAX  64	  /* uids being looked up; more are told to try again */
#define USERS_RUNNING_MAX  16	  /* of those at the same time */
#define USERS_TIMEOUT_MSEC 5000u  /* one run of deployd-users */
#define USERS_WHY_SIZE	   200
#define USERS_DIR	   "/etc"

enum user_status {
	USER_FAILED = 0, /* could not be found out; why has the reason */
	USER_KNOWN,
	USER_UNKNOWN,	  /* definitely */
	USER_SUBORDINATE, /* /etc/subuid lends it to owner, owner_name */
};

struct user_answer {
	uid_t uid;
	enum user_status status;
	char name[USER_NAME_SIZE]; /* when known */
	uid_t owner;		   /* who answers for it: uid itself, or its lender */
	char owner_name[USER_NAME_SIZE];
	char why[USERS_WHY_SIZE];
};

struct users_options {
	const char *program; /* deployd-users */
	const char *dir;     /* of subuid and passwd */
	uid_t uid;	     /* what the program runs as */
	gid_t gid;
};

typedef void (*user_found_fn)(void *userdata, uint64_t id,
			      const struct user_answer *answer);

struct user_lookup;

struct users {
	uv_loop_t *loop;
	struct users_options options;
	struct user_ranges ranges;
	uv_fs_event_t watch;
	struct user_lookup *lookups;
	unsigned int n_lookups, n_running;
	struct {
		uint64_t at; /* uv_now() */
		struct user_answer answer;
	} cache[USERS_CACHE_MAX];
	size_t n_cached;
	size_t next; /* the oldest, overwritten next once full */
	bool closing;
};

/* Keeps the strings of options. Starts to read /etc/subuid. 0 or negative errno. */
int users_start(struct users *users, uv_loop_t *loop,
		const struct users_options *options)
	__attribute__((warn_unused_result, nonnull));

/* Forgets everything, as after a reload, and runs deployd-users as this user now. */
void users_flush(struct users *users, uid_t uid, gid_t gid) __attribute__((nonnull));

/*
 * Calls done once with the answer for uid, either at once or later from the loop. id is
 * passed on, since the caller's object may be gone by then. Not called after
 * users_close().
 */
void users_find(struct users *users, uid_t uid, user_found_fn done, void *userdata,
		uint64_t id) __attribute__((nonnull(1, 3)));

/* Who answers for uid, if that is known at once; uid itself if it is not. */
uid_t users_owner(const struct users *users, uid_t uid) __attribute__((nonnull));

/* Ends all look-ups; the handles close on the loop. Idempotent. */
void users_close(struct users *users) __attribute__((nonnull));
