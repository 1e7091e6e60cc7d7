/* deployd-session and its client: framing, fds, answers. */
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

static void a_call_goes_up_and_its_answer_down(void **state)
{
	struct world world;
	json_t *word, *call;

	(void)state;
	world_begin(&world);
	client_call(&world, METHOD, false);
	word = expect_word(&world, "request");
	call = json_object_get(word, "call");
	assert_string_equal(text_of(call, "method"), METHOD);
	json_decref(word);
	answer(&world, 1, 7);
	client_expect_answer(&world, 7);

	client_call(&world, METHOD, false);
	expect_request(&world, 2, 0);
	say(&world,
	    json_pack("{s:s, s:i, s:s, s:{s:s}}", "type", "reply", "request", 2,
		      "error", "io.deployd.Busy", "parameters", "message", "x"));
	word = client_expect(&world);
	assert_string_equal(text_of(word, "error"), "io.deployd.Busy");
	json_decref(word);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	expect_end(&world);
	assert_ended(&world);
}

static void a_call_may_be_cut_anywhere(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\",\"parameters\":{}}";
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;
	json_int_t number = 0;

	(void)state;
	world_begin(&world);
	for (size_t cut = 0; cut <= sizeof(call); cut++) {
		/* The fd comes with the second part; the first is read before that. */
		if (cut > 0)
			client_send(&world, call, cut, NULL, 0);
		if (cut < sizeof(call)) {
			assert_true(nothing_comes_up(&world));
			client_send(&world, call + cut, sizeof(call) - cut, &null_fd,
				    1);
		}
		expect_request(&world, ++number, cut < sizeof(call) ? 1 : 0);
		answer(&world, number, number);
		client_expect_answer(&world, number);
	}
	for (size_t i = 0; i < sizeof(call); i++)
		client_send(&world, call + i, 1, NULL, 0);
	expect_request(&world, ++number, 0);
	(void)close(null_fd);
	(void)world_end(&world);
}

static void words_may_be_cut_anywhere(void **state)
{
	static const char ping[] = "{\"type\":\"ping\",\"number\":77}";
	struct world world;
	json_t *word;

	(void)state;
	world_start(&world);
	for (size_t cut = 1; cut < sizeof(ping); cut++) {
		assert_int_equal(write(world.words_fd, ping, cut), cut);
		assert_int_equal(write(world.words_fd, ping + cut, sizeof(ping) - cut),
				 sizeof(ping) - cut);
		word = expect_word(&world, "pong");
		assert_int_equal(number_of(word, "number"), 77);
		json_decref(word);
	}
	assert_ended(&world);
}

static void the_word_may_come_before_its_fd_or_after(void **state)
{
	struct world world;
	int ends[2];

	(void)state;
	for (int fd_first = 0; fd_first < 2; fd_first++) {
		world_start(&world);
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		world.client_fd = ends[0];
		if (fd_first)
			send_fd(&world, ends[1]);
		else
			assert_true(nothing_comes_up(&world));
		say(&world,
		    json_pack("{s:s, s:i, s:n}", "type", "connection",
			      "requestTimeoutMs", REQUEST_TIMEOUT_MSEC, "refuse"));
		if (!fd_first)
			send_fd(&world, ends[1]);
		(void)close(ends[1]);
		skip_word(&world, "taken");
		assert_true(nothing_comes_up(&world));
		assert_ended(&world);
	}
}

static void one_call_at_a_time_goes_up(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	for (int i = 0; i < 25; i++)
		client_call(&world, METHOD, false);
	assert_int_equal(shutdown(world.client_fd, SHUT_WR), 0);
	for (json_int_t i = 1; i <= 25; i++) {
		expect_request(&world, i, 0);
		assert_true(nothing_comes_up(&world));
		answer(&world, i, i);
	}
	for (json_int_t i = 1; i <= 25; i++)
		client_expect_answer(&world, i);
	client_expect_end(&world);
	skip_word(&world, "gone");
	expect_end(&world);
	assert_ended(&world);
}

