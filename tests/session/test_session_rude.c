/*
 * deployd-session between a client and a deployd that keep to nothing: noise, wrong
 * numbers, words and calls that are too long, pipes that nobody reads. It ends or goes
 * on, but is never killed by a signal, and answers a ping as long as it goes on.
 */
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/session_protocol.h"
#include "world.h"

#define CALL "{\"method\":\"a.B\",\"parameters\":{\"x\":[1,\"y\"]},\"more\":true}"

#define N_NOISES 150

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

/* Changes, repeats or leaves out some bytes of text; the length that it has then. */
static size_t spoil(const char *text, size_t length, char *ret_text)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++) {
		switch (random_below(120)) {
		case 0:
			ret_text[n++] = (char)random_below(256);
			break;
		case 1:
			break;
		case 2:
			ret_text[n++] = text[i];
			ret_text[n++] = text[i];
			break;
		default:
			ret_text[n++] = text[i];
			break;
		}
	}
	return n;
}

/* It has ended by itself: with 0, or with 1 if deployd is to blame. */
static void assert_no_fault(struct world *world, bool may_fail)
{
	int status = world_end(world);

	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || (may_fail && WEXITSTATUS(status) == 1));
}

static void noise_of_a_client_harms_nobody_else(void **state)
{
	static const char text[] = CALL "\0" CALL "\0" CALL;
	char noise[2 * sizeof(text)];
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;
	unsigned int n_requests = 0, n_troubles = 0;
	json_t *word;

	(void)state;
	for (unsigned int i = 0; i < N_NOISES; i++) {
		json_int_t number = 0;
		bool ends = false;

		world_start(&world);
		world_prepare(&world);
		client_send(&world, noise, spoil(text, sizeof(text), noise), &null_fd,
			    1);
		assert_int_equal(shutdown(world.client_fd, SHUT_WR), 0);
		world_connect(&world, REQUEST_TIMEOUT_MSEC, NULL);
		/* Requests in order, then why it ends; each said once. */
		while ((word = next_word(&world))) {
			assert_false(ends);
			if (strcmp(text_of(word, "type"), "request") == 0) {
				assert_int_equal(number_of(word, "request"), ++number);
				answer(&world, number, 1);
				n_requests++;
			} else if (strcmp(text_of(word, "type"), "trouble") == 0) {
				assert_string_equal(text_of(word, "what"),
						    SESSION_TROUBLE_MALFORMED);
				n_troubles++;
				ends = true;
			} else {
				assert_string_equal(text_of(word, "type"), "gone");
				ends = true;
			}
			json_decref(word);
		}
		assert_true(ends);
		assert_no_fault(&world, false);
	}
	/* Else this is not what it says it is. */
	assert_true(n_requests > 0 && n_troubles > 0);
	(void)close(null_fd);
}

static void noise_of_deployd_ends_it_at_most(void **state)
{
	static const char text[] =
		"{\"type\":\"reply\",\"request\":1,\"continues\":true}\0"
		"{\"type\":\"ping\",\"number\":1}\0{\"type\":\"archive\",\"request\":1,"
		"\"index\":0}\0{\"type\":\"drop\"}\0{\"type\":\"reply\",\"request\":1,"
		"\"error\":\"a.B\",\"parameters\":{}}\0{\"type\":\"close\"}";
	char noise[2 * sizeof(text)];
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct world world;

	(void)state;
	for (unsigned int i = 0; i < N_NOISES; i++) {
		world_begin(&world);
		client_send(&world, CALL, sizeof(CALL), &null_fd, 1);
		expect_request(&world, 1, 1);
		say_bytes(&world, noise, spoil(text, sizeof(text), noise));
		close_words(&world);
		wait_ended(&world);
		assert_no_fault(&world, true);
	}
	(void)close(null_fd);
}

/* A ping of exactly so many bytes, NUL and all. */
static void say_long_ping(struct world *world, size_t length)
{
	static const char tail[] = "{\"type\":\"ping\",\"number\":9}";
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, ' ', length);
	memcpy(text + length - sizeof(tail), tail, sizeof(tail));
	say_bytes(world, text, length);
	free(text);
}

static void a_word_has_a_greatest_length(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	say_long_ping(&world, SESSION_WORD_BYTES_MAX);
	skip_word(&world, "pong");
	assert_true(nothing_comes_up(&world));
	say_long_ping(&world, SESSION_WORD_BYTES_MAX + 65536);
	expect_end(&world);
	client_expect_end(&world);
	assert_no_fault(&world, true);
}

