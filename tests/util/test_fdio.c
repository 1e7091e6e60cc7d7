/* fds over a unix socket: exactly those that were sent, and never more than asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fdio.h"

struct world {
	int ends[2];
	int fds[FDIO_FDS_MAX]; /* each of a file of its own */
	unsigned int open_before;
};

static unsigned int count_open(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

static int setup(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));

	world->open_before = count_open();
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, world->ends), 0);
	for (size_t i = 0; i < FDIO_FDS_MAX; i++) {
		char name[] = "/tmp/test_fdio.XXXXXX";

		world->fds[i] = mkstemp(name);
		assert_true(world->fds[i] >= 0);
		(void)unlink(name);
	}
	*state = world;
	return 0;
}

/* Whatever a test received it has closed: no fd is lost on the way. */
static int teardown(void **state)
{
	struct world *world = *state;

	for (size_t i = 0; i < FDIO_FDS_MAX; i++)
		(void)close(world->fds[i]);
	for (size_t i = 0; i < 2; i++)
		if (world->ends[i] >= 0)
			(void)close(world->ends[i]);
	assert_int_equal(count_open(), world->open_before);
	test_free(world);
	return 0;
}

static bool is_same(int a, int b)
{
	struct stat sa, sb;

	assert_int_equal(fstat(a, &sa), 0);
	assert_int_equal(fstat(b, &sb), 0);
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static void close_all(const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		assert_int_equal(close(fds[i]), 0);
}

static void each_number_of_fds_arrives_in_order(void **state)
{
	struct world *world = *state;
	char text[8];
	int got[FDIO_FDS_MAX];
	size_t n_got;

	for (size_t n = 0; n <= FDIO_FDS_MAX; n++) {
		assert_int_equal(fd_send(world->ends[0], "abc", 3, world->fds, n), 0);
		/* No more room than needed: of an odd number, too. */
		assert_int_equal(
			fd_receive(world->ends[1], text, sizeof(text), got, n, &n_got),
			3);
		assert_memory_equal(text, "abc", 3);
		assert_int_equal(n_got, n);
		for (size_t i = 0; i < n; i++) {
			assert_true(is_same(got[i], world->fds[i]));
			assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
			assert_true(fcntl(world->fds[i], F_GETFD) >= 0);
		}
		close_all(got, n_got);
	}
}

/* The kernel's padding has room for one more than an odd number: it is not used. */
static void more_fds_than_asked_for_are_no_message(void **state)
{
	struct world *world = *state;
	char byte;
	int got[FDIO_FDS_MAX];
	size_t n_got;

	for (size_t room = 0; room < FDIO_FDS_MAX; room++) {
		got[room] = -7; /* nothing is written behind the room */
		assert_int_equal(fd_send(world->ends[0], "x", 1, world->fds, room + 1),
				 0);
		assert_int_equal(
			fd_receive(world->ends[1], &byte, 1, got, room, &n_got),
			-EBADMSG);
		assert_int_equal(n_got, room);
		assert_int_equal(got[room], -7);
		close_all(got, n_got);
	}
}

/* A stream has no messages, but fds keep their place in it. */
static void fds_stay_with_their_bytes(void **state)
{
	struct world *world = *state;
	char text[16];
	int got[2];
	size_t n_got;

	assert_int_equal(fd_send(world->ends[0], "ab", 2, NULL, 0), 0);
	assert_int_equal(fd_send(world->ends[0], "cd", 2, &world->fds[0], 1), 0);
	assert_int_equal(fd_send(world->ends[0], "ef", 2, &world->fds[1], 1), 0);
	for (size_t i = 0; i < 2; i++) {
		ssize_t n = 0;

		n_got = 0;
		while (n_got == 0) {
			n = fd_receive(world->ends[1], text, sizeof(text), got, 2,
				       &n_got);
			assert_true(n > 0);
		}
		assert_int_equal(n_got, 1);
		assert_memory_equal(text + n - 2, i == 0 ? "cd" : "ef", 2);
		assert_true(is_same(got[0], world->fds[i]));
		close_all(got, 1);
	}
}

static void nothing_is_waited_for(void **state)
{
	struct world *world = *state;
	char byte, full[65536] = "";
	int fd, r;
	size_t n_got = 1;

	assert_int_equal(fd_receive(world->ends[1], &byte, 1, &fd, 1, &n_got), -EAGAIN);
	assert_int_equal(n_got, 0);
	/* It ends with nothing sent, or with a part of the last piece. */
	do {
		r = fd_send(world->ends[0], full, sizeof(full), NULL, 0);
	} while (r == 0);
	assert_true(r == -EAGAIN || r == -EIO);
	do {
		r = fd_send(world->ends[0], "x", 1, world->fds, 1);
	} while (r == 0);
	assert_int_equal(r, -EAGAIN);
}

static void both_ends_see_that_the_other_has_gone(void **state)
{
	struct world *world = *state;
	char byte;
	int fd;
	size_t n_got = 1;

	assert_int_equal(fd_send(world->ends[0], "x", 1, world->fds, 1), 0);
	(void)close(world->ends[0]);
	world->ends[0] = -1;
	assert_int_equal(fd_receive(world->ends[1], &byte, 1, &fd, 1, &n_got), 1);
	assert_int_equal(n_got, 1);
	close_all(&fd, 1);
	assert_int_equal(fd_receive(world->ends[1], &byte, 1, &fd, 1, &n_got), 0);
	assert_int_equal(n_got, 0);
	/* No SIGPIPE: the test would be killed. */
	assert_int_equal(fd_send(world->ends[1], "x", 1, world->fds, 1), -EPIPE);
}

static void what_is_no_fd_is_not_sent(void **state)
{
	struct world *world = *state;
	char byte;
	int fd = world->ends[0];
	size_t n_got;

	assert_int_equal(fd_send(world->ends[0], "x", 1, &(int){-1}, 1), -EBADF);
	assert_int_equal(fd_receive(world->ends[1], &byte, 1, &fd, 1, &n_got), -EAGAIN);
	assert_int_equal(fd_send(-1, "x", 1, NULL, 0), -EBADF);
	assert_int_equal(fd_receive(-1, &byte, 1, &fd, 1, &n_got), -EBADF);
	assert_int_equal(fd, world->ends[0]); /* untouched */
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_number_of_fds_arrives_in_order),
		TEST(more_fds_than_asked_for_are_no_message),
		TEST(fds_stay_with_their_bytes),
		TEST(nothing_is_waited_for),
		TEST(both_ends_see_that_the_other_has_gone),
		TEST(what_is_no_fd_is_not_sent),
	};

	/* tests/server/mutants runs those that must find a mistake. */
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