static void half_closed_client_gets_a_long_answer_whole(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_call(&world, METHOD, false);
	assert_int_equal(shutdown(world.client_fd, SHUT_WR), 0);
	expect_request(&world, 1, 0);
	assert_true(nothing_comes_up(&world));
	answer_big(&world, 1, 505000);
	assert_true(nothing_comes_up(&world)); /* it waits for the client */
	client_expect_big(&world, 505000);
	client_expect_end(&world);
	skip_word(&world, "gone");
	expect_end(&world);
	assert_ended(&world);
}

static void what_is_not_read_holds_up_the_next_call(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	for (int i = 0; i < 3; i++)
		client_call(&world, METHOD, false);
	expect_request(&world, 1, 0);
	answer_big(&world, 1, 1000000);
	assert_true(nothing_comes_up(&world));
	client_expect_big(&world, 1000000);
	expect_request(&world, 2, 0);
	(void)world_end(&world);
}

static void client_that_reads_nothing_is_closed(void **state)
{
	struct world world;

	(void)state;
	world_start(&world);
	world_prepare(&world);
	client_call(&world, METHOD, false);
	world_connect(&world, 200, NULL);
	expect_request(&world, 1, 0);
	answer_big(&world, 1, 1000000);
	expect_trouble(&world, SESSION_TROUBLE_STALLED);
	expect_end(&world);
	assert_ended(&world);
}

static void client_that_asks_nothing_is_closed(void **state)
{
	struct world world;

	(void)state;
	world_start(&world);
	world_connect(&world, 100, NULL);
	client_send(&world, "{\"method\"", 9, NULL, 0);
	expect_trouble(&world, SESSION_TROUBLE_TIMEOUT);
	client_expect_end(&world);
	expect_end(&world);
	assert_ended(&world);
}

static void request_under_way_has_no_timeout(void **state)
{
	struct world world;
	struct pollfd p;

	(void)state;
	world_start(&world);
	world_prepare(&world);
	client_call(&world, METHOD, true);
	world_connect(&world, 200, NULL);
	expect_request(&world, 1, 0);
	p = (struct pollfd){.fd = world.report_fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 600), 0);
	answer(&world, 1, 3);
	client_expect_answer(&world, 3);
	expect_trouble(&world, SESSION_TROUBLE_TIMEOUT);
	(void)world_end(&world);
}

static void progress_is_left_out_but_no_answer(void **state)
{
	struct world world;
	json_t *message;
	unsigned int n = 0;
	char *text = malloc(10000);

	(void)state;
	assert_non_null(text);
	memset(text, 'p', 10000);
	world_begin(&world);
	client_call(&world, METHOD, true);
	expect_request(&world, 1, 0);
	for (int i = 0; i < 200; i++)
		say(&world, json_pack("{s:s, s:i, s:b, s:{s:s%}}", "type", "reply",
				      "request", 1, "continues", 1, "parameters",
				      "text", text, (size_t)10000));
	assert_true(nothing_comes_up(&world));
	answer(&world, 1, 9);
	while ((message = client_expect(&world)) &&
	       json_is_true(json_object_get(message, "continues"))) {
		n++;
		json_decref(message);
	}
	/* What the socket holds, and SESSION_OUTPUT_BYTES_MAX. */
	assert_in_range(n, 20, 150);
	assert_int_equal(number_of(json_object_get(message, "parameters"), "n"), 9);
	json_decref(message);
	free(text);
	(void)world_end(&world);
}

static void progress_is_for_those_who_asked(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_call(&world, METHOD, false);
	expect_request(&world, 1, 0);
	say(&world, json_pack("{s:s, s:i, s:b, s:{}}", "type", "reply", "request", 1,
			      "continues", 1, "parameters"));
	answer(&world, 1, 5);
	client_expect_answer(&world, 5);
	(void)world_end(&world);
}

