/* Health and verifications of release against a manager of our own making. */
#include "health_world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "health/health.h"
#include "health/oom_count.h"
#include "health/probe_report.h"
#include "health/verification.h"

/* --- health -------------------------------------------------------------------------
 */

struct healed {
	struct world *world;
	unsigned int n;
	struct health_outcome outcome;
	char output[256];
};

static void on_health(void *userdata, const struct health_outcome *outcome)
{
	struct healed *healed = userdata;

	healed->n++;
	healed->outcome = *outcome;
	(void)snprintf(healed->output, sizeof(healed->output), "%s",
		       outcome->check_output ? outcome->check_output : "");
	uv_stop(&healed->world->loop);
}

static void run_health(struct healed *healed, const struct health_options *options)
{
	assert_non_null(health_start(healed->world->units, options, on_health, healed));
	while (healed->n == 0)
		turn(healed->world);
}

static void one_that_stays_active_is_healthy(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");
	uint64_t began_ms = uv_hrtime() / 1000000; /* as the loop counts them */

	run_health(&healed, &(struct health_options){.settings = settings,
						     .stay_ms = 100,
						     .deadline_ms = LONG_MSEC});
	assert_string_equal(healed.outcome.error.what, "");
	assert_true(healed.outcome.healthy);
	assert_int_equal(healed.outcome.healthy_mono_usec, 1000);
	assert_true(uv_hrtime() / 1000000 - began_ms >= 100);
	app_config_free(settings);
}

static void a_unit_that_fails_meanwhile_fails_at_once(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");
	const struct health_options options = {.settings = settings,
					       .stay_ms = LONG_MSEC,
					       .deadline_ms = 2 * LONG_MSEC};

	assert_non_null(health_start(world->units, &options, on_health, &healed));
	while (count_calls(world, "GetAll") < 2)
		turn(world);
	world->fake.unit.active_state = "failed";
	world->fake.unit.result = "watchdog";
	emit_changed(world, "hello_2eservice");
	while (healed.n == 0)
		turn(world);
	assert_false(healed.outcome.healthy);
	assert_string_equal(healed.outcome.unit_result, "watchdog");
	assert_non_null(strstr(healed.outcome.error.what, "watchdog"));
	app_config_free(settings);
}

static void a_restart_since_the_baseline_fails(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");
	struct unit_state baseline = {.n_restarts = 0, .active_state = "active"};

	world->fake.unit.n_restarts = 1;
	run_health(&healed, &(struct health_options){.settings = settings,
						     .baseline = &baseline,
						     .stay_ms = 0,
						     .deadline_ms = LONG_MSEC});
	assert_false(healed.outcome.healthy);
	assert_non_null(strstr(healed.outcome.error.what, "restarted"));
	/* Without a baseline it is the baseline. */
	healed.n = 0;
	run_health(&healed, &(struct health_options){.settings = settings,
						     .deadline_ms = LONG_MSEC});
	assert_true(healed.outcome.healthy);
	app_config_free(settings);
}

static void one_that_never_gets_active_fails_at_the_deadline(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");

	world->fake.unit.active_state = "activating";
	world->fake.unit.sub_state = "start";
	run_health(&healed,
		   &(struct health_options){.settings = settings, .deadline_ms = 100});
	assert_false(healed.outcome.healthy);
	assert_non_null(strstr(healed.outcome.error.what, "did not become active"));
	app_config_free(settings);
}

static void a_lost_bus_is_no_failure(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");
	const struct health_options options = {
		.settings = settings, .stay_ms = 300, .deadline_ms = LONG_MSEC};

	assert_non_null(health_start(world->units, &options, on_health, &healed));
	while (count_calls(world, "GetAll") < 2)
		turn(world);
	fake_manager_break(&world->fake);
	while (healed.n == 0)
		turn(world);
	assert_string_equal(healed.outcome.error.what, "");
	assert_true(healed.outcome.healthy);
	assert_int_equal(world->fake.n_connections, 2);
	app_config_free(settings);
}

