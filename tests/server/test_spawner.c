/* The connection to the spawner: what is asked of it, what it says, and its losses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_spawner.h"
#include "server/spawner.h"

struct world {
	uv_loop_t loop;
	struct spawner spawner;
	uv_timer_t tick; /* what a timer did ends no UV_RUN_ONCE */
	struct fake_spawner fake;
	unsigned int up, down, started, ended;
	uint64_t number;
	pid_t pid;
	int error;
};

static void on_up(void *userdata)
{
	((struct world *)userdata)->up++;
}

static void on_down(void *userdata, int error)
{
	struct world *world = userdata;

	world->down++;
	world->error = error;
}

static void on_started(void *userdata, uint64_t number, pid_t pid)
{
	struct world *world = userdata;

	world->started++;
	world->number = number;
	world->pid = pid;
}

static void on_ended(void *userdata, uint64_t number)
{
	struct world *world = userdata;

	world->ended++;
	world->number = number;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void run_until(struct world *world, const unsigned int *count, unsigned int n)
{
	while (*count < n)
		uv_run(&world->loop, UV_RUN_ONCE);
}

static int setup(void **state)
{
	static const struct spawner_events events = {on_up, on_down, on_started,
						     on_ended};
	struct world *world = test_calloc(1, sizeof(*world));

	fake_spawner_init(&world->fake);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(uv_timer_init(&world->loop, &world->tick), 0);
	assert_int_equal(uv_timer_start(&world->tick, on_tick, 10, 10), 0);
	assert_int_equal(spawner_start(&world->spawner, &world->loop, world->fake.path,
				       &events, world),
			 0);
	run_until(world, &world->up, 1);
	fake_spawner_accept(&world->fake);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	spawner_stop(&world->spawner);
	uv_close((uv_handle_t *)&world->tick, NULL);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	fake_spawner_deinit(&world->fake);
	test_free(world);
	return 0;
}

static void a_request_has_its_number_and_three_fds(void **state)
{
	struct world *world = *state;
	struct channel_ends ends = {open("/dev/null", O_RDONLY | O_CLOEXEC),
				    open("/dev/zero", O_RDONLY | O_CLOEXEC),
				    open("/dev/full", O_RDONLY | O_CLOEXEC)};
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/full"};
	struct channel_ends got;
	char link[64], path[64];

	assert_int_equal(spawner_request(&world->spawner, UINT64_MAX, &ends), 0);
	assert_true(fake_spawner_take(&world->fake, &got) == UINT64_MAX);
	for (size_t i = 0; i < 3; i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
			       (const int[]){got.words, got.report, got.fds}[i]);
		n = readlink(path, link, sizeof(link) - 1);
		assert_true(n > 0);
		link[n] = '\0';
		assert_string_equal(link, names[i]);
	}
	channel_ends_close(&got);
	channel_ends_close(&ends);
}

static void its_words_may_come_in_any_pieces(void **state)
{
	static const char text[] = "started 7 1234\nended 7\n";
	struct world *world = *state;

	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		char head[sizeof(text)] = "";

		memcpy(head, text, cut);
		fake_spawner_say(&world->fake, head);
		uv_run(&world->loop, UV_RUN_NOWAIT);
		fake_spawner_say(&world->fake, text + cut);
		run_until(world, &world->ended, (unsigned int)cut);
		assert_int_equal(world->started, cut);
		assert_int_equal(world->pid, 1234);
		assert_int_equal(world->number, 7);
	}
	assert_int_equal(world->down, 0);
}

static void what_is_none_of_its_words_ends_the_connection(void **state)
{
	static const char *const lines[] = {
		"started 7\n",
		"started x 5\n",
		"ended 1 2\n",
		"started 7 1\n",
		"started 7 -5\n",
		"started 7 99999999999\n",
		"started 99999999999999999999 5\n",
		"ended 99999999999999999999\n",
		"started -1 5\n",
		"ended -1\n",
		"ended \n",
		"ended 7 \n",
		" ended 7\n",
		"Ended 7\n",
		"started ended 7\n",
		"started 18446744073709551616 5\n",
		"started 7 2147483648\n",
		"hello\n",
		"\n",
		"a line that is longer than any that the spawner has to say, ever\n",
	};
	struct world *world = *state;

	for (unsigned int i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct channel_ends none = {0, 1, 2};

		/* What works is waited for briefly again. */
		assert_int_equal(spawner_request(&world->spawner, i, &none), 0);
		fake_spawner_say(&world->fake, lines[i]);
		run_until(world, &world->down, i + 1);
		fake_spawner_hang_up(&world->fake);
		run_until(world, &world->up, i + 2);
		fake_spawner_accept(&world->fake);
	}
	assert_int_equal(world->started + world->ended, 0);
}

