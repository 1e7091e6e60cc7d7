/*
 * Watches, and commands in transient units, against a manager of our own making:
 * breaks, ends in any order, cancelling at any moment.
 */
#include "health_world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "bus/capture.h"
#include "bus/unit_watch.h"

#define JOB_PATH "/org/freedesktop/systemd1/job/5"

/* --- watching -----------------------------------------------------------------------
 */

struct seen {
	struct world *world;
	unsigned int n;
	struct unit_state last;
};

static void on_changed(void *userdata, const struct unit_state *state)
{
	struct seen *seen = userdata;

	seen->n++;
	seen->last = *state;
	uv_stop(&seen->world->loop);
}

static void wait_seen(struct seen *seen, unsigned int n)
{
	while (seen->n < n)
		turn(seen->world);
}

static void a_burst_of_signals_is_few_readings(void **state)
{
	struct world *world = *state;
	struct seen seen = {.world = world};
	struct unit_watch *watch =
		unit_watch_new(world->units, "hello.service", on_changed, &seen);

	wait_seen(&seen, 1);
	assert_string_equal(seen.last.active_state, "active");
	world->fake.unit.active_state = "failed";
	for (int i = 0; i < 50; i++)
		emit_changed(world, "hello_2eservice");
	wait_seen(&seen, 2);
	assert_string_equal(seen.last.active_state, "failed");
	unit_watch_refresh(watch);
	wait_seen(&seen, 3);
	assert_int_equal(seen.n, 3);
	assert_true(count_calls(world, "GetAll") <= 5);
	unit_watch_free(watch);
}

static void what_has_not_changed_is_not_told(void **state)
{
	struct world *world = *state;
	struct seen seen = {.world = world};
	struct unit_watch *watch =
		unit_watch_new(world->units, "hello.service", on_changed, &seen);

	wait_seen(&seen, 1);
	emit_changed(world, "hello_2eservice");
	while (count_calls(world, "GetAll") < 2)
		turn(world);
	unit_watch_refresh(watch);
	wait_seen(&seen, 2);
	assert_int_equal(count_calls(world, "GetAll"), 3);
	unit_watch_free(watch);
}

static void the_moment_between_stop_and_start_is_not_told(void **state)
{
	struct world *world = *state;
	struct seen seen = {.world = world};
	struct unit_watch *watch =
		unit_watch_new(world->units, "hello.service", on_changed, &seen);

	wait_seen(&seen, 1);
	world->fake.unit.active_state = "inactive";
	world->fake.unit.job = JOB_PATH;
	emit_changed(world, "hello_2eservice");
	while (count_calls(world, "GetAll") < 2)
		turn(world);
	world->fake.unit.active_state = "active";
	world->fake.unit.job = NULL;
	world->fake.unit.main_pid = 12;
	emit_changed(world, "hello_2eservice");
	wait_seen(&seen, 2);
	assert_string_equal(seen.last.active_state, "active");
	assert_int_equal(seen.last.main_pid, 12);
	unit_watch_free(watch);
}

static void after_a_break_it_is_read_again(void **state)
{
	struct world *world = *state;
	struct seen seen = {.world = world};
	struct unit_watch *watch =
		unit_watch_new(world->units, "hello.service", on_changed, &seen);

	wait_seen(&seen, 1);
	fake_manager_break(&world->fake);
	world->fake.unit.active_state = "failed";
	wait_seen(&seen, 2);
	assert_string_equal(seen.last.active_state, "failed");
	world->fake.unit.active_state = "active";
	emit_changed(world, "hello_2eservice");
	wait_seen(&seen, 3);
	unit_watch_free(watch);
}

static void a_watch_may_outlive_the_connection(void **state)
{
	struct world *world = *state;
	struct seen seen = {.world = world};
	struct unit_watch *watch =
		unit_watch_new(world->units, "hello.service", on_changed, &seen);

	wait_seen(&seen, 1);
	world_close(world);
	while (world->n_closed == 0)
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	unit_watch_free(watch);
	assert_int_equal(seen.n, 1);
}

