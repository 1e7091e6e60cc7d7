/*
 * Commands, checks and verifications on the machine's own systemd: run by
 * tests/system/088-commands.sh, which makes the units and the releases.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "bus/capture.h"
#include "bus/unit_watch.h"
#include "bus/units.h"
#include "deploy/app_config.h"
#include "deploy/cleanup.h"
#include "health/health.h"
#include "health/verification.h"

#define NEW "20261124T101500Z-0002"
#define OLD "20261123T101500Z-0001"

struct world {
	uv_loop_t loop;
	struct units *units;
	bool done, ran;
	char text[8192];
	struct transient_outcome unit;
	struct health_outcome health;
	char output[8192];
	enum verification_verdict verdict;
	char reason[VERIFICATION_REASON_SIZE];
	char in_use[512];
	bool complete;
	unsigned int n_connected;
	struct unit_state state;
};

static struct app_config *parse(const char *name, const char *more)
{
	char text[4096];
	struct diag diag = {0};
	struct config_text texts = {.file = "live.conf", .text = text};
	struct app_config *config;

	texts.length =
		(size_t)snprintf(text, sizeof(text),
				 "[users]\napp_user = hello\ndeploy_user = deploy\n"
				 "[directories]\ndeploy_dir = /srv/hello\n%s",
				 more);
	config = app_config_parse(name, &texts, 1, &diag);
	for (size_t i = 0; i < diag.n_messages; i++)
		print_error("%s\n", diag.messages[i]);
	diag_deinit(&diag);
	assert_non_null(config);
	return config;
}

static void on_connected(void *userdata)
{
	struct world *world = userdata;

	world->n_connected++;
	uv_stop(&world->loop);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(
		units_new(&world->loop, NULL, on_connected, world, &world->units), 0);
	while (!units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	units_close(world->units, NULL, NULL);
	(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	return 0;
}

static void wait_done(struct world *world)
{
	while (!world->done)
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	world->done = false;
}

static void on_exit_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal_number)
{
	struct world *world = process->data;

	assert_int_equal(signal_number, 0);
	assert_int_equal(status, 0);
	world->ran = true;
	uv_close((uv_handle_t *)process, on_exit_closed);
	uv_stop(&world->loop);
}

/* A command of the shell, while the loop goes on. */
static void run(struct world *world, const char *command)
{
	char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
	uv_process_options_t options = {
		.file = argv[0], .args = argv, .exit_cb = on_exit_status};
	uv_process_t process = {.data = world};

	world->ran = false;
	assert_int_equal(uv_spawn(&world->loop, &process, &options), 0);
	while (!world->ran)
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	(void)uv_run(&world->loop, UV_RUN_NOWAIT); /* the handle goes */
}

/*
 * Until the break has been noticed and is over. systemd answers in order: what the
 * requests asked for then, it has seen when it answers systemctl.
 */
static void reconnect(struct world *world)
{
	while (world->n_connected < 2 || !units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	run(world, "systemctl show -P Version > /dev/null");
}

/* --- commands -----------------------------------------------------------------------
 */

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct world *world = userdata;

	world->unit = *outcome->unit;
	(void)snprintf(world->text, sizeof(world->text), "%s", outcome->text);
	world->done = true;
	uv_stop(&world->loop);
}

static struct capture *begin(struct world *world, const char *name,
			     const char *const *argv, const char *clone_of,
			     uint64_t timeout_ms)
{
	struct capture_options options = {
		.bytes_max = 4096,
		.with_stderr = true,
		.unit = {.name = name,
			 .description = "live test",
			 .argv = argv,
			 .clone_of = clone_of,
			 .user = "hello",
			 .timeout_ms = timeout_ms},
	};
	struct capture *capture =
		capture_start(world->units, &options, on_captured, world);

	assert_non_null(capture);
	return capture;
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_command_runs_as_it_is(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-echo",
	      ARGV("/bin/echo", "$HOME", "a${X}x", "$$", "a$", "%n", ";", "a\\b",
		   "\"c d'"),
	      NULL, 10000);
	wait_done(world);
	assert_string_equal(world->unit.error.what, "");
	assert_true(transient_succeeded(&world->unit));
	assert_string_equal(world->text, "$HOME a${X}x $$ a$ %n ; a\\b \"c d'\n");
}

