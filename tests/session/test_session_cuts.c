/*
 * One whole conversation with a deployd-session, with every kind of word in it, again
 * and again: each of its words is cut at each byte, deployd goes at each byte, and so
 * does the client.
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/session_protocol.h"
#include "world.h"

#define ARCHIVE "not really an archive"
#define LOG	"first\nsecond\n"

/* What the client says, all of it before it reads: the fd comes with the 2nd call. */
static const char calls[] = "{\"method\":\"a.B\"}\0"
			    "{\"method\":\"a.Deploy\",\"more\":true}\0"
			    "{\"method\":\"a.Logs\",\"more\":true}";

enum word {
	CONNECTION,
	REPLY,
	PROGRESS,
	ARCHIVE_WORD,
	PUMP,
	DROP,
	LAST_REPLY,
	LINES,
	PING,
	REPLY_TO_LOGS,
	CLOSE,
	N_WORDS
};

static const char *const words[N_WORDS] = {
	[CONNECTION] = "{\"type\":\"connection\",\"requestTimeoutMs\":60000,"
		       "\"refuse\":null}",
	[REPLY] = "{\"type\":\"reply\",\"request\":1,\"parameters\":{\"n\":1}}",
	[PROGRESS] = "{\"type\":\"reply\",\"request\":2,\"continues\":true,"
		     "\"parameters\":{\"n\":2}}",
	[ARCHIVE_WORD] = "{\"type\":\"archive\",\"request\":2,\"index\":0}",
	[PUMP] = "{\"type\":\"pump\"}",
	[DROP] = "{\"type\":\"drop\"}",
	[LAST_REPLY] = "{\"type\":\"reply\",\"request\":2,\"parameters\":{\"n\":3}}",
	[LINES] = "{\"type\":\"lines\",\"request\":3}",
	[PING] = "{\"type\":\"ping\",\"number\":5}",
	[REPLY_TO_LOGS] = "{\"type\":\"reply\",\"request\":3,\"error\":null,"
			  "\"parameters\":{\"n\":4}}",
	[CLOSE] = "{\"type\":\"close\"}",
};

/* Where a conversation is disturbed. */
struct plan {
	enum word word;
	size_t cut; /* bytes of that word in front of the cut; 0: none */
	bool fd_first;
	bool stop; /* deployd says nothing behind the cut */
};

/* False: deployd has stopped there. fd: -1, or what goes with the word; it is closed.
 */
static bool tell(struct world *world, const struct plan *plan, enum word word, int fd)
{
	const char *text = words[word];
	size_t length = strlen(text) + 1;
	bool cut = plan->word == word && plan->cut > 0;

	if (fd >= 0 && (!cut || plan->fd_first))
		send_fd(world, fd);
	if (cut) {
		say_bytes(world, text, plan->cut);
		wait_taken(world);
		text += plan->cut;
		length -= plan->cut;
	}
	if (!cut || !plan->stop)
		say_bytes(world, text, length);
	if (fd >= 0 && cut && !plan->fd_first && !plan->stop)
		send_fd(world, fd);
	if (fd >= 0)
		(void)close(fd);
	return !cut || !plan->stop;
}

static void expect_n(struct world *world, json_int_t n, bool continues)
{
	json_t *message = client_expect(world);

	assert_int_equal(number_of(json_object_get(message, "parameters"), "n"), n);
	assert_int_equal(json_is_true(json_object_get(message, "continues")),
			 continues);
	json_decref(message);
}

static void expect_archive(struct world *world, const char *state)
{
	json_t *word = expect_word(world, "archive");

	assert_string_equal(text_of(word, "state"), state);
	json_decref(word);
}

static int make_archive(void)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_int_equal(write(fd, ARCHIVE, sizeof(ARCHIVE)), sizeof(ARCHIVE));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The fd comes in the middle of the second call, with the rest of it. */
static void send_calls(struct world *world, size_t length)
{
	const size_t one = strlen(calls) + 1, two = one + strlen(calls + one) + 1;
	const size_t ends[] = {one + 5, two, sizeof(calls)};
	int fd = make_archive();
	size_t at = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends) && at < length; i++) {
		size_t end = ends[i] < length ? ends[i] : length;

		client_send(world, calls + at, end - at, &fd, i == 1 ? 1 : 0);
		at = end;
	}
	(void)close(fd);
}

/* The pipe has the whole archive, and ends. */
static void expect_pumped(int fd)
{
	char got[sizeof(ARCHIVE) + 1];
	size_t n = 0;
	ssize_t r;

	do {
		wait_readable(fd);
		r = read(fd, got + n, sizeof(got) - n);
		assert_true(r >= 0);
		n += (size_t)r;
	} while (r > 0);
	assert_int_equal(n, sizeof(ARCHIVE));
	assert_memory_equal(got, ARCHIVE, n);
	(void)close(fd);
}

static void expect_lines_of_log(struct world *world)
{
	json_t *message = client_expect(world), *lines;

	assert_true(json_is_true(json_object_get(message, "continues")));
	lines = json_object_get(json_object_get(message, "parameters"), "lines");
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(json_string_value(json_array_get(lines, 0)), "first");
	assert_string_equal(json_string_value(json_array_get(lines, 1)), "second");
	json_decref(message);
}