/* --- commands -----------------------------------------------------------------------
 */

struct ran {
	struct world *world;
	unsigned int n;
	struct transient_outcome unit;
	char text[64];
	bool truncated;
};

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct ran *ran = userdata;

	ran->n++;
	ran->unit = *outcome->unit;
	(void)snprintf(ran->text, sizeof(ran->text), "%s", outcome->text);
	ran->truncated = outcome->truncated;
	uv_stop(&ran->world->loop);
}

static struct capture *begin(struct ran *ran, size_t bytes_max, bool tail)
{
	static const char *const argv[] = {"/bin/true", NULL};
	const struct capture_options options = {
		.bytes_max = bytes_max,
		.tail = tail,
		.unit = {.name = "deployd-x",
			 .argv = argv,
			 .clone_of = "hello.service",
			 .user = "hello",
			 .network_of = "hello.service",
			 .harden = true,
			 .timeout_ms = LONG_MSEC},
	};
	struct capture *capture =
		capture_start(ran->world->units, &options, on_captured, ran);

	assert_non_null(capture);
	return capture;
}

static void wait_ran(struct ran *ran)
{
	while (ran->n == 0)
		turn(ran->world);
}

static void output_and_status_come_together(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	command_ends(world, 3);
	world->fake.log_text = "0123456789";
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_string_equal(ran.unit.error.what, "");
	assert_int_equal(ran.unit.status, 3);
	assert_false(transient_succeeded(&ran.unit));
	assert_string_equal(ran.text, "0123456789");
	assert_false(ran.truncated);
	/* systemd may forget it now. */
	while (!strstr(world->fake.calls, "UnrefUnit"))
		turn(world);
	assert_int_equal(count_calls(world, "StartTransientUnit"), 1);
	assert_int_equal(ran.n, 1);
}

static void output_is_bounded(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	command_ends(world, 0);
	world->fake.log_text = "0123456789";
	(void)begin(&ran, 4, false);
	wait_ran(&ran);
	assert_true(transient_succeeded(&ran.unit));
	assert_string_equal(ran.text, "0123");
	assert_true(ran.truncated);
	ran.n = 0;
	(void)begin(&ran, 4, true);
	wait_ran(&ran);
	assert_string_equal(ran.text, "6789");
	assert_true(ran.truncated);
}

static void its_end_is_what_a_signal_leads_to(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	world->fake.log_stays = true;
	(void)begin(&ran, 100, false);
	/* network, clone, and the look after the job: it runs */
	while (count_calls(world, "GetAll") < 3)
		turn(world);
	assert_int_equal(ran.n, 0);
	command_ends(world, 7);
	fake_manager_send_transient_changed(&world->fake);
	wait_ran(&ran);
	assert_int_equal(ran.unit.status, 7);
}

static void a_setup_that_fails_was_no_run(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	command_ends(world, 203);
	world->fake.job_result = "failed";
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_int_equal(ran.unit.error.result, RESULT_FAILED);
	assert_non_null(strstr(ran.unit.error.what, "203"));
}

static void a_fast_failure_was_a_run(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	command_ends(world, 1);
	world->fake.job_result = "failed";
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_int_equal(ran.unit.error.result, RESULT_OK);
	assert_int_equal(ran.unit.status, 1);
}

static void it_is_found_again_after_a_break(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	world->fake.log_stays = true;
	(void)begin(&ran, 100, false);
	while (count_calls(world, "GetAll") < 3)
		turn(world);
	fake_manager_break(&world->fake);
	command_ends(world, 9);
	wait_ran(&ran);
	assert_int_equal(ran.unit.status, 9);
	assert_int_equal(count_calls(world, "StartTransientUnit"), 1);
	assert_int_equal(count_calls(world, "RefUnit"), 1);
}

struct breaking {
	struct world *world;
	unsigned int left;
};

