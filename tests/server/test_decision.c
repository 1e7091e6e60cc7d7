/*
 * Decisions, with a journald of the test's own; sessions and deployd-store are
 * stand-ins that write down what they are asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/journal.h"
#include "server/decision.h"
#include "server/session.h"

#define SESSIONS 5

struct client {
	struct session session;
	unsigned int n_held, n_dispatched, n_given_up, n_refused;
	enum deploy_result result;
};

static struct world {
	char directory[64], path[96];
	int journald; /* -1: is not there */
	uv_loop_t loop;
	uv_timer_t tick; /* no turn of the loop waits for ever */
	struct decisions decisions;
	struct client clients[SESSIONS];
	struct store_call *store; /* under way */
	json_t *lines;
	unsigned int n_stored;
	bool store_cannot_start;
} world;

static struct client *client_of(struct session *session)
{
	return (struct client *)session;
}

/* --- stand-ins -------------------------------------------------------------------- */

void session_hold(struct session *session)
{
	client_of(session)->n_held++;
}

void session_dispatch_again(struct session *session)
{
	client_of(session)->n_dispatched++;
	session->decision_written = true;
}

void session_give_up(struct session *session)
{
	client_of(session)->n_given_up++;
}

void session_refuse(struct session *session, enum deploy_result result, const char *fmt,
		    ...)
{
	(void)fmt;
	client_of(session)->n_refused++;
	client_of(session)->result = result;
}

int store_call_start_audit(struct store_call *call, uv_loop_t *loop, json_t *lines,
			   uint64_t timeout_ms)
{
	assert_ptr_equal(loop, &world.loop);
	assert_true(timeout_ms > 0);
	assert_null(world.store);
	json_decref(world.lines);
	world.lines = lines;
	if (world.store_cannot_start)
		return -ENOMEM;
	world.store = call;
	world.n_stored++;
	return 0;
}

static void store_ends(enum deploy_result result)
{
	struct store_call *call = world.store;
	struct errinfo error = {.result = result};

	assert_non_null(call);
	world.store = NULL;
	call->done(call, result, NULL, &error);
}

/* --- the world -------------------------------------------------------------------- */

static void start_journald(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world.path);
	world.journald = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
		bind(world.journald, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.journald = -1;
	(void)strcpy(world.directory, "/tmp/deployd-test-XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	(void)snprintf(world.path, sizeof(world.path), "%s/socket", world.directory);
	start_journald();
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_int_equal(journal_init(&world.loop, world.path), 0);
	(void)uv_timer_init(&world.loop, &world.tick);
	(void)uv_timer_start(&world.tick, on_tick, 20, 20);
	assert_int_equal(decisions_init(&world.decisions, &world.loop), 0);
	for (int i = 0; i < SESSIONS; i++) {
		world.clients[i].session.peer =
			(struct peer){.uid = 1000, .pid = 7, .user = "alice"};
		world.clients[i].session.busy = true;
	}
	return 0;
}

static void stop_journald(void)
{
	if (world.journald >= 0)
		(void)close(world.journald);
	world.journald = -1;
	(void)unlink(world.path);
}

static int tear_down(void **state)
{
	(void)state;
	decisions_close(&world.decisions);
	decisions_close(&world.decisions);
	journal_close();
	uv_close((uv_handle_t *)&world.tick, NULL);
	assert_int_equal(uv_run(&world.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	journal_deinit();
	if (world.store)
		store_ends(RESULT_OK);
	assert_null(world.decisions.first);
	json_decref(world.lines);
	stop_journald();
	(void)rmdir(world.directory);
	return 0;
}

static bool allow(int i)
{
	static const struct decision_subject subject = {
		.what = "restart", .app = "hello", .unit = "hello.service"};

	return decision_allow_change(&world.decisions, &world.clients[i].session,
				     &subject, "allowed by rule 'ship' (a.conf:1)");
}

/* How many entries came. */
static unsigned int drain(void)
{
	char entry[65536];
	unsigned int n = 0;

	for (;;) {
		while (recv(world.journald, entry, sizeof(entry), MSG_DONTWAIT) > 0)
			n++;
		if (!world.decisions.first && n > 0 &&
		    !uv_is_active((uv_handle_t *)&world.decisions.timer))
			return n;
		(void)uv_run(&world.loop, UV_RUN_NOWAIT);
		if (recv(world.journald, entry, sizeof(entry), MSG_DONTWAIT) <= 0)
			return n;
		n++;
	}
}

/* journald stops reading. */
static void fill(void)
{
	while (allow(0))
		;
	assert_int_equal(world.clients[0].n_held, 1);
}

static void run_until_stored(void)
{
	while (!world.store)
		(void)uv_run(&world.loop, UV_RUN_ONCE);
}

static const char *line_text(size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(world.lines, i), key));
}

/* --- cases ------------------------------------------------------------------------ */

static void what_is_taken_waits_for_nothing(void **state)
{
	(void)state;
	assert_true(allow(0));
	assert_int_equal(world.clients[0].n_held, 0);
	assert_int_equal(drain(), 1);
	assert_int_equal(world.n_stored, 0);
}

static void it_goes_on_when_journald_reads(void **state)
{
	(void)state;
	fill();
	assert_false(allow(1));
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.clients[0].n_dispatched, 0);
	while (world.clients[1].n_dispatched == 0)
		(void)drain();
	assert_int_equal(world.clients[0].n_dispatched, 1);
	assert_int_equal(world.clients[1].n_dispatched, 1);
	assert_int_equal(world.n_stored, 0);
	/* The second call of the method records nothing again. */
	(void)drain();
	assert_true(allow(1));
	assert_int_equal(drain(), 0);
}

