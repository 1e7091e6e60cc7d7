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
#include <sys/un.h>
#include <unistd.h>

#include "server/spawner.h"

struct world {
	uv_loop_t loop;
	struct spawner spawner;
	uv_timer_t tick; /* what a timer did ends no UV_RUN_ONCE */
	char dir[64], path[80];
	int listen_fd, connection, report;
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

static void listen_at(struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)strcpy(address.sun_path, world->path);
	world->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(world->listen_fd, (struct sockaddr *)&address, sizeof(address)),
		0);
	assert_int_equal(listen(world->listen_fd, 8), 0);
}

/* One message, with the fds that came with it. */
static size_t receive(int fd, char *text, size_t size, int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {text, size - 1};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;

	assert_true(n > 0);
	text[n] = '\0';
	c = CMSG_FIRSTHDR(&header);
	assert_non_null(c);
	assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int) * n_fds));
	memcpy(fds, CMSG_DATA(c), sizeof(int) * n_fds);
	return (size_t)n;
}

static void accept_it(struct world *world)
{
	char text[16];

	world->connection = accept4(world->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(world->connection >= 0);
	(void)receive(world->connection, text, sizeof(text), &world->report, 1);
}

static int setup(void **state)
{
	static const struct spawner_events events = {on_up, on_down, on_started,
						     on_ended};
	struct world *world = test_calloc(1, sizeof(*world));

	(void)strcpy(world->dir, "/tmp/test_spawner.XXXXXX");
	assert_non_null(mkdtemp(world->dir));
	(void)snprintf(world->path, sizeof(world->path), "%s/sessions", world->dir);
	world->connection = world->report = -1;
	listen_at(world);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(uv_timer_init(&world->loop, &world->tick), 0);
	assert_int_equal(uv_timer_start(&world->tick, on_tick, 10, 10), 0);
	assert_int_equal(spawner_start(&world->spawner, &world->loop, world->path,
				       &events, world),
			 0);
	run_until(world, &world->up, 1);
	accept_it(world);
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
	(void)close(world->listen_fd);
	if (world->connection >= 0)
		(void)close(world->connection);
	if (world->report >= 0)
		(void)close(world->report);
	(void)unlink(world->path);
	(void)rmdir(world->dir);
	test_free(world);
	return 0;
}

static void say(struct world *world, const char *text)
{
	assert_int_equal(write(world->report, text, strlen(text)), strlen(text));
}

static void a_request_has_its_number_and_three_fds(void **state)
{
	struct world *world = *state;
	struct channel_ends ends = {open("/dev/null", O_RDONLY | O_CLOEXEC),
				    open("/dev/zero", O_RDONLY | O_CLOEXEC),
				    open("/dev/full", O_RDONLY | O_CLOEXEC)};
	char text[64], link[64], path[64];
	static const char *const names[] = {"/dev/null", "/dev/zero", "/dev/full"};
	int fds[3];

	assert_int_equal(spawner_request(&world->spawner, 42, &ends), 0);
	(void)receive(world->connection, text, sizeof(text), fds, 3);
	assert_string_equal(text, "42\n");
	for (size_t i = 0; i < 3; i++) {
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		n = readlink(path, link, sizeof(link) - 1);
		assert_true(n > 0);
		link[n] = '\0';
		assert_string_equal(link, names[i]);
		(void)close(fds[i]);
	}
	channel_ends_close(&ends);
}

static void its_words_may_come_in_any_pieces(void **state)
{
	static const char text[] = "started 7 1234\nended 7\n";
	struct world *world = *state;

	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		char head[sizeof(text)] = "";

		memcpy(head, text, cut);
		say(world, head);
		uv_run(&world->loop, UV_RUN_NOWAIT);
		say(world, text + cut);
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
		"hello\n",
		"\n",
		"a line that is longer than any that the spawner has to say, ever\n",
	};
	struct world *world = *state;

	for (unsigned int i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		say(world, lines[i]);
		run_until(world, &world->down, i + 1);
		(void)close(world->connection);
		(void)close(world->report);
		run_until(world, &world->up, i + 2);
		accept_it(world);
	}
	assert_int_equal(world->started + world->ended, 0);
}

static void it_is_connected_to_again(void **state)
{
	struct world *world = *state;
	struct channel_ends none = {0, 0, 0};

	(void)close(world->connection);
	(void)close(world->report);
	run_until(world, &world->down, 1);
	assert_int_equal(world->error, -ECONNRESET);
	assert_int_equal(spawner_request(&world->spawner, 1, &none), -ENOTCONN);
	run_until(world, &world->up, 2);
	accept_it(world);
	say(world, "ended 9\n");
	run_until(world, &world->ended, 1);
}

static void a_spawner_that_is_not_there_is_tried_again(void **state)
{
	struct world *world = *state;

	(void)close(world->connection);
	(void)close(world->report);
	(void)close(world->listen_fd);
	(void)unlink(world->path);
	run_until(world, &world->down, 3);
	assert_int_equal(world->error, -ENOENT);
	listen_at(world);
	run_until(world, &world->up, 2);
	accept_it(world);
}

/* Not even one that was taken over can put an fd into deployd's hands. */
static void nothing_comes_back_through_its_socket(void **state)
{
	struct world *world = *state;

	assert_int_equal(send(world->connection, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_request_has_its_number_and_three_fds),
		TEST(its_words_may_come_in_any_pieces),
		TEST(what_is_none_of_its_words_ends_the_connection),
		TEST(it_is_connected_to_again),
		TEST(a_spawner_that_is_not_there_is_tried_again),
		TEST(nothing_comes_back_through_its_socket),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
