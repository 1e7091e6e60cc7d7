/* Real processes, good and bad: each ends in one on_done that says how it went. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"

#define LONG_MSEC  30000
#define SHORT_MSEC 100

struct world {
	uv_loop_t loop;
	struct child child;
	unsigned int done, progress;
	bool kill_on_progress;
	enum deploy_result result;
	struct errinfo error;
	json_int_t sum;
	char got[256];
	bool environment;
};

static void on_progress(struct child *child, const json_t *progress)
{
	struct world *world = child->userdata;

	(void)progress;
	world->progress++;
	if (world->kill_on_progress)
		child_kill(child);
}

static void on_done(struct child *child)
{
	struct world *world = child->userdata;
	const json_t *reply = NULL;
	const char *got;

	world->done++;
	memset(&world->error, 0, sizeof(world->error));
	world->result = child_outcome(child, &reply, &world->error);
	world->sum = json_integer_value(json_object_get(reply, "sum"));
	got = json_string_value(json_object_get(reply, "got"));
	(void)snprintf(world->got, sizeof(world->got), "%s", got ? got : "");
	world->environment = json_is_true(json_object_get(reply, "environment"));
	child_deinit(child);
}

static int setup(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));

	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	world->child.userdata = world;
	world->child.on_progress = on_progress;
	world->child.on_done = on_done;
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	assert_int_equal(uv_loop_close(&world->loop), 0);
	test_free(world);
	return 0;
}

static void start(struct world *world, const char *program, const char *what,
		  char *request, uint64_t timeout_ms)
{
	const char *argv[] = {program, what, NULL};
	struct child_options options = {.argv = argv,
					.fd0 = -1,
					.fd1 = -1,
					.request = request,
					.timeout_ms = timeout_ms};

	assert_int_equal(child_start(&world->child, &world->loop, &options), 0);
	assert_int_equal(world->done, 0); /* never from within child_start */
}

/* Until nothing is left on the loop; what is left over would make it hang here. */
static void run(struct world *world)
{
	assert_int_equal(uv_run(&world->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(world->done, 1);
}

static void result_and_progress_arrive(void **state)
{
	struct world *world = *state;

	start(world, REPORT_CHILD, "ok", NULL, LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_OK);
	assert_int_equal(world->sum, 3);
	assert_int_equal(world->progress, 2);
}

static void request_arrives_environment_does_not(void **state)
{
	struct world *world = *state;

	start(world, REPORT_CHILD, "echo", strdup("a request"), LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_OK);
	assert_string_equal(world->got, "a request");
	assert_false(world->environment);
}

static void can_be_used_again(void **state)
{
	struct world *world = *state;

	start(world, REPORT_CHILD, "ok", NULL, LONG_MSEC);
	run(world);
	world->done = 0;
	start(world, REPORT_CHILD, "refuse", NULL, LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_REJECTED);
}

static void refusal_keeps_its_reason_without_its_escapes(void **state)
{
	struct world *world = *state;

	start(world, REPORT_CHILD, "refuse", NULL, LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_REJECTED);
	assert_string_equal(world->error.what, "no ?[31mgood??");
}

static void fails_with(struct world *world, const char *what, uint64_t timeout_ms,
		       const char *words)
{
	start(world, REPORT_CHILD, what, NULL, timeout_ms);
	run(world);
	assert_int_equal(world->result, RESULT_FAILED);
	if (!strstr(world->error.what, words))
		fail_msg("'%s' is not in '%s'", words, world->error.what);
}

static void exit_without_result_fails(void **state)
{
	fails_with(*state, "exit-2", LONG_MSEC, "exit status 2");
}

static void ok_with_a_bad_exit_fails(void **state)
{
	fails_with(*state, "ok-then-exit-2", LONG_MSEC, "said ok, but then");
}

static void killed_child_fails(void **state)
{
	fails_with(*state, "kill", LONG_MSEC, "signal 9");
}

static void deadline_kills(void **state)
{
	fails_with(*state, "hang", SHORT_MSEC, "took longer than");
}

static void garbage_kills(void **state)
{
	fails_with(*state, "garbage", LONG_MSEC, "not a report");
}

static void what_is_no_object_fails(void **state)
{
	fails_with(*state, "array", LONG_MSEC, "not a report");
}

static void unended_line_fails(void **state)
{
	fails_with(*state, "unended", LONG_MSEC, "not a report");
}

static void second_result_fails(void **state)
{
	fails_with(*state, "twice", LONG_MSEC, "not a report");
}

static void unknown_result_fails(void **state)
{
	fails_with(*state, "unknown-result", LONG_MSEC, "result that is none");
}

static void endless_line_kills(void **state)
{
	fails_with(*state, "too-long", LONG_MSEC, "not a report");
}

static void missing_program_is_an_ordinary_end(void **state)
{
	struct world *world = *state;

	start(world, "/nonexistent/helper", "ok", strdup("unread"), LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_FAILED);
	assert_non_null(strstr(world->error.what, "cannot start helper"));
}

static void kill_from_its_own_callback_ends_it(void **state)
{
	struct world *world = *state;

	world->kill_on_progress = true;
	fails_with(world, "hang", LONG_MSEC, "signal 9");
	child_kill(&world->child); /* harmless */
}

static void unread_request_does_not_matter(void **state)
{
	struct world *world = *state;
	size_t size = 1u << 20; /* more than a pipe holds */
	char *request = malloc(size);

	assert_non_null(request);
	memset(request, 'x', size - 1);
	request[size - 1] = '\0';
	start(world, REPORT_CHILD, "ok", request, LONG_MSEC);
	run(world);
	assert_int_equal(world->result, RESULT_OK);
}

/* Exit comes, end of report does not: the deadline must end that, too. */
static void heir_that_holds_the_report_is_left_behind(void **state)
{
	struct world *world = *state;
	const char *argv[] = {REPORT_CHILD, "heir", NULL};
	struct child_options options = {
		.argv = argv, .fd1 = -1, .timeout_ms = SHORT_MSEC};
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	options.fd0 = fds[0];
	assert_int_equal(child_start(&world->child, &world->loop, &options), 0);
	(void)close(fds[0]);
	run(world);
	assert_int_equal(world->result, RESULT_FAILED);
	(void)close(fds[1]); /* the heir ends */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(result_and_progress_arrive),
		TEST(request_arrives_environment_does_not),
		TEST(can_be_used_again),
		TEST(refusal_keeps_its_reason_without_its_escapes),
		TEST(exit_without_result_fails),
		TEST(ok_with_a_bad_exit_fails),
		TEST(killed_child_fails),
		TEST(deadline_kills),
		TEST(garbage_kills),
		TEST(what_is_no_object_fails),
		TEST(unended_line_fails),
		TEST(second_result_fails),
		TEST(unknown_result_fails),
		TEST(endless_line_kills),
		TEST(missing_program_is_an_ordinary_end),
		TEST(kill_from_its_own_callback_ends_it),
		TEST(unread_request_does_not_matter),
		TEST(heir_that_holds_the_report_is_left_behind),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