static void break_at_start(void *userdata, const char *member)
{
	struct breaking *breaking = userdata;

	if (strcmp(member, "StartTransientUnit") == 0 && breaking->left > 0) {
		breaking->left--;
		fake_manager_break(&breaking->world->fake);
	}
}

static void it_is_never_started_twice(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};
	struct breaking breaking = {.world = world, .left = 1};

	world->fake.log_stays = true;
	world->fake.on_call = break_at_start;
	world->fake.userdata = &breaking;
	command_ends(world, 0);
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_int_equal(count_calls(world, "StartTransientUnit"), 1);
}

static void without_a_unit_to_clone_nothing_runs(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	world->fake.unit.load_state = "not-found";
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_int_equal(ran.unit.error.result, RESULT_FAILED);
	assert_non_null(strstr(ran.unit.error.what, "not-found"));
	assert_int_equal(count_calls(world, "StartTransientUnit"), 0);
}

static void append(sd_bus_message *reply, const char *name, const char *type, ...)
{
	va_list ap;

	assert_true(sd_bus_message_open_container(reply, 'e', "sv") >= 0);
	assert_true(sd_bus_message_append(reply, "s", name) >= 0);
	assert_true(sd_bus_message_open_container(reply, 'v', type) >= 0);
	va_start(ap, type);
	assert_true(sd_bus_message_appendv(reply, type, ap) >= 0);
	va_end(ap);
	assert_true(sd_bus_message_close_container(reply) >= 0);
	assert_true(sd_bus_message_close_container(reply) >= 0);
}

static void new_truth(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "b", true);
}

static void new_word(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "s", "strict");
}

static void new_list(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "a(ss)", 1, "", "");
}

static void new_filter(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "(bas)", true, 0);
}

static void new_form(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "b", false);
	append(reply, "PrivateTmp", "s", "no");
}

static void emptied_filter(sd_bus_message *reply)
{
	append(reply, "RestrictAddressFamilies", "(bas)", true, 0);
	append(reply, "RestrictNetworkInterfaces", "(bas)", true, 0);
}

static void a_unit_that_cannot_be_copied_is_not_run(void **state)
{
	static const struct {
		void (*properties)(sd_bus_message *reply);
		const char *said;
	} cases[] = {
		{new_truth, "PrivateMoon= is not known"},
		{new_word, "PrivateMoon= is not known"},
		{new_list, "PrivateMoon= is not known"},
		{new_filter, "PrivateMoon= is not known"},
		{new_form, "PrivateTmp= has a form"},
		{emptied_filter, "RestrictNetworkInterfaces= allows nothing"},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ran ran = {.world = world};

		world->fake.more_properties = cases[i].properties;
		(void)begin(&ran, 100, false);
		wait_ran(&ran);
		assert_int_equal(ran.unit.error.result, RESULT_FAILED);
		assert_non_null(strstr(ran.unit.error.what, cases[i].said));
		assert_non_null(strstr(ran.unit.error.what, "hello.service"));
	}
	assert_int_equal(count_calls(world, "StartTransientUnit"), 0);
}

static void what_is_off(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "s", "no");
	append(reply, "PrivateSun", "b", false);
	append(reply, "MoonPaths", "a(ss)", 0);
	append(reply, "RestrictMoons", "(bas)", false, 0);
	append(reply, "MoonsUsed", "t", UINT64_C(5));
	append(reply, "RestrictFileSystems", "(bas)", true, 0);
	append(reply, "RestrictNetworkInterfaces", "(bas)", false, 0);
	append(reply, "AppArmorProfile", "(bs)", false, "");
}

static void what_is_new_and_off_does_not_matter(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	command_ends(world, 0);
	world->fake.more_properties = what_is_off;
	(void)begin(&ran, 100, false);
	wait_ran(&ran);
	assert_string_equal(ran.unit.error.what, "");
	assert_int_equal(count_calls(world, "StartTransientUnit"), 1);
}

