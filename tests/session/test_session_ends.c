/* How a deployd-session ends: its client goes, deployd goes, or says nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/session_protocol.h"
#include "world.h"

#define METHOD "io.deployd.List"

static void client_that_hangs_up_is_reported(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\"}";
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;

	(void)state;
	/* at once, in the middle of a call, and with a request under way */
	for (int i = 0; i < 3; i++) {
		world_begin(&world);
		if (i == 1)
			client_send(&world, call, 5, &null_fd, 1);
		if (i == 2) {
			client_call(&world, METHOD, false);
			expect_request(&world, 1, 0);
		}
		(void)close(world.client_fd);
		world.client_fd = -1;
		skip_word(&world, "gone");
		expect_end(&world);
		assert_ended(&world);
	}
	/* What it sent before it hung up is a request all the same. */
	world_begin(&world);
	client_call(&world, METHOD, false);
	(void)close(world.client_fd);
	world.client_fd = -1;
	expect_request(&world, 1, 0);
	skip_word(&world, "gone");
	expect_end(&world);
	assert_ended(&world);
	(void)close(null_fd);
}

static void gone_client_s_fds_stay_until_its_request_ends(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\"}";
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;

	(void)state;
	for (int i = 0; i < 3; i++) {
		world_begin(&world);
		client_send(&world, call, sizeof(call), &null_fd, 1);
		(void)close(world.client_fd);
		world.client_fd = -1;
		expect_request(&world, 1, 1);
		skip_word(&world, "gone");
		assert_true(nothing_comes_up(&world));
		if (i == 0)
			answer(&world, 1, 1);
		else
			say(&world,
			    json_pack("{s:s}", "type", i == 1 ? "drop" : "close"));
		expect_end(&world);
		assert_ended(&world);
	}
	(void)close(null_fd);
}

/* deployd forgets about it: no session stays for ever. */
static void gone_client_s_fds_stay_for_some_time(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\"}";
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;

	(void)state;
	world_start(&world);
	world_prepare(&world);
	client_send(&world, call, sizeof(call), &null_fd, 1);
	world_connect(&world, 200, NULL);
	expect_request(&world, 1, 1);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	expect_end(&world);
	(void)close(null_fd);
	assert_ended(&world);
}

static void deployd_closes(void **state)
{
	struct world world;

	(void)state;
	world_start(&world);
	say(&world, json_pack("{s:s}", "type", "close"));
	expect_end(&world);
	assert_ended(&world);

	world_begin(&world);
	client_call(&world, METHOD, false);
	expect_request(&world, 1, 0);
	answer_big(&world, 1, 600000);
	say(&world, json_pack("{s:s}", "type", "close"));
	client_expect_big(&world, 600000);
	client_expect_end(&world);
	expect_end(&world);
	assert_ended(&world);
}

static void deployd_goes_without_a_client(void **state)
{
	struct world world;

	(void)state;
	for (int report_too = 0; report_too < 2; report_too++) {
		world_start(&world);
		close_channel(&world, report_too);
		assert_ended(&world);
		world_begin(&world);
		close_channel(&world, report_too);
		client_expect_end(&world);
		assert_ended(&world);
	}
}

static void deployd_goes_with_a_request_under_way(void **state)
{
	struct world world;
	json_t *message;

	(void)state;
	for (int report_too = 0; report_too < 2; report_too++) {
		world_begin(&world);
		client_call(&world, METHOD, false);
		expect_request(&world, 1, 0);
		close_channel(&world, report_too);
		message = client_expect(&world);
		assert_string_equal(text_of(message, "error"), "io.deployd.Failed");
		assert_string_equal(
			text_of(json_object_get(message, "parameters"), "message"),
			"deployd was restarted; see `deployctl jobs`");
		json_decref(message);
		client_expect_end(&world);
		assert_ended(&world);
	}
}

/* The answer and the end of both pipes are there at once. */
static void last_answer_of_deployd_is_heard(void **state)
{
	struct world world;

	(void)state;
	for (int i = 0; i < 20; i++) {
		world_begin(&world);
		client_call(&world, METHOD, false);
		expect_request(&world, 1, 0);
		answer_big(&world, 1, 700000);
		close_channel(&world, true);
		client_expect_big(&world, 700000);
		client_expect_end(&world);
		assert_ended(&world);
	}
}

static void nobody_reads_and_deployd_goes(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_call(&world, METHOD, false);
	expect_request(&world, 1, 0);
	answer_big(&world, 1, 700000);
	assert_true(nothing_comes_up(&world));
	close_channel(&world, true);
	/* Without a client that reads it ends all the same. */
	assert_int_equal(waitpid(world.pid, NULL, 0), world.pid);
	(void)close(world.client_fd);
	(void)close(world.fds_fd);
	varlink_buffer_deinit(&world.up);
}

static void nonsense_of_deployd_ends_the_session(void **state)
{
	static const char *const texts[] = {
		"x",
		"{}",
		"{\"type\":\"surprise\"}",
		"{\"type\":\"ping\"}",
		"{\"type\":\"reply\"}",
		"{\"type\":\"reply\",\"request\":-1}",
		"{\"type\":\"reply\",\"request\":1,\"parameters\":[]}",
		"{\"type\":\"archive\",\"request\":1}",
		"{\"type\":\"archive\",\"index\":0}",
		"{\"type\":\"drop\",\"type\":\"drop\"}",
	};
	struct world world;
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		world_begin(&world);
		assert_int_equal(write(world.words_fd, texts[i], strlen(texts[i]) + 1),
				 strlen(texts[i]) + 1);
		expect_end(&world);
		client_expect_end(&world);
		status = world_end(&world);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	}
}

static void second_connection_is_nonsense(void **state)
{
	struct world world;
	int ends[2];

	(void)state;
	world_begin(&world);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	say_fd(&world,
	       json_pack("{s:s, s:i}", "type", "connection", "requestTimeoutMs", 1000),
	       ends[1]);
	expect_end(&world);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client_that_hangs_up_is_reported),
		cmocka_unit_test(gone_client_s_fds_stay_until_its_request_ends),
		cmocka_unit_test(gone_client_s_fds_stay_for_some_time),
		cmocka_unit_test(deployd_closes),
		cmocka_unit_test(deployd_goes_without_a_client),
		cmocka_unit_test(deployd_goes_with_a_request_under_way),
		cmocka_unit_test(last_answer_of_deployd_is_heard),
		cmocka_unit_test(nobody_reads_and_deployd_goes),
		cmocka_unit_test(nonsense_of_deployd_ends_the_session),
		cmocka_unit_test(second_connection_is_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