static void expect_failed_archive(struct world *world)
{
	json_t *word = expect_word(world, "archive");

	assert_string_equal(text_of(word, "state"), "failed");
	assert_string_equal(text_of(word, "message"),
			    "the request came without the archive's file descriptor");
	json_decref(word);
}

static void ask_for_archive(struct world *world, json_int_t request, json_int_t index)
{
	say(world, json_pack("{s:s, s:I, s:I}", "type", "archive", "request", request,
			     "index", index));
}

static int make_archive(void)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_int_equal(write(fd, "archive", 7), 7);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Each fails alone: the right one is there afterwards. */
static void a_wrong_index_or_request_is_no_archive(void **state)
{
	static const json_int_t wrong[][2] = {
		{1, 2}, {1, INT64_MAX}, {1, INT32_MAX},		{0, 0},
		{2, 0}, {INT64_MAX, 0}, {INT64_MAX, INT64_MAX},
	};
	int fds[2] = {make_archive(), make_archive()};
	struct world world;

	(void)state;
	world_begin(&world);
	client_send(&world, CALL, sizeof(CALL), fds, 2);
	expect_request(&world, 1, 2);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		ask_for_archive(&world, wrong[i][0], wrong[i][1]);
		expect_failed_archive(&world);
		assert_true(nothing_comes_up(&world));
	}
	for (json_int_t i = 1; i >= 0; i--) {
		ask_for_archive(&world, 1, i);
		skip_word(&world, "archive"); /* flows */
		skip_word(&world, "archive"); /* complete */
		say(&world, json_pack("{s:s}", "type", "drop"));
		/* and not a second time */
		ask_for_archive(&world, 1, i);
		expect_failed_archive(&world);
	}
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	ask_for_archive(&world, 1, 0); /* it is over */
	expect_failed_archive(&world);
	assert_true(nothing_comes_up(&world));
	for (size_t i = 0; i < 2; i++)
		(void)close(fds[i]);
	assert_ended(&world);
}

static void negative_numbers_end_it(void **state)
{
	static const char *const texts[] = {
		"{\"type\":\"archive\",\"request\":1,\"index\":-1}",
		"{\"type\":\"archive\",\"request\":-1,\"index\":0}",
		"{\"type\":\"archive\",\"request\":1,\"index\":9223372036854775808}",
		"{\"type\":\"archive\",\"request\":1,\"index\":0.0}",
		"{\"type\":\"reply\",\"request\":18446744073709551616}",
	};
	struct world world;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		world_begin(&world);
		say_bytes(&world, texts[i], strlen(texts[i]) + 1);
		expect_end(&world);
		client_expect_end(&world);
		assert_no_fault(&world, true);
	}
}

