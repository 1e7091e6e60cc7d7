#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/flag.h"

static const struct flag_limits limits = {
	.debounce_ms = 100, .burst = 3, .interval_ms = 10000};

static struct flag_identity at(int64_t ctime_nsec)
{
	return (struct flag_identity){.ino = 7, .ctime_nsec = ctime_nsec};
}

static void touch(struct flag *flag, int64_t ctime_nsec, uint64_t now_ms)
{
	struct flag_identity identity = at(ctime_nsec);

	(void)flag_touched(flag, &identity, now_ms);
}

/* When a restart is due: UINT64_MAX = never, as things are. */
static uint64_t due(const struct flag *flag, uint64_t now_ms)
{
	uint64_t ms = UINT64_MAX;

	switch (flag_next(flag, now_ms, &ms)) {
	case FLAG_VERDICT_RESTART:
		return now_ms;
	case FLAG_VERDICT_WAIT:
		assert_true(ms > now_ms);
		return ms;
	case FLAG_VERDICT_IDLE:
	case FLAG_VERDICT_COUNT:
		break;
	}
	return UINT64_MAX;
}

/* A restart for what is pending, from beginning to end; true: something is stored. */
static bool restart(struct flag *flag, int64_t ctime_nsec, uint64_t from_ms,
		    uint64_t to_ms)
{
	struct flag_identity identity = at(ctime_nsec), seen;

	assert_int_equal(due(flag, from_ms), from_ms);
	flag_submitted(flag);
	flag_began(flag, &identity, from_ms);
	return flag_ended(flag, to_ms, &seen);
}

static void first_touch_acts_once_settled(void **state)
{
	struct flag flag;
	struct flag_identity identity = at(1), seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	assert_int_equal(due(&flag, 0), UINT64_MAX);
	assert_true(flag_touched(&flag, &identity, 1000));
	assert_false(flag_touched(&flag, &identity, 1001));
	assert_int_equal(due(&flag, 1000), 1000 + FLAG_SETTLE_MSEC);
	assert_int_equal(due(&flag, 1020), 1020);
	flag_submitted(&flag);
	assert_int_equal(due(&flag, 1020), UINT64_MAX);
	flag_began(&flag, &identity, 1020);
	assert_int_equal(due(&flag, 1020), UINT64_MAX);
	assert_true(flag_ended(&flag, 2000, &seen));
	assert_true(flag_identity_equal(&seen, &identity));
	assert_int_equal(due(&flag, 2000), UINT64_MAX);
	assert_false(flag_touched(&flag, &identity, 3000));
}

/* What touch(1) does to a new file: made, then its times are set. */
static void changes_of_one_touch_are_one_restart(void **state)
{
	struct flag flag;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	touch(&flag, 2, 5);
	assert_int_equal(due(&flag, 5), 5 + FLAG_SETTLE_MSEC);
	assert_true(restart(&flag, 2, 25, 30));
	assert_int_equal(due(&flag, 1000), UINT64_MAX);
}

static void any_difference_is_a_touch(void **state)
{
	const struct flag_identity base = {5, 100, 100, 0};
	const struct flag_identity others[] = {{6, 100, 100, 0}, {5, 101, 100, 0},
					       {5, 99, 100, 0},	 {5, 100, 101, 0},
					       {5, 100, 99, 0},	 {5, 100, 100, 1}};
	struct flag flag;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		flag_init(&flag, &limits, &base);
		assert_false(flag_touched(&flag, &base, 10));
		assert_true(flag_touched(&flag, &others[i], 10));
		assert_int_equal(due(&flag, 10), 30);
	}
}

static void what_was_seen_before_is_no_touch(void **state)
{
	struct flag flag;
	struct flag_identity seen = at(50), skipped = at(60);

	(void)state;
	flag_init(&flag, &limits, &seen);
	assert_false(flag_touched(&flag, &seen, 0));
	flag_skip(&flag, &skipped);
	assert_false(flag_touched(&flag, &skipped, 0));
	assert_int_equal(due(&flag, 1000), UINT64_MAX);
	assert_true(flag_touched(&flag, &seen, 0));
}

