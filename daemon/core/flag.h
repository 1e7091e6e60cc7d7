#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * When a touch of an app's restart.flag leads to a restart. The promise: after every
 * touch a restart begins. At most one restart is under way and one is due behind it;
 * touches in between are merged into the one that is due. Pure: the caller brings the
 * flag's identity and the time.
 */

/*
 * A file's time stamps move in ticks of the kernel's clock, at most 10 ms long: two
 * touches within one look the same. A flag that was seen unchanged for so long cannot
 * be touched any more without a change.
 */
#define FLAG_SETTLE_MSEC     20u
#define FLAG_SETTLE_MSEC_MAX 100u /* the first touch is put off for no longer */

#define FLAG_MERGE_MAX	    10u	   /* a burst is merged this many debounce times */
#define FLAG_RETRY_MSEC	    1000u  /* after a refusal, doubled up to ... */
#define FLAG_RETRY_MSEC_MAX 30000u /* ... this */

/* Differs after every touch; which one is newer is never asked: clocks are set back. */
struct flag_identity {
	uint64_t ino;
	int64_t ctime_nsec, mtime_nsec;
	int64_t size;
};

struct flag_limits {
	uint64_t debounce_ms; /* a burst ends when nothing came for so long */
	uint64_t burst;	      /* restarts at once, at least 1 ... */
	uint64_t interval_ms; /* ... then one in so long; 0 = no limit */
};

enum flag_restart {
	FLAG_RESTART_NONE,
	FLAG_RESTART_SUBMITTED, /* waits for its turn: covers what comes until it begins
				 */
	FLAG_RESTART_RUNNING,
	FLAG_RESTART_COUNT
};

enum flag_verdict {
	FLAG_VERDICT_IDLE, /* nothing to do before the next input */
	FLAG_VERDICT_WAIT, /* ask again at *ret_at_ms */
	FLAG_VERDICT_RESTART,
	FLAG_VERDICT_COUNT
};

struct flag {
	struct flag_limits limits;
	struct flag_identity latest, covered, seen;
	bool have_latest, have_covered, have_seen;
	uint64_t changed_ms; /* when latest was first seen */
	bool pending;	     /* a touch that no restart has begun after */
	bool behind;	     /* it belongs to a burst that was acted on already */
	uint64_t first_ms;   /* the first of the pending touches */
	enum flag_restart restart;
	bool have_began;
	uint64_t began_ms;
	uint64_t full_at_ms; /* the token bucket is full again */
	uint64_t not_before_ms;
	unsigned int refusals;
};

/* seen: the flag that the last restart was for; NULL when none is known. */
void flag_init(struct flag *flag, const struct flag_limits *limits,
	       const struct flag_identity *seen) __attribute__((nonnull(1, 2)));

/* After a reload; what is pending stays so. */
void flag_set_limits(struct flag *flag, const struct flag_limits *limits)
	__attribute__((nonnull));

bool flag_identity_equal(const struct flag_identity *a, const struct flag_identity *b)
	__attribute__((nonnull));

/* The flag looks like this now. True: it was touched, and no touch was pending. */
bool flag_touched(struct flag *flag, const struct flag_identity *identity,
		  uint64_t now_ms) __attribute__((nonnull));

/* The flag as it is calls for nothing: it is to be stored as seen. */
void flag_skip(struct flag *flag, const struct flag_identity *identity)
	__attribute__((nonnull));

/* What is to be done now. *ret_at_ms is set with FLAG_VERDICT_WAIT only. */
enum flag_verdict flag_next(const struct flag *flag, uint64_t now_ms,
			    uint64_t *ret_at_ms)
	__attribute__((warn_unused_result, nonnull));

/* The restart of FLAG_VERDICT_RESTART is in the app's queue. */
void flag_submitted(struct flag *flag) __attribute__((nonnull));

/* It was not taken; flag_next() says when to try again. */
void flag_refused(struct flag *flag, uint64_t now_ms) __attribute__((nonnull));

/* What refused it has changed: try again without waiting. */
void flag_retry(struct flag *flag) __attribute__((nonnull));

/*
 * The submitted restart is about to begin. identity: the flag, looked at just now; NULL
 * when there is none any more.
 */
void flag_began(struct flag *flag, const struct flag_identity *identity,
		uint64_t now_ms) __attribute__((nonnull(1)));

/*
 * The restart has ended, well or badly, or was dropped before it began (then the touch
 * stays pending). True: *ret_seen is to be stored.
 */
bool flag_ended(struct flag *flag, uint64_t now_ms, struct flag_identity *ret_seen)
	__attribute__((warn_unused_result, nonnull));
