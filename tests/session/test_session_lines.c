/* deployd-session and the log lines. */
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

static int begin_lines(struct world *world, int timeout_ms)
{
	int ends[2];

	world_start(world);
	world_prepare(world);
	client_call(world, "io.deployd.Logs", true);
	world_connect(world, timeout_ms, NULL);
	expect_request(world, 1, 0);
	make_pipe(ends);
	say_fd(world, json_pack("{s:s, s:i}", "type", "lines", "request", 1), ends[0]);
	(void)close(ends[0]);
	return ends[1];
}

/* Takes replies until so many lines came, and joins them with '|'. */
static void expect_lines(struct world *world, const char *joined)
{
	char got[1024] = "";

	while (strlen(got) < strlen(joined)) {
		json_t *message = client_expect(world);
		const json_t *lines = json_object_get(
			json_object_get(message, "parameters"), "lines");

		assert_true(json_is_true(json_object_get(message, "continues")));
		for (size_t i = 0; i < json_array_size(lines); i++) {
			assert_true(strlen(got) < 900);
			(void)strcat(strcat(got, json_string_value(
							 json_array_get(lines, i))),
				     "|");
		}
		json_decref(message);
	}
	assert_string_equal(got, joined);
}

static void write_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void lines_go_to_the_client_as_they_come(void **state)
{
	struct world world;
	json_t *word;
	int fd;

	(void)state;
	fd = begin_lines(&world, REQUEST_TIMEOUT_MSEC);
	write_text(fd, "one\ntwo\nth");
	expect_lines(&world, "one|two|");
	write_text(fd, "ree\n\n");
	expect_lines(&world, "three||");
	assert_int_equal(write(fd, "a\0b\xff\xc3\xa9\n", 7), 7);
	expect_lines(&world, "a\xef\xbf\xbd"
			     "b\xef\xbf\xbd\xc3\xa9|");
	assert_true(nothing_comes_up(&world));
	write_text(fd, "no newline");
	(void)close(fd);
	expect_lines(&world, "no newline|");
	word = expect_word(&world, "lines-end");
	assert_int_equal(number_of(word, "request"), 1);
	json_decref(word);
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	assert_ended(&world);
}

static void long_line_comes_in_pieces(void **state)
{
	size_t length = 200001, got = 0;
	char *text = malloc(length + 1);
	struct world world;
	pid_t writer;
	int fd;

	(void)state;
	assert_non_null(text);
	/* An odd byte, then two-byte characters: some cut would split one. */
	text[0] = 'x';
	for (size_t i = 1; i < length; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[length] = '\n';
	fd = begin_lines(&world, REQUEST_TIMEOUT_MSEC);
	writer = fork();
	assert_true(writer >= 0);
	if (writer == 0)
		_exit(write(fd, text, length + 1) == (ssize_t)length + 1 ? 0 : 1);
	(void)close(fd);
	while (got < length) {
		json_t *message = client_expect(&world);
		const json_t *lines = json_object_get(
			json_object_get(message, "parameters"), "lines");

		for (size_t i = 0; i < json_array_size(lines); i++) {
			const json_t *line = json_array_get(lines, i);
			size_t n = json_string_length(line);

			assert_true(got + n <= length);
			assert_memory_equal(json_string_value(line), text + got, n);
			got += n;
		}
		json_decref(message);
	}
	skip_word(&world, "lines-end");
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	free(text);
	assert_ended(&world);
}

static void client_sets_the_pace_of_lines(void **state)
{
	static char text[4096];
	struct world world;
	struct pollfd p;
	size_t sent = 0, got = 0;
	int fd;

	(void)state;
	memset(text, 'l', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\n';
	/* No timeout of the session either, however short. */
	fd = begin_lines(&world, 200);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	p = (struct pollfd){.fd = fd, .events = POLLOUT};
	while (poll(&p, 1, 300) == 1) {
		ssize_t n = write(fd, text + sent % sizeof(text),
				  sizeof(text) - sent % sizeof(text));

		assert_true(n > 0);
		sent += (size_t)n;
		assert_true(sent < 8u << 20);
	}
	assert_true(nothing_comes_up(&world));
	(void)close(fd);
	while (got < sent / sizeof(text)) {
		json_t *message = client_expect(&world);

		got += json_array_size(json_object_get(
			json_object_get(message, "parameters"), "lines"));
		json_decref(message);
	}
	skip_word(&world, "lines-end");
	(void)world_end(&world);
}

static void lines_end_when_the_client_goes(void **state)
{
	struct world world;
	struct pollfd p;
	int fd;

	(void)state;
	fd = begin_lines(&world, REQUEST_TIMEOUT_MSEC);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	p = (struct pollfd){.fd = fd, .events = 0};
	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_true(p.revents & POLLERR);
	(void)close(fd);
	expect_end(&world);
	assert_ended(&world);
}

static void deployd_goes_while_lines_come(void **state)
{
	struct world world;
	json_t *message;
	int fd;

	(void)state;
	fd = begin_lines(&world, REQUEST_TIMEOUT_MSEC);
	write_text(fd, "one\n");
	expect_lines(&world, "one|");
	(void)close(world.words_fd);
	world.words_fd = -1;
	message = client_expect(&world);
	assert_string_equal(text_of(message, "error"), "io.deployd.Failed");
	json_decref(message);
	client_expect_end(&world);
	(void)close(fd);
	assert_ended(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_go_to_the_client_as_they_come),
		cmocka_unit_test(long_line_comes_in_pieces),
		cmocka_unit_test(client_sets_the_pace_of_lines),
		cmocka_unit_test(lines_end_when_the_client_goes),
		cmocka_unit_test(deployd_goes_while_lines_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