static void touches_before_the_begin_are_one(void **state)
{
	struct flag flag;
	struct flag_identity last = at(5), seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	for (int64_t i = 2; i <= 5; i++)
		touch(&flag, i, (uint64_t)i * 10);
	flag_began(&flag, &last, 50 + FLAG_SETTLE_MSEC);
	assert_true(flag_ended(&flag, 200, &seen));
	assert_int_equal(seen.ctime_nsec, 5);
	assert_int_equal(due(&flag, 200), UINT64_MAX);
}

static void touches_during_a_restart_are_one_behind_it(void **state)
{
	struct flag flag;
	struct flag_identity identity = at(1), seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	flag_began(&flag, &identity, 100);
	for (int64_t i = 2; i < 50; i++)
		touch(&flag, i, 110 + (uint64_t)i);
	assert_int_equal(due(&flag, 5000), UINT64_MAX);
	assert_true(flag_ended(&flag, 5000, &seen));
	assert_int_equal(seen.ctime_nsec, 1);
	assert_true(restart(&flag, 49, 5000, 6000));
	assert_int_equal(due(&flag, 6000), UINT64_MAX);
}

static void burst_is_merged_behind_the_first(void **state)
{
	struct flag flag;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	assert_true(restart(&flag, 1, 20, 25));
	touch(&flag, 2, 30);
	assert_int_equal(due(&flag, 30), 130);
	touch(&flag, 3, 100);
	assert_int_equal(due(&flag, 100), 200);
	assert_int_equal(due(&flag, 199), 200);
	assert_true(restart(&flag, 3, 200, 210));
	assert_int_equal(due(&flag, 1000), UINT64_MAX);
}

static void endless_touching_does_not_put_it_off(void **state)
{
	struct flag flag;
	uint64_t now = 0, began[2] = {0};
	int64_t i = 0;

	(void)state;
	flag_init(&flag, &limits, NULL);
	for (size_t n = 0; n < 2; now += 5) {
		touch(&flag, ++i, now);
		if (due(&flag, now) == now) {
			began[n++] = now;
			/* Never settled, so nothing is to be stored. */
			assert_false(restart(&flag, i, now, now + 1));
		}
		assert_true(now < 3000);
	}
	assert_int_equal(began[0], FLAG_SETTLE_MSEC_MAX);
	assert_int_equal(began[1], began[0] + FLAG_MERGE_MAX * limits.debounce_ms);
}

static void touch_too_close_to_tell_gets_its_own(void **state)
{
	struct flag flag;
	struct flag_identity identity = at(2), seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	touch(&flag, 2, 100);
	flag_began(&flag, &identity, 100 + FLAG_SETTLE_MSEC - 1);
	assert_false(flag_ended(&flag, 130, &seen));
	assert_int_equal(due(&flag, 130), 200);
	assert_true(restart(&flag, 2, 200, 300));
	assert_int_equal(due(&flag, 10000), UINT64_MAX);
}

static void change_seen_at_the_begin_only(void **state)
{
	struct flag flag;
	struct flag_identity changed = at(2), seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	flag_began(&flag, &changed, 1000);
	assert_false(flag_touched(&flag, &changed, 1001));
	assert_false(flag_ended(&flag, 1500, &seen));
	assert_int_equal(due(&flag, 1500), 1500);
}

static void removed_flag_is_honoured_and_can_come_back(void **state)
{
	struct flag flag;
	struct flag_identity seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	flag_began(&flag, NULL, 20);
	assert_false(flag_ended(&flag, 30, &seen));
	assert_int_equal(due(&flag, 10000), UINT64_MAX);
	touch(&flag, 1, 10000); /* made again, and looks the same */
	assert_int_equal(due(&flag, 10000), 10020);
}

static void bucket_holds_a_storm(void **state)
{
	struct flag flag;
	uint64_t now = 0;

	(void)state;
	flag_init(&flag, &limits, NULL);
	for (int64_t i = 1; i <= 3; i++, now += 1000) {
		touch(&flag, i, now);
		assert_true(restart(&flag, i, now + 20, now + 500));
	}
	touch(&flag, 4, now);
	assert_int_equal(due(&flag, now), 20 + limits.interval_ms);
	touch(&flag, 5, now + 5000);
	assert_true(restart(&flag, 5, 10020, 11000));
	touch(&flag, 6, 11000);
	assert_int_equal(due(&flag, 11000), 20 + 2 * limits.interval_ms);
	assert_true(restart(&flag, 6, 20020, 21000));
	/* A long rest fills it, but never beyond the burst. */
	for (int64_t i = 7; i <= 9; i++) {
		now = 1000000 + (uint64_t)i * 1000;
		touch(&flag, i, now);
		assert_true(restart(&flag, i, now + 20, now + 500));
	}
	touch(&flag, 10, 1010000);
	assert_int_equal(due(&flag, 1010000), 1007020 + limits.interval_ms);
}

