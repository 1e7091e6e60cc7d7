/* A deployd-session that waits does not turn in its loop, whatever it waits for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/session_protocol.h"
#include "world.h"

#define CALL "{\"method\":\"io.deployd.Deploy\",\"more\":true}"

/* In OBSERVED_MSEC a loop that never sleeps runs for most of the time. */
#define OBSERVED_MSEC 300
#define BUSY_NSEC_MAX 100000000LL

static long long cpu_ns(const struct world *world)
{
	char path[64];
	long long ns = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)world->pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lld", &ns), 1);
	(void)fclose(file);
	return ns;
}

/* To be called when the session has answered everything: nothing_comes_up(). */
static void assert_rests(struct world *world)
{
	struct pollfd p = {.fd = world->report_fd, .events = POLLIN};
	long long before;

	assert_true(nothing_comes_up(world));
	before = cpu_ns(world);
	assert_int_equal(poll(&p, 1, OBSERVED_MSEC), 0);
	assert_in_range(cpu_ns(world) - before, 0, BUSY_NSEC_MAX);
}

static void begin_archive(struct world *world, int fd)
{
	world_begin(world);
	client_send(world, CALL, sizeof(CALL), &fd, 1);
	expect_request(world, 1, 1);
	say(world,
	    json_pack("{s:s, s:i, s:i}", "type", "archive", "request", 1, "index", 0));
}

static void without_a_client(void **state)
{
	struct world world;

	(void)state;
	world_start(&world);
	assert_rests(&world);
	(void)world_end(&world);
}

static void with_a_client_that_is_silent(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	assert_rests(&world);
	client_send(&world, CALL, 5, NULL, 0);
	assert_rests(&world);
	(void)world_end(&world);
}

static void with_a_request_under_way(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_call(&world, "a.B", false);
	client_call(&world, "a.B", false);
	expect_request(&world, 1, 0);
	assert_rests(&world);
	assert_int_equal(shutdown(world.client_fd, SHUT_WR), 0);
	assert_rests(&world);
	answer(&world, 1, 1);
	expect_request(&world, 2, 0);
	answer_big(&world, 2, 900000);
	assert_rests(&world);
	(void)world_end(&world);
}

static void with_a_client_that_has_gone(void **state)
{
	struct world world;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	world_begin(&world);
	client_send(&world, CALL, sizeof(CALL), &null_fd, 1);
	expect_request(&world, 1, 1);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	assert_rests(&world);
	(void)close(null_fd);
	(void)world_end(&world);
}

static void with_an_archive_that_does_not_come(void **state)
{
	struct world world;
	int ends[2], out[2];

	(void)state;
	make_pipe(ends);
	make_pipe(out);
	begin_archive(&world, ends[0]);
	assert_rests(&world);
	say_fd(&world, json_pack("{s:s}", "type", "pump"), out[1]);
	(void)close(out[1]);
	assert_rests(&world);
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(out[0]);
	(void)world_end(&world);
}

static void with_an_archive_that_nobody_takes(void **state)
{
	size_t length = SESSION_AHEAD_BYTES + (2u << 20);
	struct world world;
	int file = -1, out[2];
	FILE *stream = tmpfile();

	(void)state;
	assert_non_null(stream);
	file = fileno(stream);
	assert_int_equal(ftruncate(file, (off_t)length), 0);
	make_pipe(out);
	begin_archive(&world, file);
	skip_word(&world, "archive");
	assert_rests(&world);
	say_fd(&world, json_pack("{s:s}", "type", "pump"), out[1]);
	(void)close(out[1]);
	assert_rests(&world); /* the pipe is full */
	(void)close(out[0]);
	(void)fclose(stream);
	(void)world_end(&world);
}

/* It was read to its end, and both ends of what it came from are closed. */
static void with_a_complete_archive(void **state)
{
	struct world world;
	int ends[2];

	(void)state;
	make_pipe(ends);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	begin_archive(&world, ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
	skip_word(&world, "archive");
	assert_rests(&world);
	(void)world_end(&world);
}

static void with_lines_that_nobody_reads(void **state)
{
	static char text[200000];
	struct world world;
	int ends[2];

	(void)state;
	world_begin(&world);
	client_call(&world, "io.deployd.Logs", true);
	expect_request(&world, 1, 0);
	make_pipe(ends);
	say_fd(&world, json_pack("{s:s, s:i}", "type", "lines", "request", 1), ends[0]);
	(void)close(ends[0]);
	assert_rests(&world);
	memset(text, '\n', sizeof(text));
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; i < 20; i++) {
		(void)!write(ends[1], text, sizeof(text));
		assert_true(nothing_comes_up(&world));
	}
	assert_rests(&world);
	(void)close(ends[1]);
	assert_rests(&world);
	(void)world_end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_client),
		cmocka_unit_test(with_a_client_that_is_silent),
		cmocka_unit_test(with_a_request_under_way),
		cmocka_unit_test(with_a_client_that_has_gone),
		cmocka_unit_test(with_an_archive_that_does_not_come),
		cmocka_unit_test(with_an_archive_that_nobody_takes),
		cmocka_unit_test(with_a_complete_archive),
		cmocka_unit_test(with_lines_that_nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