static void oneway_has_no_answer(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\",\"oneway\":true}";
	struct world world;

	(void)state;
	world_begin(&world);
	client_send(&world, call, sizeof(call), NULL, 0);
	expect_request(&world, 1, 0);
	answer(&world, 1, 1);
	client_call(&world, METHOD, false);
	expect_request(&world, 2, 0);
	answer(&world, 2, 2);
	client_expect_answer(&world, 2);
	(void)world_end(&world);
}

static void late_answers_are_no_fault(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	answer(&world, 1, 1);
	client_call(&world, METHOD, false);
	expect_request(&world, 1, 0);
	answer(&world, 2, 2);
	answer(&world, 1, 3);
	answer(&world, 1, 4);
	client_expect_answer(&world, 3);
	client_call(&world, METHOD, false);
	expect_request(&world, 2, 0);
	answer(&world, 1, 4);
	answer(&world, 2, 5);
	client_expect_answer(&world, 5);
	(void)world_end(&world);
}

static void fds_come_with_their_message(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\"}";
	int fds[SESSION_FDS_MAX];
	struct world world;

	(void)state;
	for (size_t i = 0; i < SESSION_FDS_MAX; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	world_begin(&world);
	client_send(&world, call, sizeof(call), NULL, 0);
	client_send(&world, call, sizeof(call), fds, 1);
	client_send(&world, call, sizeof(call), NULL, 0);
	client_send(&world, call, sizeof(call), fds, SESSION_FDS_MAX);
	/* Of a message in two parts, some fds with each. */
	client_send(&world, call, 5, fds, 3);
	client_send(&world, call + 5, sizeof(call) - 5, fds, 2);
	for (json_int_t i = 1; i <= 5; i++) {
		static const int expected[] = {0, 0, 1, 0, SESSION_FDS_MAX, 5};

		expect_request(&world, i, expected[i]);
		answer(&world, i, i);
		client_expect_answer(&world, i);
	}
	/* They are closed again: hundreds of them pass through. */
	for (json_int_t i = 6; i < 60; i++) {
		client_send(&world, call, sizeof(call), fds, SESSION_FDS_MAX);
		expect_request(&world, i, SESSION_FDS_MAX);
		answer(&world, i, i);
	}
	for (size_t i = 0; i < SESSION_FDS_MAX; i++)
		(void)close(fds[i]);
	(void)world_end(&world);
}

static void too_many_fds_are_refused(void **state)
{
	static const char call[] = "{\"method\":\"" METHOD "\"}";
	int fds[32];
	struct world world;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (size_t n = SESSION_FDS_MAX + 1; n <= 32; n += 5) {
		world_begin(&world);
		client_send(&world, call, sizeof(call), fds, n);
		expect_trouble(&world, SESSION_TROUBLE_TOO_LARGE);
		client_expect_end(&world);
		expect_end(&world);
		assert_ended(&world);
	}
	/* A few with each byte of one message. */
	world_begin(&world);
	for (size_t i = 0; i < 3; i++)
		client_send(&world, call + i, 1, fds, 4);
	expect_trouble(&world, SESSION_TROUBLE_TOO_LARGE);
	assert_ended(&world);
	for (size_t i = 0; i < 32; i++)
		(void)close(fds[i]);
}

static void what_is_not_a_call_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"nonsense",
		"{\"method\":1}",
		"{\"method\":\"x\"}",
		"{\"method\":\"a.B\",\"other\":1}",
		"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}",
		"{\"method\":\"a.B\",\"method\":\"a.B\"}",
		"{\"method\":\"a.B\",\"parameters\":[]}",
		/* one level of nesting more than fits into a word */
		("{\"method\":\"a.B\",\"parameters\":{\"x\":"
		 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}"),
	};
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		world_begin(&world);
		client_send(&world, texts[i], strlen(texts[i]) + 1, NULL, 0);
		expect_trouble(&world, SESSION_TROUBLE_MALFORMED);
		client_expect_end(&world);
		expect_end(&world);
		assert_ended(&world);
	}
}