static void no_limit_without_an_interval(void **state)
{
	static const struct flag_limits free = {.debounce_ms = 0, .burst = 1};
	struct flag flag;

	(void)state;
	flag_init(&flag, &free, NULL);
	for (int64_t i = 1; i < 1000; i++) {
		uint64_t now = (uint64_t)i * 21;

		touch(&flag, i, now);
		assert_true(restart(&flag, i, now + FLAG_SETTLE_MSEC, now + 20));
	}
}

static void refused_is_tried_again_and_never_dropped(void **state)
{
	static const uint64_t waits[] = {1000,	2000,  4000,  8000,
					 16000, 30000, 30000, 30000};
	struct flag flag;
	uint64_t now = 20;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		assert_int_equal(due(&flag, now), now);
		flag_refused(&flag, now);
		assert_int_equal(due(&flag, now), now + waits[i]);
		now += waits[i];
	}
	flag_refused(&flag, now);
	flag_retry(&flag);
	assert_int_equal(due(&flag, now), now);
	flag_refused(&flag, now);
	assert_int_equal(due(&flag, now), now + FLAG_RETRY_MSEC);
}

static void dropped_before_its_begin_stays_pending(void **state)
{
	struct flag flag;
	struct flag_identity seen;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	flag_submitted(&flag);
	assert_false(flag_ended(&flag, 500, &seen));
	assert_int_equal(due(&flag, 500), 500 + FLAG_RETRY_MSEC);
	flag_retry(&flag);
	assert_true(restart(&flag, 1, 500, 600));
}

static void stored_once(void **state)
{
	struct flag flag;
	struct flag_identity identity = at(1), seen;

	(void)state;
	flag_init(&flag, &limits, &identity);
	touch(&flag, 2, 0);
	flag_submitted(&flag);
	/* Back to what was seen: a clock that was set back. Nothing new to store. */
	touch(&flag, 1, 10);
	flag_began(&flag, &identity, 100);
	assert_false(flag_ended(&flag, 200, &seen));
}

static void reload_keeps_what_is_pending(void **state)
{
	static const struct flag_limits slow = {
		.debounce_ms = 100, .burst = 1, .interval_ms = 60000};
	struct flag flag;

	(void)state;
	flag_init(&flag, &limits, NULL);
	touch(&flag, 1, 0);
	assert_true(restart(&flag, 1, 20, 100));
	touch(&flag, 2, 1000);
	flag_set_limits(&flag, &slow);
	assert_int_equal(due(&flag, 1020), 20 + limits.interval_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_touch_acts_once_settled),
		cmocka_unit_test(changes_of_one_touch_are_one_restart),
		cmocka_unit_test(any_difference_is_a_touch),
		cmocka_unit_test(what_was_seen_before_is_no_touch),
		cmocka_unit_test(touches_before_the_begin_are_one),
		cmocka_unit_test(touches_during_a_restart_are_one_behind_it),
		cmocka_unit_test(burst_is_merged_behind_the_first),
		cmocka_unit_test(endless_touching_does_not_put_it_off),
		cmocka_unit_test(touch_too_close_to_tell_gets_its_own),
		cmocka_unit_test(change_seen_at_the_begin_only),
		cmocka_unit_test(removed_flag_is_honoured_and_can_come_back),
		cmocka_unit_test(bucket_holds_a_storm),
		cmocka_unit_test(no_limit_without_an_interval),
		cmocka_unit_test(refused_is_tried_again_and_never_dropped),
		cmocka_unit_test(dropped_before_its_begin_stays_pending),
		cmocka_unit_test(stored_once),
		cmocka_unit_test(reload_keeps_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