static void the_exit_status_comes_back(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-exit", ARGV("/bin/sh", "-c", "echo x >&2; exit 3"),
	      NULL, 10000);
	wait_done(world);
	assert_int_equal(world->unit.error.result, RESULT_OK);
	assert_int_equal(world->unit.code, CLD_EXITED);
	assert_int_equal(world->unit.status, 3);
	assert_string_equal(world->text, "x\n");

	begin(world, "deployd-live-kill", ARGV("/bin/sh", "-c", "kill -9 $$"), NULL,
	      10000);
	wait_done(world);
	assert_int_equal(world->unit.code, CLD_KILLED);
	assert_int_equal(world->unit.status, SIGKILL);
}

static void what_cannot_be_executed_says_so(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-203", ARGV("/nonexistent"), NULL, 10000);
	wait_done(world);
	assert_int_equal(world->unit.error.result, RESULT_FAILED);
	assert_non_null(strstr(world->unit.error.what, "203"));
	assert_int_equal(world->unit.status, 203);
}

static void a_clone_has_what_the_unit_has(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-clone",
	      ARGV("/bin/sh", "-c",
		   "id -un; id -nG; pwd; umask; echo $FROM_UNIT "
		   "$FROM_FILE; ulimit -n"),
	      "hello.service", 10000);
	wait_done(world);
	assert_true(transient_succeeded(&world->unit));
	assert_string_equal(world->text, "hello\nhello games\n/srv/hello/releases/" NEW
					 "\n0037\nunit file\n777\n");
}

static void a_clone_of_nothing_is_refused(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-none", ARGV("/bin/id"), "no-such.service", 10000);
	wait_done(world);
	assert_int_equal(world->unit.error.result, RESULT_FAILED);
	assert_non_null(strstr(world->unit.error.what, "not-found"));
	assert_string_equal(world->text, "");
}

static void one_that_takes_too_long_is_ended(void **state)
{
	struct world *world = *state;
	uint64_t began = uv_hrtime();

	begin(world, "deployd-live-long",
	      ARGV("/bin/sh", "-c", "echo x; exec tail -f /dev/null"), NULL, 500);
	wait_done(world);
	assert_non_null(strstr(world->unit.error.what, "took longer than 500 ms"));
	assert_string_equal(world->unit.result, "timeout");
	assert_string_equal(world->text, "x\n");
	assert_true(uv_hrtime() - began < 8 * 1000000000ull);
}

static void what_is_cancelled_is_stopped(void **state)
{
	struct world *world = *state;
	struct capture *capture =
		begin(world, "deployd-live-early",
		      ARGV("/bin/sh", "-c", "exec tail -f /dev/null"), NULL, 60000);

	/* At once: not even sent. */
	capture_cancel(capture);
	capture = begin(
		world, "deployd-live-cancel",
		ARGV("/bin/sh", "-c", "echo >/run/live/fifo; exec tail -f /dev/null"),
		NULL, 60000);
	run(world, "read -r x < /run/live/fifo");
	capture_cancel(capture);
	run(world, "timeout 5 sh -c 'while systemctl is-active -q "
		   "deployd-live-cancel-\\*; do :; "
		   "done'");
	assert_false(world->done);
}

static void it_lives_through_reexec_and_reload(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-reexec",
	      ARGV("/bin/sh", "-c",
		   "echo >/run/live/fifo; read -r x </run/live/fifo; "
		   "exit 4"),
	      NULL, 30000);
	run(world, "read -r x < /run/live/fifo");
	run(world, "systemctl daemon-reload; systemctl daemon-reexec");
	reconnect(world);
	run(world, "echo > /run/live/fifo");
	wait_done(world);
	assert_string_equal(world->unit.error.what, "");
	assert_int_equal(world->unit.status, 4);
}

static void it_is_found_again_after_the_bus_broke(void **state)
{
	struct world *world = *state;

	begin(world, "deployd-live-bus",
	      ARGV("/bin/sh", "-c",
		   "echo >/run/live/fifo; read -r x </run/live/fifo; "
		   "exit 5"),
	      NULL, 30000);
	run(world, "read -r x < /run/live/fifo");
	run(world, "systemctl kill -s KILL dbus.service; systemctl stop dbus.service; "
		   "systemctl "
		   "start dbus.socket dbus.service");
	reconnect(world);
	run(world, "echo > /run/live/fifo");
	wait_done(world);
	assert_string_equal(world->unit.error.what, "");
	assert_int_equal(world->unit.status, 5);
}