static void no_answer_until_the_deadline_fails(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("");
	const struct health_options options = {.settings = settings,
					       .deadline_ms = 100};

	world_wait_connected(world);
	fake_manager_break(&world->fake);
	while (units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	/* The listener's queue takes the connection, and nobody speaks on it. */
	assert_int_equal(uv_poll_stop(&world->fake.listener), 0);
	assert_non_null(health_start(world->units, &options, on_health, &healed));
	while (healed.n == 0)
		turn(world);
	assert_false(healed.outcome.healthy);
	assert_non_null(strstr(healed.outcome.error.what, "systemd did not report"));
	app_config_free(settings);
}

static void a_failing_check_is_repeated_and_is_the_evidence(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings =
		parse("[health_check web]\ntype = tcp\naddress = 127.0.0.1:1\n"
		      "interval_sec = 100ms\n");

	/* Active as a unit, and ended as a command. */
	world->fake.log_stays = true;
	world->fake.log_text = "{\"type\":\"result\",\"result\":\"failed\",\"message\":"
			       "\"refused\",\"excerpt\":\"why\"}\n";
	world->fake.job_result = "failed";
	world->fake.unit.exec_main_code = CLD_EXITED;
	world->fake.unit.exec_main_status = 1;
	world->fake.transient_state = "failed";
	run_health(&healed, &(struct health_options){.settings = settings,
						     .checks = true,
						     .deadline_ms = 2000});
	assert_false(healed.outcome.healthy);
	assert_non_null(strstr(healed.outcome.error.what, "health check 'web'"));
	assert_non_null(strstr(healed.outcome.error.what, "refused"));
	assert_string_equal(healed.output, "why");
	assert_true(count_calls(world, "StartTransientUnit") >= 2);
	app_config_free(settings);
}

static void assert_argument(const struct world *world, const char *argument)
{
	if (!strstr(world->fake.transient_properties, argument))
		fail_msg("'%s' is not in\n%s", argument,
			 world->fake.transient_properties);
}

/* Active as a unit, and ended with 0 as a command. */
static void command_passes(struct world *world, const char *output)
{
	world->fake.log_stays = true;
	world->fake.log_text = output;
	world->fake.unit.exec_main_code = CLD_EXITED;
	world->fake.transient_state = "inactive";
}

static void an_http_check_is_the_probes(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings =
		parse("[health_check web]\ntype = http\nurl = http://localhost:8/up\n"
		      "body = all good\nheader = Host: shop.example\nstatus = 204\n");

	command_passes(world, "{\"type\":\"result\",\"result\":\"ok\"}\n");
	run_health(&healed, &(struct health_options){.settings = settings,
						     .checks = true,
						     .deadline_ms = LONG_MSEC});
	assert_string_equal(healed.outcome.error.what, "");
	assert_true(healed.outcome.healthy);
	assert_argument(world, "/deployd-probe,http,");
	assert_argument(world, "--url=http://localhost:8/up,");
	assert_argument(world, "--body=all good,");
	assert_argument(world, "--header=Host: shop.example,");
	assert_argument(world, "--status=204");
	assert_argument(world, "\nUser=deployd-probe,\n");
	app_config_free(settings);
}

static void an_exec_check_is_a_copy_of_the_unit(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings = parse("[health_check run]\ntype = exec\ncommand "
					    "= {current_dir}/bin/check 'a b'\n");

	command_passes(world, "fine\n");
	run_health(&healed, &(struct health_options){.settings = settings,
						     .checks = true,
						     .deadline_ms = LONG_MSEC});
	assert_true(healed.outcome.healthy);
	assert_argument(world, "/current/bin/check,a b,");
	app_config_free(settings);
}

static void an_exec_check_that_fails_shows_what_it_wrote(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings =
		parse("[health_check run]\ntype = exec\ncommand = /bin/check\n");

	command_passes(world, "no \033[1m\nconnection\n");
	world->fake.unit.exec_main_status = 4;
	run_health(&healed, &(struct health_options){.settings = settings,
						     .checks = true,
						     .deadline_ms = 500});
	assert_false(healed.outcome.healthy);
	assert_non_null(strstr(healed.outcome.error.what, "exited with status 4"));
	assert_string_equal(healed.output, "no \\x1b[1m\nconnection\n");
	app_config_free(settings);
}

static void health_can_be_cancelled_at_any_moment(void **state)
{
	struct world *world = *state;
	struct healed healed = {.world = world};
	struct app_config *settings =
		parse("[health_check web]\ntype = tcp\naddress = 127.0.0.1:1\n"
		      "[health_check run]\ntype = exec\ncommand = /bin/true\n");
	const struct health_options options = {
		.settings = settings, .checks = true, .deadline_ms = LONG_MSEC};

	/* One that fails before it is run; no file can ask for it. */
	free(settings->health.checks[1].command);
	settings->health.checks[1].command = strdup("/bin/true 'x");
	world_wait_connected(world);
	world->fake.log_stays = true;
	for (unsigned int moment = 0; moment < MOMENTS_MAX; moment++) {
		struct health *health =
			health_start(world->units, &options, on_health, &healed);

		world->fake.calls[0] = '\0';
		for (unsigned int i = 0; i < moment; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		health_cancel(health);
		for (unsigned int i = 0; i < MOMENTS_MAX; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(healed.n, 0);
	app_config_free(settings);
}

/* --- reports ------------------------------------------------------------------------
 */

static int read_report(const char *text, int32_t status, struct errinfo *ei,
		       json_t **ret_report)
{
	const struct transient_outcome unit = {
		.code = CLD_EXITED, .status = status, .result = "success"};
	const struct capture_outcome outcome = {
		.unit = &unit, .text = text, .length = strlen(text)};

	memset(ei, 0, sizeof(*ei));
	return probe_report_read(&outcome, "deployd-probe", ret_report, ei);
}

static void a_report_is_believed_only_as_one(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"{}\n",
		"[]\n",
		"nonsense\n",
		"{\"type\":\"result\"}\n",
		"{\"type\":\"result\",\"result\":\"ok\"}", /* no newline */
		"{\"type\":\"result\",\"result\":\"ok\"}\n{}\n",
		"{\"type\":\"progress\",\"result\":\"ok\"}\n",
	};
	struct errinfo ei;
	json_t *report = NULL;
	char text[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(read_report(bad[i], 0, &ei, &report) < 0);
		assert_true(ei.what[0] != '\0');
	}
	/* It says ok and ends otherwise, or the other way round. */
	assert_true(read_report("{\"type\":\"result\",\"result\":\"ok\"}\n", 1, &ei,
				&report) < 0);
	assert_true(read_report("{\"type\":\"result\",\"result\":\"failed\"}\n", 0, &ei,
				&report) < 0);
	assert_null(report);
	assert_int_equal(
		read_report("{\"type\":\"result\",\"result\":\"ok\",\"message\":"
			    "\"\\u001b[1m\\u009b\\u00e4\\u00e4\\u00e4\"}\n",
			    0, &ei, &report),
		0);
	assert_true(probe_report_is_ok(report));
	/* "?[1m???": cut before the half of a character, and without controls. */
	probe_report_text(report, "message", text, sizeof(text));
	assert_string_equal(text, "?[1m??");
	probe_report_text(report, "none", text, sizeof(text));
	assert_string_equal(text, "");
	json_decref(report);
}

static void memory_events_are_read(void **state)
{
	struct oom_events events = {.kills = 77};

	(void)state;
	assert_true(oom_count_parse("low 0\nhigh 0\nmax 12\noom 4\noom_kill 3\n"
				    "oom_group_kill 9\n",
				    &events));
	assert_int_equal(events.kills, 3);
	assert_int_equal(events.limit_hits, 4);
	assert_false(oom_count_parse("low 0\noom 4\noom_group_kill 9\n", &events));
	assert_false(oom_count_parse("", &events));
}

static void write_events(const char *path, unsigned int kills)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fprintf(file, "oom %u\noom_kill %u\n", kills, kills) > 0);
	assert_int_equal(fclose(file), 0);
}

/* Refreshes until the first count is there, or until systemd has answered. */
static void find_group(struct world *world, struct oom_count *count)
{
	while (count_calls(world, "GetAll") == 0)
		turn(world);
	for (unsigned int i = 0; i < MOMENTS_MAX; i++)
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	oom_count_refresh(count);
}

static void kills_are_counted_from_the_first_reading(void **state)
{
	struct world *world = *state;
	char root[] = "/tmp/deployd-oom-XXXXXX", group[64], path[96];
	struct oom_count *count;

	assert_non_null(mkdtemp(root));
	(void)snprintf(group, sizeof(group), "%s/hello.service", root);
	assert_int_equal(mkdir(group, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/memory.events", group);
	write_events(path, 3);
	world->fake.control_group = "/hello.service";
	world_wait_connected(world);
	count = oom_count_new(world->units, "hello.service", root);
	assert_non_null(count);
	assert_int_equal(oom_count_kills(count), 0);
	find_group(world, count);
	assert_int_equal(oom_count_kills(count), 0);
	write_events(path, 5);
	oom_count_refresh(count);
	assert_int_equal(oom_count_kills(count), 2);
	/* Another group of that name counts anew. */
	write_events(path, 1);
	oom_count_refresh(count);
	assert_int_equal(oom_count_kills(count), 1);
	/* Without the group there is nothing new to count. */
	assert_int_equal(unlink(path), 0);
	oom_count_refresh(count);
	oom_count_refresh(count);
	assert_int_equal(oom_count_kills(count), 1);
	oom_count_free(count);
	assert_int_equal(rmdir(group), 0);
	assert_int_equal(rmdir(root), 0);
}

static void a_group_elsewhere_is_not_read(void **state)
{
	struct world *world = *state;
	struct oom_count *count;

	world->fake.control_group = "/../tmp";
	world_wait_connected(world);
	count = oom_count_new(world->units, "hello.service", "/nonexistent");
	assert_non_null(count);
	find_group(world, count);
	assert_int_equal(oom_count_kills(count), 0);
	oom_count_free(count);
}

/* --- verification
 * --------------------------------------------------------------------------
 */

struct verified {
	struct world *world;
	unsigned int n;
	enum verification_verdict verdict;
	char reason[VERIFICATION_REASON_SIZE];
	bool complete;
	char in_use[256];
};

static void on_verification(void *userdata, const struct verification_outcome *outcome)
{
	struct verified *verified = userdata;
	cleanup_free char *in_use = json_dumps(outcome->in_use, JSON_COMPACT);

	verified->n++;
	verified->verdict = outcome->verdict;
	verified->complete = outcome->complete;
	(void)snprintf(verified->reason, sizeof(verified->reason), "%s",
		       outcome->reason);
	(void)snprintf(verified->in_use, sizeof(verified->in_use), "%s", in_use);
	uv_stop(&verified->world->loop);
}

#define NEW "20261124T101500Z-0002"
#define OLD "20261123T101500Z-0001"

static void verify(struct verified *verified, const char *report)
{
	struct world *world = verified->world;
	struct app_config *settings = parse("");

	world_wait_connected(world);
	command_ends(world, 0);
	world->fake.control_group = "/system.slice/hello.service";
	world->fake.log_text = report;
	verified->n = 0;
	assert_non_null(verification_start(world->units, settings, NEW, on_verification,
					   verified));
	while (verified->n == 0)
		turn(world);
	app_config_free(settings);
}

#define PROCESS(pid, cwd) PROCESS_OF("true", pid, cwd)
#define PROCESS_OF(unit, pid, cwd)                                                     \
	"{\"pid\":" pid ",\"comm\":\"hello\",\"cwd\":\"/srv/hello/releases/" cwd       \
	"\",\"unit\":" unit                                                            \
	",\"exe\":\"/usr/bin/x\",\"mapped\":[],\"readable\":true,\"deleted\":"         \
	"false}"
#define REPORT(processes)                                                              \
	"{\"type\":\"result\",\"result\":\"ok\",\"message\":\"\",\"processes\":"       \
	"[" processes "],\"truncated\":false,\"unit_truncated\":false}\n"

static void what_the_probe_saw_is_judged(void **state)
{
	struct world *world = *state;
	struct verified verified = {.world = world};

	verify(&verified, REPORT(PROCESS("10", NEW)));
	assert_string_equal(verified.reason, "");
	assert_int_equal(verified.verdict, VERIFICATION_VERIFIED);
	assert_true(verified.complete);
	assert_string_equal(verified.in_use, "[\"" NEW "\"]");
	verify(&verified, REPORT(PROCESS("10", NEW) "," PROCESS("11", OLD)));
	assert_int_equal(verified.verdict, VERIFICATION_DRIFT);
	assert_string_equal(verified.in_use, "[\"" NEW "\",\"" OLD "\"]");
	/* A process of somebody else is no drift, but keeps what it runs from. */
	verify(&verified,
	       REPORT(PROCESS_OF("false", "11", OLD) "," PROCESS("10", NEW)));
	assert_int_equal(verified.verdict, VERIFICATION_VERIFIED);
	assert_true(verified.complete);
	assert_string_equal(verified.in_use, "[\"" NEW "\",\"" OLD "\"]");
	/* Of others not all: that is no doubt of the unit. */
	verify(&verified,
	       "{\"type\":\"result\",\"result\":\"ok\",\"processes\":[" PROCESS(
		       "10", NEW) "],\"truncated\":true,"
				  "\"unit_truncated\":false}\n");
	assert_int_equal(verified.verdict, VERIFICATION_VERIFIED);
	assert_false(verified.complete);
	assert_string_equal(verified.in_use, "[\"" NEW "\"]");
	verify(&verified, REPORT(PROCESS_OF("1", "10", NEW)));
	assert_int_equal(verified.verdict, VERIFICATION_UNKNOWN);
	assert_false(verified.complete);
	verify(&verified,
	       "{\"type\":\"result\",\"result\":\"ok\",\"processes\":[1]}\n");
	assert_int_equal(verified.verdict, VERIFICATION_UNKNOWN);
	assert_false(verified.complete);
	verify(&verified, "garbage");
	assert_int_equal(verified.verdict, VERIFICATION_UNKNOWN);
	assert_false(verified.complete);
	assert_string_equal(verified.in_use, "[]");
}

static void a_verification_can_be_cancelled_at_any_moment(void **state)
{
	struct world *world = *state;
	struct verified verified = {.world = world};
	struct app_config *settings = parse("");

	world_wait_connected(world);
	world->fake.control_group = "/system.slice/hello.service";
	world->fake.log_stays = true;
	for (unsigned int moment = 0; moment < MOMENTS_MAX; moment++) {
		struct verification *verification = verification_start(
			world->units, settings, NEW, on_verification, &verified);

		world->fake.calls[0] = '\0';
		for (unsigned int i = 0; i < moment; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		verification_cancel(verification);
		for (unsigned int i = 0; i < MOMENTS_MAX; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(verified.n, 0);
	app_config_free(settings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_stays_active_is_healthy),
		TEST(a_unit_that_fails_meanwhile_fails_at_once),
		TEST(a_restart_since_the_baseline_fails),
		TEST(one_that_never_gets_active_fails_at_the_deadline),
		TEST(a_lost_bus_is_no_failure),
		TEST(no_answer_until_the_deadline_fails),
		TEST(a_failing_check_is_repeated_and_is_the_evidence),
		TEST(an_http_check_is_the_probes),
		TEST(an_exec_check_is_a_copy_of_the_unit),
		TEST(an_exec_check_that_fails_shows_what_it_wrote),
		TEST(kills_are_counted_from_the_first_reading),
		TEST(a_group_elsewhere_is_not_read),
		TEST(health_can_be_cancelled_at_any_moment),
		TEST(what_the_probe_saw_is_judged),
		TEST(a_verification_can_be_cancelled_at_any_moment),
		cmocka_unit_test(a_report_is_believed_only_as_one),
		cmocka_unit_test(memory_events_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
