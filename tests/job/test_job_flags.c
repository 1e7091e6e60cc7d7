/* A touch of restart.flag becomes a job: real inotify on a real directory, by root. */
#include "job_world.h"

#include <stdlib.h>
#include <unistd.h>

#define BY_FLAG "[restart]\nrestart_method = systemd_flag\n"
#define RESTART "restarting RestartUnit finishing record flag=ok"

/* The first look is over: what is found from now on is a touch. */
static void begin(struct world *world)
{
	world_make_flags(world);
	world_start(world, BY_FLAG, NULL);
	/* The flag of before deployd's start is read, and known: touched once. */
	world_touch(world);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 1));
	world_settle(world);
	world->log[0] = '\0';
}

static void a_touch_submits_one_job(void **state)
{
	struct world *world = *state;

	begin(world);
	world_touch(world);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 2));
	world_settle(world);
	world_assert_log(world, "touched " RESTART);
	while (!fake_store_request("flag"))
		world_turn(world);
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 2);
}

static void touches_before_its_begin_are_one(void **state)
{
	struct world *world = *state;
	struct told *first;

	begin(world);
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RELOAD);
	world_until_held(world, "record");
	world_touch(world);
	first = world_until_told(world, JOB_KIND_FLAG, 2);
	world_touch(world);
	world_settle(world);
	world_touch(world);
	world_settle(world);
	fake_helpers_let_go();
	world_until_ended(world, first);
	world_settle(world);
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 2);
}

/* What the process that is starting has read may be older than the touch. */
static void a_touch_during_the_restart_submits_another_afterwards(void **state)
{
	struct world *world = *state;
	struct told *first, *second;

	begin(world);
	world->fake.plan = FAKE_NO_END;
	world_touch(world);
	first = world_until_told(world, JOB_KIND_FLAG, 2);
	while (!strstr(world->log, "RestartUnit"))
		world_turn(world);
	world_touch(world);
	for (int i = 0; i < 20; i++)
		world_turn(world); /* ticks: it is seen */
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 2);
	world->fake.plan = FAKE_REPLY_FIRST;
	fake_manager_end_job(&world->fake);
	world_until_ended(world, first);
	second = world_until_told(world, JOB_KIND_FLAG, 3);
	world_until_ended(world, second);
	assert_int_equal(second->result, RESULT_OK);
}

static void a_restart_that_fails_is_reported_once(void **state)
{
	struct world *world = *state;
	struct told *told;

	begin(world);
	world->afters = &unit_failed;
	world->n_afters = 1;
	world_touch(world);
	told = world_until_told(world, JOB_KIND_FLAG, 2);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_FAILED);
	world_settle(world);
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 2);
}

/* Nothing is said of it again at the next start: what was honoured is stored. */
static void what_cannot_be_stored_is_kept(void **state)
{
	struct world *world = *state;

	begin(world);
	fake_helpers_fail("flag", FAKE_FAILURE_REFUSED);
	world_touch(world);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 2));
	world_settle(world);
	fake_helpers_no_start("flag");
	world_touch(world);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 3));
	world_settle(world);
	assert_true(manager_app(&world->manager, "hello")->view->have_flag);
}

static void no_place_puts_the_restart_off(void **state)
{
	static const enum job_kind kinds[] = {JOB_KIND_START, JOB_KIND_STOP};
	struct world *world = *state;
	struct errinfo error = {0};
	size_t n = 0;

	begin(world);
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RELOAD);
	world_until_held(world, "record");
	/* deployd's own test is root: as the flag's owner is. */
	while (world_submit(world, "hello",
			    &(struct job_request){.kind = kinds[n % 2], .user = "root"},
			    0, &error))
		n++;
	world_touch(world);
	while (!strstr(world->log, "refused"))
		world_turn(world);
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 1);
	fake_helpers_let_go();
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 2));
}

static void a_flag_of_before_the_start_is_compared_with_the_unit(void **state)
{
	struct world *world = *state;

	world_make_flags(world);
	world_touch(world);
	/* The unit has started after the touch: it has seen it. */
	world->fake.unit.active_enter = UINT64_MAX / 4;
	world_start(world, BY_FLAG, NULL);
	while (!fake_store_request("flag"))
		world_turn(world);
	world_settle(world);
	assert_int_equal(world->n_told, 0);
	assert_null(flags_status(world->flags, "hello"));
	assert_null(flags_status(world->flags, "other"));
}

static void one_that_is_newer_than_the_unit_counts(void **state)
{
	struct world *world = *state;

	world_make_flags(world);
	world_touch(world);
	world_start(world, BY_FLAG, NULL);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 1));
}