/* The rest of a line that the lost connection began is not the next one's first. */
static void it_may_be_lost_at_every_byte(void **state)
{
	static const char text[] = "started 7 1234\nended 7\n";
	struct world *world = *state;
	unsigned int n_started = 0;

	for (unsigned int cut = 0; cut < sizeof(text); cut++) {
		struct channel_ends none = {0, 1, 2};
		char head[sizeof(text)] = "";

		memcpy(head, text, cut);
		assert_int_equal(spawner_request(&world->spawner, cut, &none), 0);
		fake_spawner_say(&world->fake, head);
		fake_spawner_hang_up(&world->fake);
		run_until(world, &world->down, cut + 1);
		assert_int_equal(world->error, -ECONNRESET);
		n_started += cut >= strlen("started 7 1234\n");
		assert_int_equal(world->started, n_started);
		assert_int_equal(world->ended, cut == sizeof(text) - 1 ? 1 : 0);
		run_until(world, &world->up, cut + 2);
		fake_spawner_accept(&world->fake);
	}
	fake_spawner_say(&world->fake, "ended 8\n");
	run_until(world, &world->ended, 2);
	assert_int_equal(world->number, 8);
}

static void on_down_stop(void *userdata, int error)
{
	struct world *world = userdata;

	on_down(userdata, error);
	spawner_stop(&world->spawner);
}

/* Its owner may be stopped by anything, at any time. */
static void it_may_be_stopped_in_a_callback(void **state)
{
	static const struct spawner_events events = {on_up, on_down_stop, on_started,
						     on_ended};
	struct world *world = *state;

	world->spawner.events = &events;
	fake_spawner_say(&world->fake, "hello\nended 1\nended 2\n");
	run_until(world, &world->down, 1);
	spawner_stop(&world->spawner); /* idempotent */
	assert_int_equal(world->ended, 0);
}

/* deployd asks, and is never kept waiting by one that does not read. */
static void a_spawner_that_does_not_read_is_not_waited_for(void **state)
{
	struct world *world = *state;
	struct channel_ends none = {0, 1, 2};
	int r;
	uint64_t n = 0;

	while ((r = spawner_request(&world->spawner, n, &none)) == 0)
		assert_true(++n < 1000000);
	assert_true(r == -EAGAIN || r == -ETOOMANYREFS);
	/* The requests that were taken are whole, and in order. */
	for (uint64_t i = 0; i < n; i++) {
		struct channel_ends got;

		assert_true(fake_spawner_take(&world->fake, &got) == i);
		channel_ends_close(&got);
	}
	assert_int_equal(spawner_request(&world->spawner, n, &none), 0);
	assert_int_equal(world->down, 0);
}

static void it_is_connected_to_again(void **state)
{
	struct world *world = *state;
	struct channel_ends none = {0, 0, 0};

	fake_spawner_hang_up(&world->fake);
	run_until(world, &world->down, 1);
	assert_int_equal(world->error, -ECONNRESET);
	assert_int_equal(spawner_request(&world->spawner, 1, &none), -ENOTCONN);
	run_until(world, &world->up, 2);
	fake_spawner_accept(&world->fake);
	fake_spawner_say(&world->fake, "ended 9\n");
	run_until(world, &world->ended, 1);
}

static void a_spawner_that_is_not_there_is_tried_again(void **state)
{
	struct world *world = *state;

	fake_spawner_hang_up(&world->fake);
	fake_spawner_vanish(&world->fake);
	run_until(world, &world->down, 3);
	assert_int_equal(world->error, -ENOENT);
	fake_spawner_listen(&world->fake);
	run_until(world, &world->up, 2);
	fake_spawner_accept(&world->fake);
}

/* Not even one that was taken over can put an fd into deployd's hands. */
static void nothing_comes_back_through_its_socket(void **state)
{
	struct world *world = *state;

	assert_int_equal(send(world->fake.connection, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_request_has_its_number_and_three_fds),
		TEST(its_words_may_come_in_any_pieces),
		TEST(what_is_none_of_its_words_ends_the_connection),
		TEST(it_may_be_lost_at_every_byte),
		TEST(it_may_be_stopped_in_a_callback),
		TEST(a_spawner_that_does_not_read_is_not_waited_for),
		TEST(it_is_connected_to_again),
		TEST(a_spawner_that_is_not_there_is_tried_again),
		TEST(nothing_comes_back_through_its_socket),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	/* tests/server/mutants runs those that must find a mistake. */
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
