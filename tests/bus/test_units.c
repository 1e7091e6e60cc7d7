/* Actions on a unit, with a manager that stays. */
#include "units_world.h"

#include <string.h>

#define SHORT_MSEC 100

static const struct fake_unit failed_unit = {.active_state = "failed",
					     .sub_state = "failed",
					     .result = "exit-code",
					     .exec_main_code = 1,
					     .exec_main_status = 3,
					     .inactive_exit = 5100,
					     .active_exit = 5000,
					     .active_enter = 1000};

static void restart_waits_for_the_job_and_tells_the_gap(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_true(world->outcome.have_gap);
	assert_int_equal(world->outcome.gap_usec, 2500);
	assert_int_equal(world->outcome.state.main_pid, 11);
	assert_string_equal(
		world->fake.calls,
		"Subscribe RefUnit GetAll ResetFailedUnit RestartUnit GetAll ");
}

static void job_removed_before_the_reply_counts(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_SIGNAL_FIRST;
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

static void jobs_of_others_do_not_count(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_NO_END;
	world_begin(world, UNIT_ACTION_RESTART, 30000);
	while (!strstr(world->fake.calls, "RestartUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	/* Two jobs were removed by now, both failed; only now ours ends. */
	fake_manager_end_job(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

static void job_failed_says_why(void **state)
{
	struct world *world = *state;

	world->fake.job_result = "failed";
	world->fake.after = failed_unit;
	world_act(world, UNIT_ACTION_RESTART);
	world_assert_failed(world, "exited with status 3");
	assert_string_equal(world->outcome.state.load_state, "loaded");
	assert_string_equal(world->outcome.state.active_state, "failed");
}

static void done_but_not_active_is_a_failure(void **state)
{
	struct world *world = *state;

	world->fake.after = failed_unit;
	world_act(world, UNIT_ACTION_START);
	world_assert_failed(world, "could not start");
}

/* Type=simple: forked, so active, so the job is done; a moment later it is dead. */
static void simple_that_dies_at_once_is_a_failure(void **state)
{
	struct world *world = *state;

	world->fake.after.type = "simple";
	world_begin(world, UNIT_ACTION_RESTART, 30000);
	while (!strstr(world->fake.calls, "RestartUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world->fake.later = &failed_unit; /* after the first look at it */
	world_wait_done(world);
	world_assert_failed(world, "exited with status 3");
}

static void simple_that_systemd_restarts_is_a_failure(void **state)
{
	static struct fake_unit again;
	struct world *world = *state;

	world->fake.after.type = "exec";
	again = world->fake.after;
	again.n_restarts = 1;
	again.main_pid = 12;
	again.result = "exit-code";
	again.exec_main_status = 203;
	world_begin(world, UNIT_ACTION_START, 30000);
	while (!strstr(world->fake.calls, "StartUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world->fake.later = &again;
	world_wait_done(world);
	world_assert_failed(world, "cannot execute");
}

static void simple_that_stays_is_a_success(void **state)
{
	struct world *world = *state;

	world->fake.after.type = "simple";
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_int_equal(world->outcome.gap_usec, 2500);
}

static void oneshot_that_ran_is_a_success(void **state)
{
	struct world *world = *state;

	world->fake.after = (struct fake_unit){.type = "oneshot",
					       .active_state = "inactive",
					       .sub_state = "dead",
					       .inactive_exit = 5100};
	world_act(world, UNIT_ACTION_START);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_false(world->outcome.have_gap);
}

static void skipped_by_a_condition_is_a_failure(void **state)
{
	struct world *world = *state;

	world->fake.after = (struct fake_unit){.active_state = "inactive",
					       .sub_state = "dead",
					       .condition_failed = true};
	world_act(world, UNIT_ACTION_START);
	world_assert_failed(world, "Condition");
}

static void start_of_what_runs_has_no_gap(void **state)
{
	struct world *world = *state;

	world->fake.unit.active_exit = 500;
	world->fake.after = world->fake.unit;
	world_act(world, UNIT_ACTION_START);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_false(world->outcome.have_gap);
	assert_null(strstr(world->fake.calls, "ResetFailedUnit"));
}

static void each_end_of_a_job_has_its_words(void **state)
{
	static const struct {
		const char *job_result, *words;
	} ends[] = {
		{"canceled", "try again"},	  {"dependency", "list-dependencies"},
		{"timeout", "JobTimeoutSec="},	  {"assert", "Assert...="},
		{"skipped", "was not restarted"},
	};
	struct world *world = *state;

	world->fake.after = failed_unit;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		world->n_done = 0;
		world->fake.job_result = ends[i].job_result;
		world_act(world, UNIT_ACTION_RESTART);
		world_assert_failed(world, ends[i].words);
	}
}

static void each_result_has_its_words(void **state)
{
	static const struct {
		const char *result, *words;
		int32_t status, code;
	} results[] = {
		{"exit-code", "ExecStartPre=", 0, CLD_EXITED},
		{"exit-code", "User=", 217, CLD_EXITED},
		{"exit-code", "ExecStartPre=", SIGTERM, CLD_KILLED},
		{"signal", "signal 11", 11, CLD_KILLED},
		{"signal", "one of its commands", 0, CLD_EXITED},
		{"core-dump", "dumped core", 6, CLD_DUMPED},
		{"timeout", "TimeoutStartSec=", 0, 0},
		{"protocol", "without reporting that it was ready", 0, 0},
		{"oom-kill", "MemoryMax=", 0, 0},
		{"watchdog", "WatchdogSec=", 0, 0},
		{"resources", "EnvironmentFile=", 0, 0},
		{"start-limit-hit", "a restart lifts the limit", 0, 0},
		{"of-tomorrow", "of-tomorrow", 0, 0},
	};
	struct world *world = *state;

	world->fake.job_result = "failed";
	world->fake.after = failed_unit;
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		world->n_done = 0;
		world->fake.after.result = results[i].result;
		world->fake.after.exec_main_status = results[i].status;
		world->fake.after.exec_main_code = results[i].code;
		world->fake.unit = (struct fake_unit){.active_state = "inactive"};
		world_act(world, UNIT_ACTION_START);
		world_assert_failed(world, results[i].words);
	}
}

static void each_refusal_has_its_words(void **state)
{
	static const struct {
		enum unit_action action;
		const char *error, *words;
	} refusals[] = {
		{UNIT_ACTION_RESTART, "NoSuchUnit", "install its unit file"},
		{UNIT_ACTION_STOP, "NoSuchUnit", "install its unit file"},
		{UNIT_ACTION_RESTART, "UnitMasked", "systemctl unmask hello.service"},
		{UNIT_ACTION_ENABLE, "UnitMasked", "systemctl unmask hello.service"},
		{UNIT_ACTION_START, "BadUnitSetting", "systemd-analyze verify"},
		{UNIT_ACTION_RELOAD, "JobTypeNotApplicable", "ExecReload="},
		{UNIT_ACTION_START, "OnlyByDependency", "RefuseManualStart="},
		{UNIT_ACTION_STOP, "TransactionIsDestructive", "list-jobs"},
		{UNIT_ACTION_STOP, "ShuttingDown", "shutting down"},
		{UNIT_ACTION_START, "Other", "of another kind"},
	};
	struct world *world = *state;
	char name[128];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		(void)snprintf(name, sizeof(name), "org.freedesktop.systemd1.%s",
			       refusals[i].error);
		world->n_done = 0;
		world->fake.plan = FAKE_REFUSE;
		world->fake.refusal = name;
		world->fake.refusal_text = "of another kind";
		world_act(world, refusals[i].action);
		world_assert_failed(world, refusals[i].words);
	}
}

/* The manager's answer is the same for a unit that it does not know at all. */
static void missing_unit_is_not_reset(void **state)
{
	struct world *world = *state;

	world->fake.unit = (struct fake_unit){.load_state = "not-found",
					      .active_state = "inactive"};
	world->fake.plan = FAKE_REFUSE;
	world->fake.refusal = "org.freedesktop.systemd1.NoSuchUnit";
	world_act(world, UNIT_ACTION_RESTART);
	world_assert_failed(world, "install its unit file");
	assert_string_equal(world->outcome.state.load_state, "not-found");
	assert_null(strstr(world->fake.calls, "ResetFailedUnit"));
}

/* What systemd shows then is the failure of before. */
static void start_that_was_not_even_tried_is_the_start_limit(void **state)
{
	struct world *world = *state;

	world->fake.job_result = "failed";
	world->fake.unit = failed_unit;
	world->fake.after = failed_unit;
	world_act(world, UNIT_ACTION_START);
	world_assert_failed(world, "start-limit-hit");
}

static void unit_is_held_until_the_end(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_START);
	while (!strstr(world->fake.calls, "UnrefUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_string_equal(world->fake.calls,
			    "Subscribe RefUnit GetAll StartUnit GetAll UnrefUnit ");
}

static void stop_is_done_when_it_is_down(void **state)
{
	struct world *world = *state;

	world->fake.after = (struct fake_unit){
		.active_state = "inactive", .sub_state = "dead", .active_exit = 5000};
	world_act(world, UNIT_ACTION_STOP);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_false(world->outcome.have_gap);
}

static void stop_of_what_comes_back_fails(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_STOP); /* after is active */
	world_assert_failed(world, "did not stop");
}

static void reload_that_fails_leaves_it_running(void **state)
{
	struct world *world = *state;

	world->fake.job_result = "failed";
	world->fake.after = world->fake.unit;
	world_act(world, UNIT_ACTION_RELOAD);
	world_assert_failed(world, "it is active");
}

static void enable_reloads_the_manager(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_ENABLE);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_string_equal(world->fake.calls,
			    "Subscribe GetAll EnableUnitFiles Reload GetAll ");
	assert_string_equal(world->outcome.state.unit_file_state, "enabled");
}

static void disable_reloads_the_manager(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_DISABLE);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_string_equal(world->fake.calls,
			    "Subscribe GetAll DisableUnitFiles Reload GetAll ");
}

static void enable_without_install_section_fails(void **state)
{
	struct world *world = *state;

	world->fake.no_install = true;
	world_act(world, UNIT_ACTION_ENABLE);
	world_assert_failed(world, "[Install]");
}

static void reread_of_a_changed_unit_reloads_the_manager(void **state)
{
	struct world *world = *state;

	world->fake.unit.need_daemon_reload = true;
	world_act(world, UNIT_ACTION_REREAD);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_string_equal(world->fake.calls, "Subscribe GetAll Reload GetAll ");
	assert_false(world->outcome.state.need_daemon_reload);
}

/* It would read the files of everybody else, too. */
static void reread_of_an_unchanged_unit_calls_nothing(void **state)
{
	struct world *world = *state;

	world_act(world, UNIT_ACTION_REREAD);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_string_equal(world->fake.calls, "Subscribe GetAll ");
}

static void rereads_at_the_same_time_are_one(void **state)
{
	struct world *world = *state;

	world->fake.unit.need_daemon_reload = true;
	for (int i = 0; i < 3; i++)
		world_begin(world, UNIT_ACTION_REREAD, 30000);
	while (world->n_done < 3)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_string_equal(
		world->fake.calls,
		"Subscribe GetAll GetAll GetAll Reload GetAll GetAll GetAll ");
}

/* Whose turn it was has gone; the one behind asks by itself. */
static void reread_that_is_cancelled_gives_its_turn(void **state)
{
	struct world *world = *state;
	struct unit_job *first;

	world->fake.unit.need_daemon_reload = true;
	world->fake.plan = FAKE_SILENT;
	world_begin(world, UNIT_ACTION_REREAD, 30000);
	first = world->op;
	while (!strstr(world->fake.calls, "Reload"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world_begin(world, UNIT_ACTION_REREAD, 30000);
	world->fake.plan = FAKE_REPLY_FIRST;
	unit_job_cancel(first);
	world_wait_done(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

static void reread_that_is_refused_fails(void **state)
{
	struct world *world = *state;

	world->fake.unit.need_daemon_reload = true;
	world->fake.plan = FAKE_REFUSE;
	world->fake.refusal = "org.freedesktop.DBus.Error.AccessDenied";
	world_act(world, UNIT_ACTION_REREAD);
	world_assert_failed(world, "systemd refused to re-read hello.service");
}

static void reread_without_an_answer_ends(void **state)
{
	struct world *world = *state;

	world->fake.unit.need_daemon_reload = true;
	world->fake.plan = FAKE_SILENT;
	world_act_within(world, UNIT_ACTION_REREAD, SHORT_MSEC);
	world_assert_failed(world, "did not finish the re-read of hello.service");
}

static void deadline_ends_the_wait_and_still_looks(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_NO_END;
	world->fake.unit.active_state = "activating";
	world_act_within(world, UNIT_ACTION_RESTART, SHORT_MSEC);
	world_assert_failed(world, "list-jobs");
	assert_string_equal(world->outcome.state.active_state, "activating");
}

static void deadline_ends_a_call_without_an_answer(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_SILENT;
	world_act_within(world, UNIT_ACTION_RESTART, SHORT_MSEC);
	world_assert_failed(world, "did not finish");
}

static void cancel_is_silent(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_NO_END;
	world_begin(world, UNIT_ACTION_RESTART, 30000);
	while (!strstr(world->fake.calls, "RestartUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	unit_job_cancel(world->op);
	fake_manager_end_job(&world->fake);
	/* The teardown sees to it that done is not called. */
}

static void cancel_at_once_is_silent(void **state)
{
	struct world *world = *state;

	world_begin(world, UNIT_ACTION_RESTART, 30000);
	unit_job_cancel(world->op);
}

static void close_ends_what_runs(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_NO_END;
	world_begin(world, UNIT_ACTION_RESTART, 30000);
	while (!strstr(world->fake.calls, "RestartUnit"))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world_close(world);
	world_wait_done(world);
	assert_int_equal(world->outcome.result, RESULT_FAILED);
}

static void request_on_a_closing_connection_ends(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	world_close(world);
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_FAILED);
	assert_string_equal(world->fake.calls, "Subscribe ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(restart_waits_for_the_job_and_tells_the_gap),
		TEST(job_removed_before_the_reply_counts),
		TEST(jobs_of_others_do_not_count),
		TEST(job_failed_says_why),
		TEST(done_but_not_active_is_a_failure),
		TEST(simple_that_dies_at_once_is_a_failure),
		TEST(simple_that_systemd_restarts_is_a_failure),
		TEST(simple_that_stays_is_a_success),
		TEST(oneshot_that_ran_is_a_success),
		TEST(skipped_by_a_condition_is_a_failure),
		TEST(start_of_what_runs_has_no_gap),
		TEST(each_end_of_a_job_has_its_words),
		TEST(each_result_has_its_words),
		TEST(each_refusal_has_its_words),
		TEST(missing_unit_is_not_reset),
		TEST(start_that_was_not_even_tried_is_the_start_limit),
		TEST(unit_is_held_until_the_end),
		TEST(stop_is_done_when_it_is_down),
		TEST(stop_of_what_comes_back_fails),
		TEST(reload_that_fails_leaves_it_running),
		TEST(enable_reloads_the_manager),
		TEST(disable_reloads_the_manager),
		TEST(enable_without_install_section_fails),
		TEST(reread_of_a_changed_unit_reloads_the_manager),
		TEST(reread_of_an_unchanged_unit_calls_nothing),
		TEST(rereads_at_the_same_time_are_one),
		TEST(reread_that_is_cancelled_gives_its_turn),
		TEST(reread_that_is_refused_fails),
		TEST(reread_without_an_answer_ends),
		TEST(deadline_ends_the_wait_and_still_looks),
		TEST(deadline_ends_a_call_without_an_answer),
		TEST(cancel_is_silent),
		TEST(cancel_at_once_is_silent),
		TEST(close_ends_what_runs),
		TEST(request_on_a_closing_connection_ends),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