static void flag_on_start_may_ignore_it(void **state)
{
	struct world *world = *state;

	world_make_flags(world);
	world_touch(world);
	world_start(world, BY_FLAG "flag_on_start = ignore\n", NULL);
	while (!fake_store_request("flag"))
		world_turn(world);
	world_settle(world);
	assert_int_equal(world->n_told, 0);
}

static void what_was_honoured_is_known_at_the_next_start(void **state)
{
	struct world *world = *state;

	world_make_flags(world);
	/* Another one than lies there now. */
	(void)json_object_set_new(fake_store_view("hello"), "flag",
				  json_pack("{s:i, s:i, s:i, s:i}", "ino", 1,
					    "ctime_nsec", 2, "mtime_nsec", 3, "size",
					    0));
	world_touch(world);
	world->fake.unit.active_enter = UINT64_MAX / 4;
	world_start(world, BY_FLAG, NULL);
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 1));
}

static void an_app_that_leaves_is_watched_no_longer(void **state)
{
	struct world *world = *state;

	begin(world);
	world_reload(world, NULL);
	world_until_idle(world);
	world_touch(world);
	for (int i = 0; i < 20; i++)
		world_turn(world);
	assert_int_equal(world_count(world, JOB_KIND_FLAG), 1);
	world_reload(world, BY_FLAG); /* and comes back: it was touched meanwhile */
	world_until_ended(world, world_until_told(world, JOB_KIND_FLAG, 2));
}

/* --- restart_method = touch: the app restarts by itself
 * ------------------------------- */

static void a_touch_for_the_app_waits_for_a_new_process(void **state)
{
	struct world *world = *state;
	struct told *restart;

	world_start(world, "[restart]\nrestart_method = touch\n", NULL);
	world->log[0] = '\0';
	restart = world_do(world, JOB_KIND_RESTART);
	while (!strstr(world->log, "touch"))
		world_turn(world);
	world_settle(world);
	assert_int_equal(restart->n_ended, 0);
	world->fake.unit = unit_up_again;
	fake_manager_send_changed(&world->fake, "running", 5100);
	world_until_ended(world, restart);
	world_assert_log(world,
			 "restarting touch checking finishing record restart=ok");
}

static void what_does_not_run_is_restarted_by_systemd(void **state)
{
	struct world *world = *state;
	struct told *restart;

	world_start(world, "[restart]\nrestart_method = touch\n", NULL);
	world->log[0] = '\0';
	world->fake.unit.active_state = "inactive";
	restart = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, restart);
	world_assert_log(world, "restarting RestartUnit checking finishing record "
				"restart=ok");
}

static void one_that_only_stops_is_started(void **state)
{
	struct world *world = *state;
	struct told *restart;

	world_start(world, "[restart]\nrestart_method = touch\n", NULL);
	world->log[0] = '\0';
	restart = world_do(world, JOB_KIND_RESTART);
	while (!strstr(world->log, "touch"))
		world_turn(world);
	world_settle(world);
	world->fake.unit.active_state = "inactive";
	fake_manager_send_changed(&world->fake, "dead", 5100);
	world_until_ended(world, restart);
	world_assert_log(world, "restarting touch StartUnit checking finishing record "
				"restart=ok");
}

static void an_app_that_does_not_hear_it_fails(void **state)
{
	struct world *world = *state;
	struct told *restart;

	world_start(world, "[restart]\nrestart_method = touch\ntouch_timeout_sec = 1\n",
		    NULL);
	restart = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, restart);
	world_assert_ended(
		restart, RESULT_FAILED,
		"unit hello.service: no new process within 1 s of the touch "
		"of restart.flag; does the app watch it? (touch_timeout_sec)");
	fake_helpers_fail("touch", FAKE_FAILURE_REFUSED);
	restart = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, restart);
	world_assert_ended(restart, RESULT_FAILED,
			   "unit hello.service: touch was refused by the test");
	fake_helpers_no_start("touch");
	restart = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, restart);
	world_assert_ended(restart, RESULT_FAILED,
			   "unit hello.service: cannot start deployd-touch");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_touch_submits_one_job),
		TEST(touches_before_its_begin_are_one),
		TEST(a_touch_during_the_restart_submits_another_afterwards),
		TEST(a_restart_that_fails_is_reported_once),
		TEST(what_cannot_be_stored_is_kept),
		TEST(no_place_puts_the_restart_off),
		TEST(a_flag_of_before_the_start_is_compared_with_the_unit),
		TEST(one_that_is_newer_than_the_unit_counts),
		TEST(flag_on_start_may_ignore_it),
		TEST(what_was_honoured_is_known_at_the_next_start),
		TEST(an_app_that_leaves_is_watched_no_longer),
		TEST(a_touch_for_the_app_waits_for_a_new_process),
		TEST(what_does_not_run_is_restarted_by_systemd),
		TEST(one_that_only_stops_is_started),
		TEST(an_app_that_does_not_hear_it_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
