/*
 * A file, a watcher that sees it late, a queue, and a deployd that is killed: after
 * every touch a restart must begin. Time is simulated; the file's clock ticks as the
 * kernel's does, so that touches close to each other look the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <time.h>

#include "core/flag.h"

#define RUNS	     30000 /* short ones: the last touch of each has no other to help it */
#define TOUCHES_MAX  60
#define WATCH_MS_MAX 20 /* a touch is seen at the latest so long after it */
#define NEVER	     UINT64_MAX

struct world {
	struct flag flag;
	struct flag_limits limits;
	uint64_t now_us;
	uint64_t tick_us;
	bool exists;
	struct flag_identity file;
	bool have_stored;
	struct flag_identity stored;
	uint64_t look_us, begin_us, end_us; /* when that happens, NEVER if not */
	uint64_t killed_until_us;
	uint64_t touched_us[TOUCHES_MAX];
	unsigned int n_touched, n_kills;
	unsigned int kill_one_in;
	uint64_t began_us[TOUCHES_MAX * 4];
	unsigned int n_began;
};

static uint64_t seed;

static uint64_t below(uint64_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % n;
}

static uint64_t now_ms(const struct world *w)
{
	return w->now_us / 1000;
}

static void touch(struct world *w)
{
	int64_t clock = (int64_t)(w->now_us / w->tick_us * w->tick_us * 1000);

	if (!w->exists || below(8) == 0)
		w->file.ino = 11 + below(2); /* inodes are used again */
	w->exists = true;
	w->file.ctime_nsec = w->file.mtime_nsec = clock;
	w->touched_us[w->n_touched++] = w->now_us;
	if (w->look_us == NEVER && w->killed_until_us == NEVER)
		w->look_us = w->now_us + 1 + below(WATCH_MS_MAX * 1000);
}

static void look(struct world *w)
{
	w->look_us = NEVER;
	if (w->exists)
		(void)flag_touched(&w->flag, &w->file, now_ms(w));
}

static void begin(struct world *w)
{
	w->begin_us = NEVER;
	flag_began(&w->flag, w->exists ? &w->file : NULL, now_ms(w));
	assert_true(w->n_began < TOUCHES_MAX * 4);
	w->began_us[w->n_began++] = w->now_us;
	w->end_us = w->now_us + 1 + below(400000);
}

static void end(struct world *w)
{
	w->end_us = NEVER;
	if (flag_ended(&w->flag, now_ms(w), &w->stored))
		w->have_stored = true;
}

static void kill_deployd(struct world *w)
{
	w->look_us = w->begin_us = w->end_us = NEVER;
	w->killed_until_us = w->now_us + 1 + below(100000);
	w->n_kills++;
}

static void start_deployd(struct world *w)
{
	w->killed_until_us = NEVER;
	flag_init(&w->flag, &w->limits, w->have_stored ? &w->stored : NULL);
	w->look_us = w->now_us;
}

/* deployd's turn, when it is up and nothing is in the queue. */
static uint64_t decide(struct world *w)
{
	uint64_t at_ms = NEVER;

	if (w->killed_until_us != NEVER)
		return NEVER;
	switch (flag_next(&w->flag, now_ms(w), &at_ms)) {
	case FLAG_VERDICT_RESTART:
		if (below(10) == 0) {
			flag_refused(&w->flag, now_ms(w));
			return w->now_us;
		}
		flag_submitted(&w->flag);
		/* Behind another job, or at once. */
		w->begin_us = w->now_us + 1 + below(below(2) ? 30000 : 500);
		return NEVER;
	case FLAG_VERDICT_WAIT:
		assert_true(at_ms > now_ms(w));
		return at_ms * 1000;
	case FLAG_VERDICT_IDLE:
	case FLAG_VERDICT_COUNT:
		break;
	}
	return NEVER;
}

static uint64_t earliest(const uint64_t *times, size_t n)
{
	uint64_t first = NEVER;

	for (size_t i = 0; i < n; i++)
		if (times[i] < first)
			first = times[i];
	return first;
}

/* Everything that is due before the next touch, and after the last until all is calm.
 */