/* --- watching -----------------------------------------------------------------------
 */

static void on_changed(void *userdata, const struct unit_state *state)
{
	struct world *world = userdata;

	world->state = *state;
	world->done = true;
	uv_stop(&world->loop);
}

static void a_watch_sees_every_change(void **state)
{
	struct world *world = *state;
	struct unit_watch *watch =
		unit_watch_new(world->units, "live-watch.service", on_changed, world);

	wait_done(world);
	assert_string_equal(world->state.active_state, "inactive");
	run(world, "systemctl start live-watch.service");
	while (strcmp(world->state.active_state, "active") != 0)
		wait_done(world);
	unit_watch_refresh(watch);
	wait_done(world);
	run(world, "systemctl kill -s KILL live-watch.service");
	while (strcmp(world->state.active_state, "failed") != 0)
		wait_done(world);
	assert_string_equal(world->state.result, "signal");
	unit_watch_free(watch);
}

/* --- health -------------------------------------------------------------------------
 */

static void on_health(void *userdata, const struct health_outcome *outcome)
{
	struct world *world = userdata;

	world->health = *outcome;
	(void)snprintf(world->output, sizeof(world->output), "%s",
		       outcome->check_output ? outcome->check_output : "");
	world->done = true;
	uv_stop(&world->loop);
}

static void check(struct world *world, const char *app, const char *config,
		  uint64_t stay_ms, uint64_t deadline_ms)
{
	struct app_config *settings = parse(app, config);
	const struct health_options options = {.settings = settings,
					       .stay_ms = stay_ms,
					       .checks = true,
					       .deadline_ms = deadline_ms};

	assert_non_null(health_start(world->units, &options, on_health, world));
	wait_done(world);
	app_config_free(settings);
}

#define CHECKS                                                                         \
	"[health_check web]\ntype = http\nurl = http://127.0.0.1:%s/\nsuccesses = "    \
	"2\ninterval_sec = 100ms\n"                                                    \
	"[health_check port]\ntype = tcp\naddress = 127.0.0.1:%s\n"                    \
	"[health_check command]\ntype = exec\ncommand = /bin/sh -c 'test \"$$(id "     \
	"-un)\" != root && test $FROM_UNIT = unit'\n"

static const char *checks(const char *port)
{
	static char text[2048];

	(void)snprintf(text, sizeof(text), CHECKS, port, port);
	return text;
}

static void a_good_release_is_healthy(void **state)
{
	struct world *world = *state;

	check(world, "hello", checks("8080"), 300, 20000);
	assert_string_equal(world->health.error.what, "");
	assert_true(world->health.healthy);
	assert_true(world->health.healthy_mono_usec <= uv_hrtime() / 1000);
	assert_true(world->health.healthy_mono_usec + 20000000 > uv_hrtime() / 1000);
}

static void checks_reach_a_private_network(void **state)
{
	struct world *world = *state;

	check(world, "hello_private", checks("8081"), 0, 20000);
	assert_string_equal(world->health.error.what, "");
	assert_true(world->health.healthy);
	/* And it is one: the machine's own network does not reach it. */
	check(world, "hello", checks("8081"), 0, 1500);
	assert_false(world->health.healthy);
}

static void a_check_that_fails_is_the_evidence(void **state)
{
	struct world *world = *state;

	check(world, "hello",
	      "[health_check web]\ntype = http\nurl = http://127.0.0.1:8080/\nstatus = "
	      "404\ninterval_sec = 100ms\n",
	      0, 1500);
	assert_false(world->health.healthy);
	print_message("%s\n%s\n", world->health.error.what, world->output);
	assert_non_null(strstr(world->health.error.what, "health check 'web'"));
	assert_non_null(strstr(world->health.error.what, "200"));
	assert_true(strlen(world->output) > 0);

	check(world, "hello",
	      "[health_check command]\ntype = exec\ncommand = /bin/sh -c 'echo why; "
	      "exit "
	      "9'\ninterval_sec = 100ms\n",
	      0, 1500);
	assert_false(world->health.healthy);
	assert_non_null(strstr(world->health.error.what, "exited with status 9"));
	assert_string_equal(world->output, "why\n");
}