static void what_cannot_be_a_unit_is_refused(void **state)
{
	static const char *const relative[] = {"bin/true", NULL};
	static const char *const absolute[] = {"/bin/true", NULL};
	struct world *world = *state;
	struct ran ran = {.world = world};
	struct capture_options options = {.bytes_max = 10,
					  .unit = {.name = "a",
						   .argv = relative,
						   .user = "hello",
						   .timeout_ms = 1000}};

	assert_non_null(capture_start(world->units, &options, on_captured, &ran));
	wait_ran(&ran);
	assert_non_null(strstr(ran.unit.error.what, "absolute"));
	ran.n = 0;
	options.unit.argv = absolute;
	options.unit.user = NULL;
	assert_non_null(capture_start(world->units, &options, on_captured, &ran));
	wait_ran(&ran);
	assert_non_null(strstr(ran.unit.error.what, "user"));
	ran.n = 0;
	options.unit.user = "hello";
	options.unit.name = "a b";
	assert_non_null(capture_start(world->units, &options, on_captured, &ran));
	wait_ran(&ran);
	assert_non_null(strstr(ran.unit.error.what, "name"));
	assert_int_equal(count_calls(world, "StartTransientUnit"), 0);
}

static void it_ends_when_the_connection_is_closed(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	world->fake.log_stays = true;
	(void)begin(&ran, 100, false);
	while (count_calls(world, "GetAll") < 3)
		turn(world);
	world_close(world);
	wait_ran(&ran);
	assert_int_equal(ran.unit.error.result, RESULT_FAILED);
}

/* At each turn of the loop once, also those in which it has just ended. */
static void it_can_be_cancelled_at_any_moment(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};

	world_wait_connected(world);
	command_ends(world, 0);
	for (unsigned int moment = 0; moment < MOMENTS_MAX; moment++) {
		struct capture *capture;

		ran.n = 0;
		world->fake.calls[0] = '\0';
		capture = begin(&ran, 100, false);
		for (unsigned int i = 0; i < moment && ran.n == 0; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		if (ran.n > 0)
			return; /* all the moments there are */
		capture_cancel(capture);
		for (unsigned int i = 0; i < MOMENTS_MAX; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		assert_int_equal(ran.n, 0);
		if (strstr(world->fake.calls, "StartTransientUnit"))
			assert_non_null(strstr(world->fake.calls, "UnrefUnit"));
	}
	fail_msg("it never ended");
}

static void cancelled_in_a_break_it_is_stopped_after_it(void **state)
{
	struct world *world = *state;
	struct ran ran = {.world = world};
	struct capture *capture;

	world->fake.log_stays = true;
	capture = begin(&ran, 100, false);
	while (count_calls(world, "GetAll") < 3)
		turn(world);
	fake_manager_break(&world->fake);
	while (units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	capture_cancel(capture);
	while (!strstr(world->fake.calls, "StopUnit"))
		turn(world);
	assert_int_equal(ran.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_burst_of_signals_is_few_readings),
		TEST(what_has_not_changed_is_not_told),
		TEST(the_moment_between_stop_and_start_is_not_told),
		TEST(after_a_break_it_is_read_again),
		TEST(a_watch_may_outlive_the_connection),
		TEST(output_and_status_come_together),
		TEST(output_is_bounded),
		TEST(its_end_is_what_a_signal_leads_to),
		TEST(a_setup_that_fails_was_no_run),
		TEST(a_fast_failure_was_a_run),
		TEST(it_is_found_again_after_a_break),
		TEST(it_is_never_started_twice),
		TEST(without_a_unit_to_clone_nothing_runs),
		TEST(a_unit_that_cannot_be_copied_is_not_run),
		TEST(what_is_new_and_off_does_not_matter),
		TEST(what_cannot_be_a_unit_is_refused),
		TEST(it_ends_when_the_connection_is_closed),
		TEST(it_can_be_cancelled_at_any_moment),
		TEST(cancelled_in_a_break_it_is_stopped_after_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
