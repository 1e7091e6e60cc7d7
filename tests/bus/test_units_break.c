/* A manager that goes away and comes back; questions to it; the journal of a unit. */
#include "units_world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bus/output.h"

#define SHORT_MSEC 100

static unsigned int count(const char *text, const char *word)
{
	unsigned int n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* --- breaks in the middle of a job ------------------------------------------------ */

static void job_gone_in_a_break_but_unit_restarted(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_REPLIED;
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_int_equal(world->outcome.gap_usec, 2500);
	assert_int_equal(world->fake.n_connections, 2);
	assert_int_equal(count(world->fake.calls, "RestartUnit"), 1);
}

/* Active, but nothing shows that it is not the process of before. */
static void unknown_is_not_success(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_REPLIED;
	world->fake.after = world->fake.unit;
	world_act(world, UNIT_ACTION_RESTART);
	world_assert_failed(world, "is unknown");
	assert_string_equal(world->outcome.state.active_state, "active");
}

static void reload_in_a_break_is_unknown(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_REPLIED;
	world_act(world, UNIT_ACTION_RELOAD);
	world_assert_failed(world, "is unknown");
}

static void job_gone_in_a_break_and_unit_failed(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_REPLIED;
	world->fake.after.active_state = "failed";
	world_act(world, UNIT_ACTION_RESTART);
	world_assert_failed(world, "failed");
}

static void call_that_was_not_heard_is_made_again(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_UNHEARD;
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_int_equal(count(world->fake.calls, "RestartUnit"), 2);
}

static void call_that_was_heard_is_not_made_again(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_HEARD;
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_int_equal(count(world->fake.calls, "RestartUnit"), 1);
}

static void job_that_outlives_a_break_is_waited_for(void **state)
{
	struct world *world = *state;
	struct fake_unit done = world->fake.after;

	world->fake.plan = FAKE_BREAK_REPLIED;
	world->fake.after = world->fake.unit;
	world->fake.after.active_state = "activating";
	world->fake.after.job = "/org/freedesktop/systemd1/job/101";
	world_begin(world, UNIT_ACTION_RESTART, 30000);
	while (world->fake.n_connections < 2 || count(world->fake.calls, "GetAll") < 2)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->n_done, 0);
	world->fake.after = done;
	fake_manager_end_job(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

static void two_breaks_do_no_harm(void **state)
{
	struct world *world = *state;

	world->fake.plan = FAKE_BREAK_UNHEARD;
	world->fake.next_plan = FAKE_BREAK_HEARD;
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
	assert_int_equal(world->fake.n_connections, 3);
}

static void request_waits_for_the_first_connection(void **state)
{
	struct world *world = *state;

	assert_false(units_connected(world->units));
	world_act(world, UNIT_ACTION_RESTART);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

static void without_a_connection_the_deadline_says_so(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	(void)uv_poll_stop(&world->fake.listener); /* nobody answers any more */
	fake_manager_break(&world->fake);
	while (units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world_act_within(world, UNIT_ACTION_RESTART, SHORT_MSEC);
	world_assert_failed(world, "nothing was done");
}

static void connection_comes_back_by_itself(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	fake_manager_break(&world->fake);
	while (world->n_connected < 2)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->fake.n_connections, 2);
}

/* --- units_query ------------------------------------------------------------------ */

static void on_state(void *userdata, int error, const struct unit_state *state)
{
	struct world *world = userdata;

	world->n_done++;
	world->error = error;
	world->state = *state;
}

static void query_reads_the_state(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	assert_non_null(units_query(world->units, "hello.service", on_state, world));
	world_wait_done(world);
	assert_int_equal(world->error, 0);
	assert_string_equal(world->state.active_state, "active");
	assert_string_equal(world->state.sub_state, "running");
	assert_int_equal(world->state.main_pid, 10);
	assert_int_equal(world->state.active_enter_usec, 1000);
}

static void query_of_a_missing_unit_is_no_error(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	world->fake.unit.load_state = "not-found";
	assert_non_null(units_query(world->units, "hello.service", on_state, world));
	world_wait_done(world);
	assert_int_equal(world->error, 0);
	assert_string_equal(world->state.load_state, "not-found");
}

static void query_without_a_connection_fails_at_once(void **state)
{
	struct world *world = *state;

	assert_non_null(units_query(world->units, "hello.service", on_state, world));
	assert_int_equal(world->n_done, 0);
	world_wait_done(world);
	assert_int_equal(world->error, -ENOTCONN);
	assert_string_equal(world->state.active_state, "");
}

#define QUERIES 200 /* more than a bus takes at once */

static unsigned int most_calls;

static void count_calls(void *userdata, const char *member)
{
	const struct world *world = userdata;

	(void)member;
	assert_true(world->units->n_calls <= UNITS_CALLS_MAX);
	if (world->units->n_calls > most_calls)
		most_calls = world->units->n_calls;
}

static void count_state(void *userdata, int error, const struct unit_state *state)
{
	struct world *world = userdata;

	(void)state;
	world->n_done++;
	if (error < 0)
		world->error = error;
}

static void start_queries(struct world *world, struct unit_query *queries[QUERIES])
{
	world_wait_connected(world);
	most_calls = 0;
	world->fake.on_call = count_calls;
	world->fake.userdata = world;
	for (unsigned int i = 0; i < QUERIES; i++)
		queries[i] = units_query_patiently(world->units, "hello.service",
						   count_state, world);
}

static void wait_for_queries(struct world *world, unsigned int n)
{
	while (world->n_done < n)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->units->n_calls, 0);
	assert_null(world->units->waiting);
}

static void many_queries_take_turns(void **state)
{
	struct world *world = *state;
	struct unit_query *queries[QUERIES];

	start_queries(world, queries);
	wait_for_queries(world, QUERIES);
	assert_int_equal(world->error, 0);
	assert_int_equal(most_calls, UNITS_CALLS_MAX);
}

static void others_overtake_patient_queries(void **state)
{
	struct world *world = *state;
	struct unit_query *queries[QUERIES], *first, *second;

	start_queries(world, queries);
	first = units_query(world->units, "hello.service", count_state, world);
	second = units_query(world->units, "hello.service", count_state, world);
	/* A request is the first member of a query. */
	assert_ptr_equal(world->units->waiting, first);
	assert_ptr_equal(world->units->waiting->next_waiting, second);
	wait_for_queries(world, QUERIES + 2);
	assert_int_equal(world->error, 0);
}

static void cancelled_queries_give_their_turn(void **state)
{
	struct world *world = *state;
	struct unit_query *queries[QUERIES];

	start_queries(world, queries);
	/* Of those under way, and of those that wait, the last one among them. */
	for (unsigned int i = 1; i < QUERIES; i += 2)
		unit_query_cancel(queries[i]);
	wait_for_queries(world, QUERIES / 2);
	assert_int_equal(world->error, 0);
}

static void a_break_ends_the_queries_that_wait(void **state)
{
	struct world *world = *state;
	struct unit_query *queries[QUERIES];

	start_queries(world, queries);
	fake_manager_break(&world->fake);
	wait_for_queries(world, QUERIES);
	assert_int_equal(world->error, -ENOTCONN);
}

static void break_on_read(void *userdata, const char *member)
{
	struct world *world = userdata;

	if (strcmp(member, "GetAll") == 0)
		fake_manager_break(&world->fake);
}

static void query_in_a_break_fails(void **state)
{
	struct world *world = *state;

	world->fake.on_call = break_on_read;
	world->fake.userdata = world;
	world_wait_connected(world);
	assert_non_null(units_query(world->units, "hello.service", on_state, world));
	world_wait_done(world);
	/* The answer may have been written before the end. */
	assert_true(world->error == -ENOTCONN || world->error == 0);
}

static void cancelled_query_is_silent(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	unit_query_cancel(units_query(world->units, "hello.service", on_state, world));
}

/* --- units_log -------------------------------------------------------------------- */

static void on_log(void *userdata, int error)
{
	struct world *world = userdata;

	world->log = NULL;
	world->n_done++;
	world->error = error;
}

/* Where the log under test goes to. */
static struct output output = {.fd = -1, .held_fd = -1};

static void begin_log(struct world *world)
{
	output_close(&output); /* of the test before */
	assert_int_equal(output_open(&output, OUTPUT_KIND_FILE), 0);
	world->log = units_log(world->units, "hello.service", 10, false, output.path,
			       true, on_log, world);
	assert_non_null(world->log);
}

static void log_goes_to_the_file(void **state)
{
	struct world *world = *state;
	char text[16] = "";

	world->fake.log_text = "a line\n";
	begin_log(world);
	world_wait_done(world);
	assert_int_equal(world->error, 0);
	assert_int_equal(pread(output.fd, text, sizeof(text) - 1, 0), 7);
	assert_string_equal(text, "a line\n");
}

static void assert_property(const struct world *world, const char *property)
{
	if (!strstr(world->fake.transient_properties, property))
		fail_msg("'%s' is not in\n%s", property,
			 world->fake.transient_properties);
}

static void log_into_memory_is_bounded_and_synced(void **state)
{
	struct world *world = *state;

	begin_log(world);
	world_wait_done(world);
	assert_property(world, "\nUser=root,\n");
	assert_property(world, "\nCapabilityBoundingSet=0,\n");
	assert_property(world, "\nLimitFSIZE=4194304,\n");
	assert_property(world, "\nRuntimeMaxUSec=10000000,\n");
	assert_property(world, "\nStandardErrorFile=/dev/null,\n");
	assert_property(world, "\nExecStartPre=/usr/bin/journalctl,"
			       "/usr/bin/journalctl,--sync,1,\n");
	assert_property(world, ",--lines=10,_SYSTEMD_UNIT=hello.service,");
}

/* A client may follow it for days. */
static void followed_log_has_no_end(void **state)
{
	struct world *world = *state;

	world->fake.log_stays = true;
	output_close(&output);
	assert_int_equal(output_open(&output, OUTPUT_KIND_FILE), 0);
	world->log = units_log(world->units, "hello.service", 0, true, output.path,
			       false, on_log, world);
	assert_non_null(world->log);
	while (count(world->fake.calls, "GetAll") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_property(world, "\nRuntimeMaxUSec=18446744073709551615,\n");
	assert_property(world, ",--no-tail,--follow,");
	assert_null(strstr(world->fake.transient_properties, "ExecStartPre"));
	/* Once it runs, no timer is left. */
	while (uv_backend_timeout(&world->loop) != -1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->n_done, 0);
	fake_manager_end_log(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->error, 0);
}

static void log_that_cannot_start_is_an_error(void **state)
{
	struct world *world = *state;

	world->fake.job_result = "failed";
	world->fake.log_stays = true;
	world->fake.transient_state = "failed";
	world->fake.unit.exec_main_code = CLD_EXITED;
	world->fake.unit.exec_main_status = 203;
	begin_log(world);
	world_wait_done(world);
	assert_int_equal(world->error, -EIO);
}

/* Each signal makes it read, and none of them is its end. */
static void log_lives_through_signals(void **state)
{
	struct world *world = *state;

	world->fake.log_stays = true;
	begin_log(world);
	while (count(world->fake.calls, "GetAll") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	fake_manager_send_transient_changed(&world->fake);
	while (count(world->fake.calls, "GetAll") < 2)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->n_done, 0);
	fake_manager_end_log(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->error, 0);
}

static void log_lives_through_a_break(void **state)
{
	struct world *world = *state;

	world->fake.log_stays = true;
	begin_log(world);
	while (count(world->fake.calls, "GetAll") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world->fake.log_over = true; /* nobody will say so */
	fake_manager_break(&world->fake);
	world_wait_done(world);
	assert_int_equal(world->error, 0);
	assert_int_equal(count(world->fake.calls, "StartTransientUnit"), 1);
}

static void cancelled_log_is_stopped(void **state)
{
	struct world *world = *state;

	world->fake.log_stays = true;
	begin_log(world);
	while (count(world->fake.calls, "GetAll") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	unit_log_cancel(world->log);
	while (count(world->fake.calls, "StopUnit") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
}

static void closing_stops_the_log(void **state)
{
	struct world *world = *state;

	world->fake.log_stays = true;
	begin_log(world);
	while (count(world->fake.calls, "GetAll") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	world_close(world);
	world_wait_done(world);
	assert_int_equal(world->error, -ESHUTDOWN);
	while (count(world->fake.calls, "StopUnit") < 1)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(job_gone_in_a_break_but_unit_restarted),
		TEST(unknown_is_not_success),
		TEST(reload_in_a_break_is_unknown),
		TEST(job_gone_in_a_break_and_unit_failed),
		TEST(call_that_was_not_heard_is_made_again),
		TEST(call_that_was_heard_is_not_made_again),
		TEST(job_that_outlives_a_break_is_waited_for),
		TEST(two_breaks_do_no_harm),
		TEST(request_waits_for_the_first_connection),
		TEST(without_a_connection_the_deadline_says_so),
		TEST(connection_comes_back_by_itself),
		TEST(query_reads_the_state),
		TEST(query_of_a_missing_unit_is_no_error),
		TEST(query_without_a_connection_fails_at_once),
		TEST(many_queries_take_turns),
		TEST(others_overtake_patient_queries),
		TEST(cancelled_queries_give_their_turn),
		TEST(a_break_ends_the_queries_that_wait),
		TEST(query_in_a_break_fails),
		TEST(cancelled_query_is_silent),
		TEST(log_goes_to_the_file),
		TEST(log_into_memory_is_bounded_and_synced),
		TEST(followed_log_has_no_end),
		TEST(log_that_cannot_start_is_an_error),
		TEST(log_lives_through_signals),
		TEST(log_lives_through_a_break),
		TEST(cancelled_log_is_stopped),
		TEST(closing_stops_the_log),
	};

	return cmocka_run_group_tests_name("units over breaks", tests, NULL, NULL);
}