static void after_a_while_the_file_takes_over(void **state)
{
	uint64_t since;

	(void)state;
	fill();
	since = uv_now(&world.loop);
	run_until_stored();
	assert_true(uv_now(&world.loop) - since >= DECISION_WAIT_MSEC);
	assert_int_equal(json_array_size(world.lines), 1);
	assert_string_equal(line_text(0, "decision"), "allowed");
	assert_string_equal(line_text(0, "kind"), "restart");
	assert_string_equal(line_text(0, "app"), "hello");
	assert_string_equal(line_text(0, "user"), "alice");
	assert_string_equal(line_text(0, "rule"), "allowed by rule 'ship' (a.conf:1)");
	assert_non_null(line_text(0, "time"));
	assert_int_equal(world.clients[0].n_dispatched, 0);
	store_ends(RESULT_OK);
	while (world.clients[0].n_dispatched == 0)
		(void)uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(world.clients[0].n_refused, 0);
	/* journald reads it as well; nobody is told a second time. */
	(void)drain();
	assert_int_equal(world.clients[0].n_dispatched, 1);
}

static void without_a_journald_it_does_at_once(void **state)
{
	(void)state;
	stop_journald();
	assert_false(allow(0));
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_non_null(world.store);
	/* What comes meanwhile shares the next call. */
	assert_false(allow(1));
	assert_false(allow(2));
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_stored, 1);
	store_ends(RESULT_OK);
	run_until_stored();
	assert_int_equal(world.n_stored, 2);
	assert_int_equal(json_array_size(world.lines), 2);
	assert_int_equal(world.clients[0].n_dispatched, 1);
	assert_int_equal(world.clients[1].n_dispatched, 0);
	store_ends(RESULT_OK);
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.clients[1].n_dispatched, 1);
	assert_int_equal(world.clients[2].n_dispatched, 1);
}

static void without_a_file_it_is_refused(void **state)
{
	(void)state;
	stop_journald();
	assert_false(allow(0));
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	store_ends(RESULT_NO_SPACE);
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.clients[0].n_dispatched, 0);
	assert_int_equal(world.clients[0].n_refused, 1);
	assert_int_equal(world.clients[0].result, RESULT_FAILED);
	assert_int_equal(world.clients[0].n_given_up, 1);
	world.store_cannot_start = true;
	assert_false(allow(1));
	while (world.clients[1].n_refused == 0)
		(void)uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(world.clients[1].n_dispatched, 0);
}

static void journald_dies_while_it_waits(void **state)
{
	(void)state;
	fill();
	stop_journald();
	run_until_stored();
	store_ends(RESULT_OK);
	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.clients[0].n_dispatched, 1);
}

/* deployd ends: held requests are let go of, whatever they wait for. */
static void the_end_waits_for_nothing(void **state)
{
	(void)state;
	fill();
	run_until_stored();
	assert_false(allow(1));
	decisions_close(&world.decisions);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world.clients[i].n_given_up, 1);
		assert_int_equal(world.clients[i].n_dispatched, 0);
	}
}

static void a_denial_waits_for_nothing(void **state)
{
	static const struct decision_subject subject = {.what = "restart",
							.app = "hello"};

	(void)state;
	fill();
	for (int i = 0; i < 1000; i++)
		decision_deny(&world.clients[1].session, &subject, "no rule allows it");
	decision_allow_read(&world.clients[1].session, &subject, "allowed");
	assert_int_equal(world.clients[1].n_held, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_taken_waits_for_nothing),
		TEST(it_goes_on_when_journald_reads),
		TEST(after_a_while_the_file_takes_over),
		TEST(without_a_journald_it_does_at_once),
		TEST(without_a_file_it_is_refused),
		TEST(journald_dies_while_it_waits),
		TEST(the_end_waits_for_nothing),
		TEST(a_denial_waits_for_nothing),
	};

	return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}