static bool pump_archive(struct world *world, const struct plan *plan)
{
	int ends[2];

	if (!tell(world, plan, ARCHIVE_WORD, -1))
		return false;
	expect_archive(world, "flows");
	expect_archive(world, "complete");
	make_pipe(ends);
	if (!tell(world, plan, PUMP, ends[1])) {
		(void)close(ends[0]);
		return false;
	}
	expect_pumped(ends[0]);
	return tell(world, plan, DROP, -1); /* too late, and harmless */
}

static bool send_log(struct world *world, const struct plan *plan)
{
	int ends[2];

	make_pipe(ends);
	assert_int_equal(write(ends[1], LOG, strlen(LOG)), strlen(LOG));
	(void)close(ends[1]);
	if (!tell(world, plan, LINES, ends[0]))
		return false;
	expect_lines_of_log(world);
	skip_word(world, "lines-end");
	return true;
}

/*
 * All of it, or as far as the plan has it. *ret_busy: a request was under way. Whatever
 * was answered has been compared.
 */
static bool converse(struct world *world, const struct plan *plan, bool *ret_busy)
{
	json_t *word;

	*ret_busy = false;
	world_start(world);
	world_prepare(world);
	send_calls(world, sizeof(calls));
	if (!tell(world, plan, CONNECTION, world->server_fd))
		return false;
	skip_word(world, "taken");
	expect_request(world, 1, 0);
	*ret_busy = true;
	if (!tell(world, plan, REPLY, -1))
		return false;
	expect_n(world, 1, false);
	expect_request(world, 2, 1);
	if (!tell(world, plan, PROGRESS, -1))
		return false;
	expect_n(world, 2, true);
	if (!pump_archive(world, plan) || !tell(world, plan, LAST_REPLY, -1))
		return false;
	expect_n(world, 3, false);
	expect_request(world, 3, 0);
	if (!send_log(world, plan) || !tell(world, plan, PING, -1))
		return false;
	word = expect_word(world, "pong");
	assert_int_equal(number_of(word, "number"), 5);
	json_decref(word);
	if (!tell(world, plan, REPLY_TO_LOGS, -1))
		return false;
	expect_n(world, 4, false);
	*ret_busy = false;
	return tell(world, plan, CLOSE, -1);
}

static void every_word_may_be_cut_at_every_byte(void **state)
{
	struct world world;
	bool busy;

	(void)state;
	for (enum word word = 0; word < N_WORDS; word++) {
		size_t length = strlen(words[word]) + 1;

		for (size_t cut = 1; cut < length; cut++) {
			struct plan plan = {word, cut, cut % 2 == 0, false};

			assert_true(converse(&world, &plan, &busy));
			client_expect_end(&world);
			expect_end(&world);
			assert_ended(&world);
		}
	}
}

/* What is under way is answered once, with what to do; nothing else is. */
static void expect_orphan(struct world *world, bool busy)
{
	if (busy) {
		json_t *message = client_expect(world);

		assert_string_equal(text_of(message, "error"), "io.deployd.Failed");
		assert_null(json_object_get(message, "continues"));
		json_decref(message);
	}
	client_expect_end(world);
}

/* The pipes close together, or one stays open. */
static void deployd_may_go_at_every_byte(void **state)
{
	struct world world;
	size_t n = 0;
	bool busy;

	(void)state;
	for (enum word word = 0; word < N_WORDS; word++) {
		size_t length = strlen(words[word]) + 1;

		for (size_t cut = 1; cut < length; cut++, n++) {
			struct plan plan = {word, cut, cut % 2 == 0, true};

			assert_false(converse(&world, &plan, &busy));
			if (n % 3 != 0)
				close_words(&world);
			if (n % 3 != 1)
				close_report(&world);
			expect_orphan(&world, busy);
			wait_ended(&world);
			assert_ended(&world);
		}
	}
}

/* It has shut down its writing, and reads on: all that was whole is answered. */
static void the_client_may_half_close_at_every_byte(void **state)
{
	const size_t one = strlen(calls) + 1, two = one + strlen(calls + one) + 1;
	struct world world;

	(void)state;
	for (size_t length = 0; length <= sizeof(calls); length++) {
		json_int_t n =
			(length >= one) + (length >= two) + (length == sizeof(calls));

		world_start(&world);
		world_prepare(&world);
		send_calls(&world, length);
		assert_int_equal(shutdown(world.client_fd, SHUT_WR), 0);
		world_connect(&world, REQUEST_TIMEOUT_MSEC, NULL);
		for (json_int_t i = 1; i <= n; i++) {
			expect_request(&world, i, i == 2 ? 1 : 0);
			assert_true(nothing_comes_up(&world));
			answer(&world, i, i);
			client_expect_answer(&world, i);
		}
		client_expect_end(&world);
		skip_word(&world, "gone");
		expect_end(&world);
		assert_ended(&world);
	}
}

/* The session is told of its client's end once, and no request comes behind it. */
static void the_client_may_hang_up_at_every_byte(void **state)
{
	struct world world;

	(void)state;
	for (size_t length = 0; length <= sizeof(calls); length++) {
		world_start(&world);
		world_prepare(&world);
		send_calls(&world, length);
		close_client(&world);
		world_connect(&world, REQUEST_TIMEOUT_MSEC, NULL);
		if (length > strlen(calls))
			expect_request(&world, 1, 0);
		skip_word(&world, "gone");
		expect_end(&world);
		assert_ended(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_may_be_cut_at_every_byte),
		cmocka_unit_test(deployd_may_go_at_every_byte),
		cmocka_unit_test(the_client_may_half_close_at_every_byte),
		cmocka_unit_test(the_client_may_hang_up_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
