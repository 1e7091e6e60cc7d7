/* Stop and start timed apart, with a manager that takes its time. */
#include "units_world.h"

#include <string.h>

#define LONG_MSEC  30000
#define SHORT_MSEC 100

static struct {
	unsigned int n;
	enum unit_step step;
	uint64_t limit_sec;
} told;

static uint64_t now_usec(void)
{
	return uv_hrtime() / 1000;
}

static void on_step(void *userdata, enum unit_step step, uint64_t spent_sec,
		    uint64_t limit_sec)
{
	(void)userdata;
	(void)spent_sec;
	told.n++;
	told.step = step;
	told.limit_sec = limit_sec;
}

static void on_done(void *userdata, const struct unit_outcome *outcome)
{
	struct world *world = userdata;

	world->n_done++;
	world->outcome = *outcome;
}

static void wait_call(struct world *world, const char *calls)
{
	while (!strstr(world->fake.calls, calls))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
}

static void wait_told(struct world *world)
{
	while (told.n == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
}

static unsigned int count(const char *text, const char *part)
{
	unsigned int n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

/* The job runs on. */
static void begin(struct world *world, uint64_t start_ms, uint64_t stop_ms)
{
	told.n = 0;
	world->fake.plan = FAKE_NO_END;
	world->op =
		units_act_in_steps(world->units, UNIT_ACTION_RESTART, "hello.service",
				   start_ms, stop_ms, on_step, on_done, world);
	assert_non_null(world->op);
	wait_call(world, "RestartUnit");
}

/* ... and the old process is being stopped. */
static void begin_stop(struct world *world, uint64_t start_ms, uint64_t stop_ms)
{
	begin(world, start_ms, stop_ms);
	world->fake.unit.active_state = "deactivating";
	world->fake.unit.sub_state = "stop-sigterm";
	world->fake.unit.active_exit = now_usec();
}

/* The new one is up. */
static void end_well(struct world *world)
{
	uint64_t now =
		now_usec() + 1000; /* the stop took a moment, however fast we are */

	world->fake.after =
		(struct fake_unit){.main_pid = 11,
				   .active_exit = world->fake.unit.active_exit,
				   .inactive_enter = now,
				   .inactive_exit = now + 1,
				   .active_enter = now + 2,
				   .timeout_stop = world->fake.unit.timeout_stop};
	fake_manager_end_job(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_false(world->outcome.stop_failed);
}

static void quick_restart_tells_nothing(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	end_well(world);
	assert_false(world->outcome.stop_killed);
	assert_false(world->outcome.stop_overdue);
	assert_int_equal(told.n, 0);
}

/* The first word comes after a second: ten times the limit of the start. */
static void stop_may_take_longer_than_the_start(void **state)
{
	struct world *world = *state;

	begin_stop(world, SHORT_MSEC, LONG_MSEC);
	wait_told(world);
	assert_int_equal(told.step, UNIT_STEP_STOPPING);
	assert_int_equal(told.limit_sec, 30); /* ours is less than systemd's 90 s */
	assert_int_equal(world->n_done, 0);
	end_well(world);
	assert_null(strstr(world->fake.calls, "KillUnit"));
}

/* The start clears every other trace of it. */
static void kill_by_systemd_is_heard(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	fake_manager_send_changed(&world->fake, "stop-sigkill",
				  world->fake.unit.inactive_exit);
	end_well(world);
	assert_true(world->outcome.stop_killed);
}

static void kill_of_the_new_one_is_not_the_old_ones(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	fake_manager_send_changed(&world->fake, "stop-sigkill", now_usec());
	end_well(world);
	assert_false(world->outcome.stop_killed);
}

static void overdue_stop_is_told_by_timestamps(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	world->fake.unit.timeout_stop = 1;
	end_well(world);
	assert_true(world->outcome.stop_overdue);
	assert_false(world->outcome.stop_killed);
}

static void start_is_limited_from_the_end_of_the_stop(void **state)
{
	struct world *world = *state;

	begin_stop(world, SHORT_MSEC, LONG_MSEC);
	world->fake.unit.active_state = "activating";
	world->fake.unit.sub_state = "start";
	world->fake.unit.inactive_enter = now_usec();
	world->fake.unit.inactive_exit = now_usec();
	fake_manager_send_changed(&world->fake, "start", now_usec());
	world_wait_done(world);
	world_assert_failed(world, "job_timeout_sec");
	assert_false(world->outcome.stop_failed);
	assert_string_equal(world->outcome.state.active_state, "activating");
	assert_null(strstr(world->fake.calls, "CancelJob"));
}

static void stop_at_our_limit_is_killed_once(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, SHORT_MSEC);
	world->fake.unit.timeout_stop = UINT64_MAX; /* infinity */
	wait_call(world, "KillUnit");
	end_well(world);
	assert_true(world->outcome.stop_killed);
	assert_int_equal(count(world->fake.calls, "KillUnit"), 1);
	assert_null(strstr(world->fake.calls, "CancelJob"));
}

/* A stop command and four signals have their time each, then it is ours to kill. */
static void systemds_own_time_comes_first(void **state)
{
	struct world *world = *state;
	uint64_t step = USEC_PER_SEC / 5;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	world->fake.unit.sub_state = "final-sigterm";
	world->fake.unit.result = "timeout";
	world->fake.unit.timeout_stop = step;
	world->fake.unit.n_stop_commands = 1;
	wait_call(world, "KillUnit");
	assert_true(now_usec() - world->fake.unit.active_exit >= 5 * step);
	end_well(world);
	assert_true(world->outcome.stop_killed);
}

/* It has asked for more time: systemd is still not at its SIGKILL. */
static void extended_stop_is_left_alone(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	world->fake.unit.timeout_stop = USEC_PER_SEC / 100;
	wait_told(world);
	assert_null(strstr(world->fake.calls, "KillUnit"));
	assert_int_equal(told.limit_sec, 30);
	end_well(world);
	assert_false(world->outcome.stop_killed);
}

static void stop_that_nothing_ends_is_given_up(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, SHORT_MSEC);
	world_wait_done(world); /* some seconds after the kill */
	world_assert_failed(world, "the old process of hello.service did not stop");
	assert_true(world->outcome.stop_failed);
	assert_int_equal(count(world->fake.calls, "KillUnit"), 1);
	wait_call(world, "CancelJob");
}

/* Nothing was stopped, so nothing is killed. */
static void job_that_does_not_begin_is_cancelled(void **state)
{
	struct world *world = *state;

	begin(world, LONG_MSEC, SHORT_MSEC);
	world_wait_done(world);
	world_assert_failed(world, "did not begin to restart hello.service");
	assert_true(world->outcome.stop_failed);
	assert_null(strstr(world->fake.calls, "KillUnit"));
	wait_call(world, "CancelJob");
}

/* What waits for its next start, by systemd itself, has nothing to stop. */
static void auto_restart_has_no_stop(void **state)
{
	struct world *world = *state;

	world->fake.unit.active_state = "activating";
	world->fake.unit.sub_state = "auto-restart";
	begin(world, LONG_MSEC, LONG_MSEC);
	end_well(world);
	assert_false(world->outcome.stop_killed);
	assert_false(world->outcome.stop_overdue);
}

/* As after a reboot: PID 1 is at it already, and there is nothing to stop. */
static void start_under_way_is_limited_as_a_start(void **state)
{
	struct world *world = *state;

	world->fake.unit.active_state = "activating";
	world->fake.unit.sub_state = "start";
	world->fake.plan = FAKE_NO_END;
	world->op = units_act_in_steps(world->units, UNIT_ACTION_START, "hello.service",
				       SHORT_MSEC, LONG_MSEC, on_step, on_done, world);
	world_wait_done(world);
	world_assert_failed(world, "job_timeout_sec");
	assert_false(world->outcome.stop_failed);
}

static void canceled_in_the_stop_blames_nobody(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	world->fake.job_result = "canceled";
	world->fake.after = world->fake.unit;
	fake_manager_end_job(&world->fake);
	world_wait_done(world);
	world_assert_failed(world, "was canceled");
	assert_true(world->outcome.never_started);
}

static void break_in_the_stop_is_gone_on_from(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	wait_call(world, "RestartUnit GetAll");
	world->fake.unit.job = world->fake.job;
	fake_manager_break(&world->fake);
	while (count(world->fake.calls, "Subscribe") < 2)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	wait_told(world);
	assert_int_equal(told.step, UNIT_STEP_STOPPING);
	end_well(world);
	assert_int_equal(count(world->fake.calls, "RestartUnit"), 1);
}

static void cancel_in_the_stop_is_silent(void **state)
{
	struct world *world = *state;

	begin_stop(world, LONG_MSEC, LONG_MSEC);
	unit_job_cancel(world->op);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(quick_restart_tells_nothing),
		TEST(stop_may_take_longer_than_the_start),
		TEST(kill_by_systemd_is_heard),
		TEST(kill_of_the_new_one_is_not_the_old_ones),
		TEST(overdue_stop_is_told_by_timestamps),
		TEST(start_is_limited_from_the_end_of_the_stop),
		TEST(stop_at_our_limit_is_killed_once),
		TEST(systemds_own_time_comes_first),
		TEST(extended_stop_is_left_alone),
		TEST(stop_that_nothing_ends_is_given_up),
		TEST(job_that_does_not_begin_is_cancelled),
		TEST(auto_restart_has_no_stop),
		TEST(start_under_way_is_limited_as_a_start),
		TEST(canceled_in_the_stop_blames_nobody),
		TEST(break_in_the_stop_is_gone_on_from),
		TEST(cancel_in_the_stop_is_silent),
	};

	return cmocka_run_group_tests_name("units_steps", tests, NULL, NULL);
}