static void answers_before_the_malformed_call_are_whole(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_call(&world, METHOD, false);
	client_send(&world, "x", 2, NULL, 0);
	expect_request(&world, 1, 0);
	answer_big(&world, 1, 500000);
	client_expect_big(&world, 500000);
	expect_trouble(&world, SESSION_TROUBLE_MALFORMED);
	client_expect_end(&world);
	assert_ended(&world);
}

static void too_long_a_call_is_refused(void **state)
{
	size_t length = VARLINK_MESSAGE_BYTES_MAX + 100;
	char *text = malloc(length);
	struct world world;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', length);
	world_begin(&world);
	client_send(&world, text, length, NULL, 0);
	expect_trouble(&world, SESSION_TROUBLE_TOO_LARGE);
	expect_end(&world);
	assert_ended(&world);
	free(text);
}

/* 0.1 is 0.10000000000000001 when it is written again. */
static void call_that_grows_is_refused(void **state)
{
	static const char head[] = "{\"method\":\"a.B\",\"parameters\":{\"x\":[0.1",
			  tail[] = "]}}";
	size_t length = 900000, at = sizeof(head) - 1;
	char *text = malloc(length + sizeof(tail));
	struct world world;

	(void)state;
	assert_non_null(text);
	memcpy(text, head, at);
	for (; at + 4 < length; at += 4)
		memcpy(text + at, ",0.1", 4);
	memcpy(text + at, tail, sizeof(tail));
	world_begin(&world);
	client_send(&world, text, at + sizeof(tail), NULL, 0);
	expect_trouble(&world, SESSION_TROUBLE_TOO_LARGE);
	expect_end(&world);
	assert_ended(&world);
	free(text);
}

static void refused_client_is_told_at_once(void **state)
{
	struct world world;
	json_t *message;

	(void)state;
	world_start(&world);
	world_connect(&world, REQUEST_TIMEOUT_MSEC,
		      json_pack("{s:s, s:{s:s}}", "error", "io.deployd.Busy",
				"parameters", "message", "too many"));
	message = client_expect(&world);
	assert_string_equal(text_of(message, "error"), "io.deployd.Busy");
	assert_string_equal(text_of(json_object_get(message, "parameters"), "message"),
			    "too many");
	json_decref(message);
	client_expect_end(&world);
	expect_end(&world);
	assert_ended(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_up_and_its_answer_down),
		cmocka_unit_test(a_call_may_be_cut_anywhere),
		cmocka_unit_test(words_may_be_cut_anywhere),
		cmocka_unit_test(the_word_may_come_before_its_fd_or_after),
		cmocka_unit_test(one_call_at_a_time_goes_up),
		cmocka_unit_test(half_closed_client_gets_a_long_answer_whole),
		cmocka_unit_test(what_is_not_read_holds_up_the_next_call),
		cmocka_unit_test(client_that_reads_nothing_is_closed),
		cmocka_unit_test(client_that_asks_nothing_is_closed),
		cmocka_unit_test(request_under_way_has_no_timeout),
		cmocka_unit_test(progress_is_left_out_but_no_answer),
		cmocka_unit_test(progress_is_for_those_who_asked),
		cmocka_unit_test(oneway_has_no_answer),
		cmocka_unit_test(late_answers_are_no_fault),
		cmocka_unit_test(fds_come_with_their_message),
		cmocka_unit_test(too_many_fds_are_refused),
		cmocka_unit_test(what_is_not_a_call_is_refused),
		cmocka_unit_test(answers_before_the_malformed_call_are_whole),
		cmocka_unit_test(too_long_a_call_is_refused),
		cmocka_unit_test(call_that_grows_is_refused),
		cmocka_unit_test(refused_client_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
