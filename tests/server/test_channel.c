/* The channel to a session: words both ways, fds down only, and every way it can end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/channel.h"
#include "util/session_protocol.h"

struct world {
	uv_loop_t loop;
	struct channel *channel;
	struct channel_ends ends;
	unsigned int n_words, n_closed;
	json_int_t last;
	char why[100];
	bool close_at_word;
};

/* Its memory goes in a later turn of the loop. */
static void close_channel(struct world *world)
{
	channel_close(world->channel);
	world->channel = NULL;
}

static void on_word(void *userdata, const json_t *word)
{
	struct world *world = userdata;

	world->n_words++;
	world->last = json_integer_value(json_object_get(word, "n"));
	if (world->close_at_word)
		close_channel(world);
}

static void on_closed(void *userdata, const char *why)
{
	struct world *world = userdata;

	world->n_closed++;
	(void)snprintf(world->why, sizeof(world->why), "%s", why ? why : "its end");
}

static int setup(void **state)
{
	static const struct channel_events events = {on_word, on_closed};
	struct world *world = test_calloc(1, sizeof(*world));

	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(channel_new(&world->loop, &events, world, &world->channel,
				     &world->ends),
			 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	channel_ends_close(&world->ends);
	if (world->channel)
		close_channel(world);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	test_free(world);
	return 0;
}

static void write_up(struct world *world, const void *data, size_t length)
{
	assert_int_equal(write(world->ends.report, data, length), length);
}

static json_t *number(json_int_t n)
{
	return json_pack("{s:s, s:I}", "type", "test", "n", n);
}

static void words_go_down_and_end_in_nul(void **state)
{
	struct world *world = *state;
	char text[100] = "";

	assert_int_equal(channel_send(world->channel, number(7)), 0);
	uv_run(&world->loop, UV_RUN_NOWAIT);
	assert_int_equal(read(world->ends.words, text, sizeof(text)),
			 sizeof("{\"type\":\"test\",\"n\":7}"));
	assert_string_equal(text, "{\"type\":\"test\",\"n\":7}");
}

static void words_up_may_come_in_any_pieces(void **state)
{
	static const char text[] = "{\"n\":1}\0{\"n\":22}\0{\"n\":333}";
	struct world *world = *state;

	for (size_t cut = 1; cut < sizeof(text); cut++) {
		world->n_words = 0;
		write_up(world, text, cut);
		uv_run(&world->loop, UV_RUN_NOWAIT);
		write_up(world, text + cut, sizeof(text) - cut);
		while (world->n_words < 3)
			uv_run(&world->loop, UV_RUN_ONCE);
		assert_int_equal(world->last, 333);
	}
	assert_int_equal(world->n_closed, 0);
}

/* As its word says: the fd first, then the word that tells to take it. */
static int take_fd(int socket_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c;
	int fd;

	if (recvmsg(socket_fd, &header, MSG_DONTWAIT) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&header);
	assert_non_null(c);
	assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static bool is_same(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static void fds_go_down_one_for_each_word(void **state)
{
	struct world *world = *state;
	int pipes[2], got;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(channel_send_fd(world->channel, pipes[0], number(1)), 0);
	assert_int_equal(channel_send_fd(world->channel, pipes[1], number(2)), 0);
	for (int i = 0; i < 2; i++) {
		got = take_fd(world->ends.fds);
		assert_true(got >= 0);
		assert_true(is_same(got, pipes[i]));
		assert_int_equal(fcntl(pipes[i], F_GETFD), 0); /* still the caller's */
		(void)close(got);
		(void)close(pipes[i]);
	}
	assert_int_equal(take_fd(world->ends.fds), -1);
}

/* The rule of SECURITY.md: whatever a session tries, no fd reaches deployd. */
static void nothing_comes_up_through_the_socket(void **state)
{
	struct world *world = *state;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &world->ends.words, sizeof(int));
	assert_int_equal(sendmsg(world->ends.fds, &header, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(send(world->ends.fds, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

static void a_connection_survives_the_session_that_did_not_take_it(void **state)
{
	struct world *world = *state;
	int pipes[2], back;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(channel_send_fd(world->channel, pipes[1], number(1)), 0);
	(void)close(pipes[1]);
	channel_ends_close(&world->ends); /* it was killed */
	while (world->n_closed == 0)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_string_equal(world->why, "its end");
	back = channel_take_back(world->channel);
	assert_true(back >= 0);
	assert_true(fcntl(back, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(back, "!", 1), 1); /* it is that connection, open */
	(void)close(back);
	(void)close(pipes[0]);
	assert_int_equal(channel_take_back(world->channel), -1);
}

static void what_was_taken_is_not_taken_back(void **state)
{
	struct world *world = *state;
	int got;

	assert_int_equal(channel_send_fd(world->channel, world->ends.words, number(1)),
			 0);
	got = take_fd(world->ends.fds);
	assert_true(got >= 0);
	assert_int_equal(channel_take_back(world->channel), -1);
	(void)close(got);
}

/* The session may end as soon as it has the word: from then on deployd has no copy. */
static void a_connection_is_closed_before_its_word_is_there(void **state)
{
	struct world *world = *state;
	int pipes[2], kept, back;

	assert_int_equal(pipe(pipes), 0);
	kept = pipes[1];
	assert_int_equal(channel_hand_over(world->channel, &pipes[1], number(1)), 0);
	assert_int_equal(pipes[1], -1);
	assert_int_equal(fcntl(kept, F_GETFD), -1);
	back = channel_take_back(world->channel);
	assert_true(back >= 0);
	assert_int_equal(write(back, "!", 1), 1);
	(void)close(back);
	(void)close(pipes[0]);
}

static void a_connection_whose_word_is_not_sent_comes_back(void **state)
{
	struct world *world = *state;
	const size_t length = CHANNEL_UNSENT_BYTES_MAX;
	char *text = calloc(1, length);
	int pipes[2];

	assert_non_null(text);
	assert_int_equal(channel_send_text(world->channel, text, length), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(channel_send_text(world->channel, calloc(1, 65536), 65536), 0);
	assert_int_equal(channel_hand_over(world->channel, &pipes[1], number(1)),
			 -ENOBUFS);
	assert_true(pipes[1] >= 0);
	assert_int_equal(write(pipes[1], "!", 1), 1);
	assert_int_equal(take_fd(world->ends.fds), -1); /* not with the session, too */
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

/* Once it is taken deployd has no part in what the session's socket still holds. */
static void after_taken_the_session_alone_holds_the_socket(void **state)
{
	struct world *world = *state;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	channel_taken(world->channel);
	assert_int_equal(channel_send_fd(world->channel, pipes[1], number(1)), 0);
	(void)close(pipes[1]);
	channel_ends_close(&world->ends);
	/* Its queue is gone with it, and the pipe's only writer. */
	assert_int_equal(read(pipes[0], &(char){0}, 1), 0);
	(void)close(pipes[0]);
}

static void expect_break(struct world *world, const char *why)
{
	while (world->n_closed == 0)
		uv_run(&world->loop, UV_RUN_ONCE);
	assert_non_null(strstr(world->why, why));
	assert_int_equal(world->n_closed, 1);
	assert_int_equal(channel_send(world->channel, number(1)), -EPIPE);
}

static void what_is_no_word_ends_it(void **state)
{
	struct world *world = *state;

	write_up(world, "{\"n\":1}\0[2]\0{\"n\":3}", 20);
	expect_break(world, "not a JSON object");
	assert_int_equal(world->n_words, 1);
}

static void a_word_without_an_end_ends_it(void **state)
{
	struct world *world = *state;
	char piece[4096];
	size_t n = 0;

	memset(piece, ' ', sizeof(piece));
	while (world->n_closed == 0) {
		assert_true(n < SESSION_WORD_BYTES_MAX + 2 * sizeof(piece));
		write_up(world, piece, sizeof(piece));
		n += sizeof(piece);
		uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	expect_break(world, "too long");
}

static void its_end_is_told_once(void **state)
{
	struct world *world = *state;

	write_up(world, "{\"n\":5}", 8);
	channel_ends_close(&world->ends);
	expect_break(world, "its end");
	assert_int_equal(world->last, 5); /* the last word before it counts */
}

static void closing_in_a_callback_is_safe(void **state)
{
	struct world *world = *state;

	world->close_at_word = true;
	write_up(world, "{\"n\":1}\0{\"n\":2}", 16);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->n_words, 1);
	assert_int_equal(world->n_closed, 0);
	assert_int_equal(uv_loop_alive(&world->loop), 0);
}

static json_t *big(void)
{
	json_t *word = json_object();
	char *text = malloc(1u << 20);

	assert_non_null(text);
	memset(text, 'x', 1u << 20);
	(void)json_object_set_new(word, "x", json_stringn(text, 1u << 20));
	free(text);
	return word;
}

static void a_session_that_does_not_read_costs_a_bounded_amount(void **state)
{
	struct world *world = *state;
	unsigned int n = 0;
	int r;

	while ((r = channel_send(world->channel, big())) == 0)
		assert_true(++n <= (CHANNEL_UNSENT_BYTES_MAX >> 20) + 1);
	assert_int_equal(r, -ENOBUFS);
}

static void what_was_sent_before_the_end_is_read_to_its_end(void **state)
{
	struct world *world = *state;
	char chunk[65536];
	size_t total = 0;
	ssize_t n;

	assert_int_equal(fcntl(world->ends.words, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(channel_send(world->channel, big()), 0);
	close_channel(world);
	for (;;) {
		n = read(world->ends.words, chunk, sizeof(chunk));
		if (n == 0)
			break;
		if (n > 0)
			total += (size_t)n;
		else
			uv_run(&world->loop, UV_RUN_ONCE);
	}
	assert_true(total > 1u << 20);
}

/* teardown's loop ends although nobody ever reads: a bound, not a wait. */
static void a_session_that_does_not_read_is_not_waited_for(void **state)
{
	struct world *world = *state;

	assert_int_equal(channel_send(world->channel, big()), 0);
	close_channel(world);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_alive(&world->loop), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(words_go_down_and_end_in_nul),
		TEST(words_up_may_come_in_any_pieces),
		TEST(fds_go_down_one_for_each_word),
		TEST(nothing_comes_up_through_the_socket),
		TEST(a_connection_survives_the_session_that_did_not_take_it),
		TEST(what_was_taken_is_not_taken_back),
		TEST(a_connection_is_closed_before_its_word_is_there),
		TEST(a_connection_whose_word_is_not_sent_comes_back),
		TEST(after_taken_the_session_alone_holds_the_socket),
		TEST(what_is_no_word_ends_it),
		TEST(a_word_without_an_end_ends_it),
		TEST(its_end_is_told_once),
		TEST(closing_in_a_callback_is_safe),
		TEST(a_session_that_does_not_read_costs_a_bounded_amount),
		TEST(what_was_sent_before_the_end_is_read_to_its_end),
		TEST(a_session_that_does_not_read_is_not_waited_for),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	/* tests/server/mutants runs those that must find a mistake. */
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
