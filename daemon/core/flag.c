#include "core/flag.h"

#include <assert.h>
#include <stddef.h>

static uint64_t max_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t quiet_ms(const struct flag *flag)
{
	return max_of(flag->limits.debounce_ms, FLAG_SETTLE_MSEC);
}

void flag_init(struct flag *flag, const struct flag_limits *limits,
	       const struct flag_identity *seen)
{
	*flag = (struct flag){.restart = FLAG_RESTART_NONE};
	flag_set_limits(flag, limits);
	if (seen)
		flag_skip(flag, seen);
}

void flag_set_limits(struct flag *flag, const struct flag_limits *limits)
{
	assert(limits->burst >= 1);
	flag->limits = *limits;
}

bool flag_identity_equal(const struct flag_identity *a, const struct flag_identity *b)
{
	return a->ino == b->ino && a->ctime_nsec == b->ctime_nsec &&
	       a->mtime_nsec == b->mtime_nsec && a->size == b->size;
}

static void set_pending(struct flag *flag, bool behind, uint64_t now_ms)
{
	flag->pending = true;
	flag->behind = behind;
	flag->first_ms = now_ms;
}

bool flag_touched(struct flag *flag, const struct flag_identity *identity,
		  uint64_t now_ms)
{
	if (flag->have_latest && flag_identity_equal(&flag->latest, identity))
		return false;
	flag->latest = *identity;
	flag->have_latest = true;
	flag->changed_ms = now_ms;
	if (flag->pending)
		return false;
	set_pending(
		flag,
		flag->restart == FLAG_RESTART_RUNNING ||
			(flag->have_began && now_ms - flag->began_ms < quiet_ms(flag)),
		now_ms);
	return true;
}

void flag_skip(struct flag *flag, const struct flag_identity *identity)
{
	flag->latest = flag->seen = *identity;
	flag->have_latest = flag->have_seen = true;
}

/* The bucket has a token left when it lacks less than all of them. */
static uint64_t token_at(const struct flag *flag)
{
	uint64_t lacking = (flag->limits.burst - 1) * flag->limits.interval_ms;

	return flag->full_at_ms > lacking ? flag->full_at_ms - lacking : 0;
}

/*
 * The first touch waits only until it looks settled: one touch is a few changes, a
 * millisecond apart. Those behind it wait for the end of the burst. Neither waits for
 * ever: somebody may never stop.
 */
static uint64_t merged_at(const struct flag *flag)
{
	if (!flag->behind)
		return min_of(flag->changed_ms + FLAG_SETTLE_MSEC,
			      flag->first_ms + FLAG_SETTLE_MSEC_MAX);
	return min_of(flag->changed_ms + quiet_ms(flag),
		      flag->first_ms + FLAG_MERGE_MAX * quiet_ms(flag));
}

enum flag_verdict flag_next(const struct flag *flag, uint64_t now_ms,
			    uint64_t *ret_at_ms)
{
	uint64_t at;

	if (!flag->pending || flag->restart != FLAG_RESTART_NONE)
		return FLAG_VERDICT_IDLE;
	at = max_of(merged_at(flag), max_of(token_at(flag), flag->not_before_ms));
	if (at <= now_ms)
		return FLAG_VERDICT_RESTART;
	*ret_at_ms = at;
	return FLAG_VERDICT_WAIT;
}

void flag_submitted(struct flag *flag)
{
	assert(flag->pending && flag->restart == FLAG_RESTART_NONE);
	flag->restart = FLAG_RESTART_SUBMITTED;
	flag_retry(flag);
}

void flag_refused(struct flag *flag, uint64_t now_ms)
{
	uint64_t wait = FLAG_RETRY_MSEC;

	for (unsigned int i = 0; i < flag->refusals && wait < FLAG_RETRY_MSEC_MAX; i++)
		wait *= 2;
	flag->refusals++;
	flag->not_before_ms = now_ms + min_of(wait, FLAG_RETRY_MSEC_MAX);
}

void flag_retry(struct flag *flag)
{
	flag->refusals = 0;
	flag->not_before_ms = 0;
}

void flag_began(struct flag *flag, const struct flag_identity *identity,
		uint64_t now_ms)
{
	assert(flag->restart == FLAG_RESTART_SUBMITTED);
	if (identity)
		(void)flag_touched(flag, identity, now_ms);
	else
		flag->have_latest = false; /* whatever comes is another one */
	flag->restart = FLAG_RESTART_RUNNING;
	flag->have_began = true;
	flag->began_ms = now_ms;
	flag->full_at_ms = max_of(flag->full_at_ms, now_ms) + flag->limits.interval_ms;
	flag->have_covered = identity && now_ms - flag->changed_ms >= FLAG_SETTLE_MSEC;
	if (flag->have_covered)
		flag->covered = *identity;
	flag->pending = false;
	/* A touch right after this may look the same: the next restart is for it. */
	if (identity && !flag->have_covered)
		set_pending(flag, true, now_ms);
}

bool flag_ended(struct flag *flag, uint64_t now_ms, struct flag_identity *ret_seen)
{
	enum flag_restart was = flag->restart;

	flag->restart = FLAG_RESTART_NONE;
	if (was == FLAG_RESTART_SUBMITTED)
		flag_refused(flag, now_ms);
	if (was != FLAG_RESTART_RUNNING || !flag->have_covered ||
	    (flag->have_seen && flag_identity_equal(&flag->seen, &flag->covered)))
		return false;
	flag->seen = flag->covered;
	flag->have_seen = true;
	*ret_seen = flag->seen;
	return true;
}