/* A stream that comes in the middle of a message may hold more than one fd, or none. */
static void a_word_takes_exactly_one_fd(void **state)
{
	int fds[2], status;
	struct world world;

	(void)state;
	make_pipe(fds);
	for (size_t n = 0; n <= 2; n += 2) {
		world_begin(&world);
		send_fds(&world, fds, n);
		say(&world, json_pack("{s:s}", "type", "pump"));
		expect_end(&world);
		client_expect_end(&world);
		status = world_end(&world);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* The client's stream is endless; the pipe's other end is the test's to read. */
static void begin_stream(struct world *world, int *ret_in, int *ret_out)
{
	int in[2], out[2];

	make_pipe(in);
	make_pipe(out);
	world_begin(world);
	client_send(world, CALL, sizeof(CALL), in, 1);
	(void)close(in[0]);
	expect_request(world, 1, 1);
	ask_for_archive(world, 1, 0);
	say_fd(world, json_pack("{s:s}", "type", "pump"), out[1]);
	(void)close(out[1]);
	assert_true(nothing_comes_up(world));
	*ret_in = in[1];
	*ret_out = out[0];
}

/*
 * Until the session has read ahead all it may: deployd's pipe is full, and the session
 * reads no more.
 */
static void fill(struct world *world, int in)
{
	static char data[65536];
	json_t *word;

	for (size_t n = 0; n < SESSION_AHEAD_BYTES + sizeof(data); n += sizeof(data))
		assert_int_equal(write(in, data, sizeof(data)), sizeof(data));
	word = expect_word(world, "archive");
	assert_string_equal(text_of(word, "state"), "flows");
	json_decref(word);
}

static void a_pipe_that_nobody_reads_holds_up_nothing_else(void **state)
{
	struct world world;
	int in, out;

	(void)state;
	/* 0: dropped; 1: the reader goes; 2: deployd goes; 3: the client does, first */
	for (int how = 0; how < 4; how++) {
		begin_stream(&world, &in, &out);
		fill(&world, in);
		assert_true(nothing_comes_up(&world));
		say(&world,
		    json_pack("{s:s, s:i, s:b, s:{s:i}}", "type", "reply", "request", 1,
			      "continues", 1, "parameters", "n", 6));
		json_decref(client_expect(&world));
		if (how == 3) {
			close_client(&world);
			skip_word(&world, "gone");
			assert_true(
				nothing_comes_up(&world)); /* it waits for deployd */
		}
		if (how == 1)
			(void)close(out);
		else if (how == 2)
			close_channel(&world, true);
		else
			say(&world, json_pack("{s:s}", "type", "drop"));
		if (how < 2) {
			answer(&world, 1, 7);
			client_expect_answer(&world, 7);
			assert_true(nothing_comes_up(&world));
		}
		if (how == 2)
			json_decref(client_expect(&world)); /* that it was restarted */
		if (how >= 2)
			wait_ended(&world);
		/* Nothing of it is left: its writer is told that nobody reads. */
		assert_int_equal(write(in, "x", 1), -1);
		assert_int_equal(errno, EPIPE);
		(void)close(in);
		if (how != 1)
			(void)close(out);
		assert_ended(&world);
	}
}

/* The reader had gone before the pipe was handed over. */
static void a_pipe_without_a_reader_ends_the_archive_quietly(void **state)
{
	int fd = make_archive(), ends[2];
	struct world world;

	(void)state;
	world_begin(&world);
	client_send(&world, CALL, sizeof(CALL), &fd, 1);
	(void)close(fd);
	expect_request(&world, 1, 1);
	make_pipe(ends);
	(void)close(ends[0]);
	ask_for_archive(&world, 1, 0);
	skip_word(&world, "archive");
	skip_word(&world, "archive");
	say_fd(&world, json_pack("{s:s}", "type", "pump"), ends[1]);
	(void)close(ends[1]);
	assert_true(nothing_comes_up(&world));
	/* A second pipe for the same archive is closed: its reader sees the end. */
	make_pipe(ends);
	say_fd(&world, json_pack("{s:s}", "type", "pump"), ends[1]);
	(void)close(ends[1]);
	wait_readable(ends[0]);
	assert_int_equal(read(ends[0], &(char){0}, 1), 0);
	(void)close(ends[0]);
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	assert_ended(&world);
}

/*
 * deployd asks and does not read. The session stops reading at a bound, and nothing is
 * lost or out of order once deployd reads again.
 */
static void a_deployd_that_does_not_read_gets_every_word_later(void **state)
{
	enum {
		PINGS_MAX = 200000
	};
	struct world world;
	json_int_t n = 0;
	json_t *word;

	(void)state;
	world_begin(&world);
	assert_int_equal(fcntl(world.words_fd, F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		struct pollfd p = {.fd = world.words_fd, .events = POLLOUT};
		char text[64];
		int length = snprintf(text, sizeof(text),
				      "{\"type\":\"ping\",\"number\":%d}", (int)n + 1);

		if (write(world.words_fd, text, (size_t)length + 1) > 0) {
			n++;
		} else {
			/* Full for good when the session does not read either. */
			assert_int_equal(errno, EAGAIN);
			if (poll(&p, 1, 300) == 0)
				break;
		}
		assert_true(n < PINGS_MAX);
	}
	for (json_int_t i = 1; i <= n; i++) {
		word = expect_word(&world, "pong");
		assert_int_equal(number_of(word, "number"), i);
		json_decref(word);
	}
	assert_int_equal(fcntl(world.words_fd, F_SETFL, 0), 0);
	assert_true(nothing_comes_up(&world));
	assert_ended(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noise_of_a_client_harms_nobody_else),
		cmocka_unit_test(noise_of_deployd_ends_it_at_most),
		cmocka_unit_test(a_word_has_a_greatest_length),
		cmocka_unit_test(a_wrong_index_or_request_is_no_archive),
		cmocka_unit_test(negative_numbers_end_it),
		cmocka_unit_test(a_word_takes_exactly_one_fd),
		cmocka_unit_test(a_pipe_that_nobody_reads_holds_up_nothing_else),
		cmocka_unit_test(a_pipe_without_a_reader_ends_the_archive_quietly),
		cmocka_unit_test(a_deployd_that_does_not_read_gets_every_word_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