static void run_until(struct world *w, uint64_t until_us)
{
	for (unsigned int steps = 0;; steps++) {
		uint64_t decide_us = decide(w);
		uint64_t times[] = {w->look_us, w->begin_us, w->end_us,
				    w->killed_until_us, decide_us};
		uint64_t next = earliest(times, 5);

		assert_true(steps < 100000);
		if (next > until_us || next == NEVER)
			break;
		if (next > w->now_us)
			w->now_us = next;
		if (next == w->killed_until_us)
			start_deployd(w);
		else if (next == w->look_us)
			look(w);
		else if (next == w->begin_us)
			begin(w);
		else if (next == w->end_us)
			end(w);
	}
	if (until_us != NEVER)
		w->now_us = until_us;
}

static void check(const struct world *w, uint64_t run_seed)
{
	uint64_t budget;

	for (unsigned int i = 0; i < w->n_touched; i++)
		if (w->n_began == 0 || w->began_us[w->n_began - 1] <= w->touched_us[i])
			fail_msg("seed %llu: no restart after the touch at %llu us",
				 (unsigned long long)run_seed,
				 (unsigned long long)w->touched_us[i]);
	assert_false(w->flag.pending);
	if (w->n_kills > 0 || w->limits.interval_ms == 0)
		return;
	budget = w->limits.burst + w->now_us / 1000 / w->limits.interval_ms + 1;
	if (w->n_began > budget)
		fail_msg("seed %llu: %u restarts, %llu allowed",
			 (unsigned long long)run_seed, w->n_began,
			 (unsigned long long)budget);
}

/*
 * A flag that is gone before anybody saw it is no touch, and deployd cannot remember
 * one that is gone: both are left out.
 */
static void maybe_remove_or_kill(struct world *w)
{
	bool up = w->killed_until_us == NEVER;

	if (below(15) == 0 && up && w->look_us == NEVER)
		w->exists = false;
	if (below(w->kill_one_in) == 0 && up &&
	    (w->exists || (!w->flag.pending && w->flag.restart == FLAG_RESTART_NONE)))
		kill_deployd(w);
}

static void simulate(uint64_t run_seed, unsigned int *ret_touches,
		     unsigned int *ret_restarts)
{
	struct world w = {.look_us = NEVER,
			  .begin_us = NEVER,
			  .end_us = NEVER,
			  .killed_until_us = NEVER,
			  .now_us = 1000000};
	uint64_t spread, touches;

	seed = run_seed;
	w.tick_us = 1000 * (below(2) ? 4 : 10);
	w.limits.debounce_ms = below(200);
	w.limits.burst = 1 + below(4);
	w.limits.interval_ms = below(2) ? 0 : 1 + below(500);
	spread = below(3) == 0 ? 15000 : below(2) ? 100000 : 1500000;
	touches = below(10) == 0 ? TOUCHES_MAX : 2 + below(6);
	w.kill_one_in = below(2) ? 60 : 5;
	start_deployd(&w);
	while (w.n_touched < touches) {
		run_until(&w, w.now_us + 1 + below(below(4) ? 3000 : spread));
		maybe_remove_or_kill(&w);
		if (below(5) > 0)
			touch(&w);
	}
	for (unsigned int i = 0; i < 4; i++) {
		run_until(&w, w.now_us + below(200000));
		maybe_remove_or_kill(&w);
	}
	run_until(&w, NEVER);
	check(&w, run_seed);
	*ret_touches += w.n_touched;
	*ret_restarts += w.n_began;
}

static void every_touch_is_followed_by_a_restart(void **state)
{
	const char *given = getenv("DEPLOYD_TEST_SEED");
	uint64_t from = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * RUNS;
	unsigned int touches = 0, restarts = 0;

	(void)state;
	(void)printf("DEPLOYD_TEST_SEED=%llu\n", (unsigned long long)from);
	for (uint64_t i = 0; i < RUNS; i++)
		simulate(from + i, &touches, &restarts);
	(void)printf("%u touches, %u restarts\n", touches, restarts);
	assert_true(restarts > RUNS && restarts < touches);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_touch_is_followed_by_a_restart)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