static void a_unit_that_dies_fails_at_once(void **state)
{
	struct world *world = *state;
	struct app_config *settings = parse("live-watch", "");
	const struct health_options options = {
		.settings = settings, .stay_ms = 50000, .deadline_ms = 60000};
	uint64_t began = uv_hrtime();

	run(world, "systemctl start live-watch.service");
	assert_non_null(health_start(world->units, &options, on_health, world));
	run(world, "systemctl kill -s KILL live-watch.service");
	wait_done(world);
	assert_false(world->health.healthy);
	assert_non_null(strstr(world->health.error.what, "killed by signal 9"));
	assert_string_equal(world->health.unit_result, "signal");
	assert_true(uv_hrtime() - began < 10 * 1000000000ull);
	app_config_free(settings);
}

static void an_oom_kill_is_seen(void **state)
{
	struct world *world = *state;
	struct app_config *settings = parse("live-oom", "");
	const struct health_options options = {
		.settings = settings, .stay_ms = 20000, .deadline_ms = 30000};

	run(world, "systemctl restart live-oom.service");
	if (system("test -e /sys/fs/cgroup$(systemctl show -P ControlGroup "
		   "live-oom)/memory.events") != 0) {
		print_message("no memory controller here: skipped\n");
		app_config_free(settings);
		skip();
	}
	assert_non_null(health_start(world->units, &options, on_health, world));
	run(world, "echo > /run/live/hog");
	wait_done(world);
	assert_false(world->health.healthy);
	print_message("%s\n", world->health.error.what);
	assert_non_null(strstr(world->health.error.what, "memory"));
	run(world, "systemctl stop live-oom.service");
	app_config_free(settings);
}

/* --- verification
 * --------------------------------------------------------------------------
 */

static void on_verification(void *userdata, const struct verification_outcome *outcome)
{
	struct world *world = userdata;
	cleanup_free char *in_use = json_dumps(outcome->in_use, JSON_COMPACT);

	world->verdict = outcome->verdict;
	(void)snprintf(world->reason, sizeof(world->reason), "%s", outcome->reason);
	(void)snprintf(world->in_use, sizeof(world->in_use), "%s", in_use);
	world->complete = outcome->complete;
	world->done = true;
	uv_stop(&world->loop);
}

static void prove(struct world *world, const char *app, const char *release)
{
	struct app_config *settings = parse(app, "");

	assert_non_null(verification_start(world->units, settings, release,
					   on_verification, world));
	wait_done(world);
	app_config_free(settings);
}

static void the_release_is_verified(void **state)
{
	struct world *world = *state;

	prove(world, "hello", NEW);
	assert_string_equal(world->reason, "");
	assert_int_equal(world->verdict, VERIFICATION_VERIFIED);
	assert_string_equal(world->in_use, "[\"" NEW "\"]");
	assert_true(world->complete);
	prove(world, "hello", OLD);
	assert_int_equal(world->verdict, VERIFICATION_DRIFT);
	assert_non_null(
		strstr(world->reason, "(hello) runs from /srv/hello/releases/"));
}

static void with_capabilities_of_its_own_too(void **state)
{
	struct world *world = *state;

	prove(world, "hello_private", NEW);
	assert_string_equal(world->reason, "");
	assert_int_equal(world->verdict, VERIFICATION_VERIFIED);
}

static void one_that_does_not_run_is_unknown(void **state)
{
	struct world *world = *state;

	run(world, "systemctl stop live-watch.service");
	prove(world, "live-watch", NEW);
	assert_int_equal(world->verdict, VERIFICATION_UNKNOWN);
	assert_true(world->complete);
	/* By hello.service: the whole machine is looked at. */
	assert_string_equal(world->in_use, "[\"" NEW "\"]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_command_runs_as_it_is),
		TEST(the_exit_status_comes_back),
		TEST(what_cannot_be_executed_says_so),
		TEST(a_clone_has_what_the_unit_has),
		TEST(a_clone_of_nothing_is_refused),
		TEST(one_that_takes_too_long_is_ended),
		TEST(what_is_cancelled_is_stopped),
		TEST(it_lives_through_reexec_and_reload),
		TEST(a_watch_sees_every_change),
		TEST(a_good_release_is_healthy),
		TEST(checks_reach_a_private_network),
		TEST(a_check_that_fails_is_the_evidence),
		TEST(a_unit_that_dies_fails_at_once),
		TEST(an_oom_kill_is_seen),
		TEST(the_release_is_verified),
		TEST(with_capabilities_of_its_own_too),
		TEST(one_that_does_not_run_is_unknown),
		TEST(it_is_found_again_after_the_bus_broke),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
