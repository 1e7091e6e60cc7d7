/* deployd-session and the archive. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/session_protocol.h"
#include "world.h"

#define CALL "{\"method\":\"io.deployd.Deploy\",\"more\":true}"

#define LARGE_BYTES ((size_t)(SESSION_AHEAD_BYTES * 2 + 12345))

static unsigned char *data;

static int set_up(void **state)
{
	uint32_t x = 7;

	(void)state;
	data = malloc(LARGE_BYTES);
	for (size_t i = 0; data && i < LARGE_BYTES; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (unsigned char)(x >> 24);
	}
	return data ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(data);
	return 0;
}

/* A client sends a call with fd, which stays the caller's; deployd wants it. */
static void begin(struct world *world, int fd)
{
	world_begin(world);
	client_send(world, CALL, sizeof(CALL), &fd, 1);
	expect_request(world, 1, 1);
	say(world,
	    json_pack("{s:s, s:i, s:i}", "type", "archive", "request", 1, "index", 0));
}

static void expect_state(struct world *world, const char *state, json_int_t bytes,
			 json_int_t total)
{
	json_t *word = expect_word(world, "archive");

	assert_string_equal(text_of(word, "state"), state);
	if (bytes >= 0)
		assert_int_equal(number_of(word, "bytes"), bytes);
	assert_int_equal(number_of(word, "total"), total);
	json_decref(word);
}

static void expect_failure(struct world *world, const char *message, const char *result)
{
	json_t *word = expect_word(world, "archive");

	assert_string_equal(text_of(word, "state"), "failed");
	assert_string_equal(text_of(word, "message"), message);
	assert_string_equal(text_of(word, "result"), result);
	json_decref(word);
}

/* Hands a pipe over; the end to read from. */
static int pump(struct world *world)
{
	int ends[2];

	make_pipe(ends);
	say_fd(world, json_pack("{s:s}", "type", "pump"), ends[1]);
	(void)close(ends[1]);
	return ends[0];
}

static void expect_bytes(int fd, size_t from, size_t length)
{
	static unsigned char got[65536];

	while (length > 0) {
		size_t want = length < sizeof(got) ? length : sizeof(got);
		ssize_t n;

		wait_readable(fd);
		n = read(fd, got, want);
		assert_true(n > 0);
		assert_memory_equal(got, data + from, (size_t)n);
		from += (size_t)n;
		length -= (size_t)n;
	}
}

static void expect_no_more_bytes(int fd)
{
	char byte;

	wait_readable(fd);
	assert_int_equal(read(fd, &byte, 1), 0);
	(void)close(fd);
}

static int make_file(size_t length)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t at = 0; at < length;) {
		ssize_t n = pwrite(fd, data + at, length - at, (off_t)at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	return fd;
}

/* Another process writes the bytes into fd, so that nobody waits for anybody. */
static pid_t write_elsewhere(int fd, size_t length)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	for (size_t at = 0; at < length;) {
		ssize_t n = write(fd, data + at, length - at);

		if (n <= 0)
			_exit(1);
		at += (size_t)n;
	}
	_exit(0);
}

static void small_file_is_complete_at_once(void **state)
{
	int fd = make_file(1000), out;
	struct world world;

	(void)state;
	begin(&world, fd);
	(void)close(fd);
	expect_state(&world, "flows", 0, 1000);
	expect_state(&world, "complete", 1000, 1000);
	out = pump(&world);
	expect_bytes(out, 0, 1000);
	expect_no_more_bytes(out);
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	assert_ended(&world);
}

static void large_file_flows_and_is_read_from_its_offset(void **state)
{
	int fd = make_file(LARGE_BYTES), out;
	struct world world;

	(void)state;
	assert_int_equal(lseek(fd, 100, SEEK_SET), 100);
	begin(&world, fd);
	expect_state(&world, "flows", -1, (json_int_t)LARGE_BYTES - 100);
	assert_true(nothing_comes_up(&world));
	out = pump(&world);
	expect_bytes(out, 100, LARGE_BYTES - 100);
	expect_state(&world, "complete", (json_int_t)LARGE_BYTES - 100,
		     (json_int_t)LARGE_BYTES - 100);
	expect_no_more_bytes(out);
	/* The client's offset and flags were left alone. */
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	(void)close(fd);
	assert_ended(&world);
}

static void slow_pipe_goes_through_as_it_comes(void **state)
{
	struct world world;
	int ends[2], out;

	(void)state;
	make_pipe(ends);
	begin(&world, ends[0]);
	assert_true(nothing_comes_up(&world));
	out = pump(&world);
	for (size_t at = 0; at < 50; at += 5) {
		assert_int_equal(write(ends[1], data + at, 5), 5);
		expect_bytes(out, at, 5);
	}
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	expect_state(&world, "complete", 50, -1);
	expect_no_more_bytes(out);
	assert_ended(&world);
}

static void stream_is_read_ahead_so_far_and_no_further(void **state)
{
	struct world world;
	struct pollfd p;
	int ends[2], out;
	pid_t writer;

	(void)state;
	for (int use_socket = 0; use_socket < 2; use_socket++) {
		if (use_socket)
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
						    0, ends),
					 0);
		else
			make_pipe(ends);
		begin(&world, ends[0]);
		writer = write_elsewhere(ends[1], LARGE_BYTES);
		expect_state(&world, "flows", SESSION_AHEAD_BYTES, -1);
		assert_true(nothing_comes_up(&world));
		p = (struct pollfd){.fd = ends[0], .events = POLLIN};
		assert_int_equal(poll(&p, 1, -1), 1); /* the rest stays there */
		(void)close(ends[0]);
		(void)close(ends[1]);
		out = pump(&world);
		expect_bytes(out, 0, LARGE_BYTES);
		expect_state(&world, "complete", (json_int_t)LARGE_BYTES, -1);
		expect_no_more_bytes(out);
		assert_int_equal(waitpid(writer, NULL, 0), writer);
		assert_ended(&world);
	}
}

static void archive_outlives_its_client(void **state)
{
	int fd = make_file(LARGE_BYTES), out;
	struct world world;

	(void)state;
	begin(&world, fd);
	(void)close(fd);
	expect_state(&world, "flows", -1, (json_int_t)LARGE_BYTES);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	answer(&world, 1, 1);
	assert_true(nothing_comes_up(&world));
	out = pump(&world);
	expect_bytes(out, 0, LARGE_BYTES);
	expect_state(&world, "complete", (json_int_t)LARGE_BYTES,
		     (json_int_t)LARGE_BYTES);
	expect_no_more_bytes(out);
	expect_end(&world);
	assert_ended(&world);
}

static void dropped_archive_ends_with_its_client(void **state)
{
	int fd = make_file(LARGE_BYTES);
	struct world world;

	(void)state;
	for (int drop_first = 0; drop_first < 2; drop_first++) {
		begin(&world, fd);
		expect_state(&world, "flows", -1, (json_int_t)LARGE_BYTES);
		if (drop_first)
			say(&world, json_pack("{s:s}", "type", "drop"));
		answer(&world, 1, 1);
		client_expect_answer(&world, 1);
		(void)close(world.client_fd);
		world.client_fd = -1;
		skip_word(&world, "gone");
		if (!drop_first) {
			assert_true(nothing_comes_up(&world));
			say(&world, json_pack("{s:s}", "type", "drop"));
		}
		expect_end(&world);
		assert_ended(&world);
	}
	(void)close(fd);
}

static void unpacker_that_goes_ends_it_quietly(void **state)
{
	int fd = make_file(LARGE_BYTES), out;
	struct world world;

	(void)state;
	begin(&world, fd);
	(void)close(fd);
	expect_state(&world, "flows", -1, (json_int_t)LARGE_BYTES);
	out = pump(&world);
	expect_bytes(out, 0, 1000);
	(void)close(out);
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	assert_true(nothing_comes_up(&world));
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	expect_end(&world);
	assert_ended(&world);
}

static void unpacker_that_goes_is_seen_while_nothing_flows(void **state)
{
	struct world world;
	int ends[2], out;

	(void)state;
	make_pipe(ends);
	begin(&world, ends[0]);
	out = pump(&world);
	(void)close(out);
	(void)close(world.client_fd);
	world.client_fd = -1;
	skip_word(&world, "gone");
	answer(&world, 1, 1);
	expect_end(&world);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_ended(&world);
}

static void what_is_no_archive_fails(void **state)
{
	static const struct {
		const char *path;
		int flags;
		const char *message;
	} cases[] = {
		{"/", O_RDONLY, "the archive is a directory; pack it with tar first"},
		{"/dev/null", O_RDONLY, "the archive is a device, not a file"},
		{"/proc/self/status", O_RDONLY,
		 "the archive is an object of the kernel, not a file"},
		{"/", O_PATH, "the archive was not opened for reading (O_PATH)"},
	};
	struct world world;
	int fd, out;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		fd = open(cases[i].path, cases[i].flags | O_CLOEXEC);
		assert_true(fd >= 0);
		begin(&world, fd);
		(void)close(fd);
		expect_failure(&world, cases[i].message, "rejected");
		out = pump(&world);
		expect_no_more_bytes(out);
		answer(&world, 1, 1);
		client_expect_answer(&world, 1);
		assert_ended(&world);
	}
}

static void fd_that_did_not_come_fails(void **state)
{
	struct world world;

	(void)state;
	world_begin(&world);
	client_send(&world, CALL, sizeof(CALL), NULL, 0);
	expect_request(&world, 1, 0);
	say(&world,
	    json_pack("{s:s, s:i, s:i}", "type", "archive", "request", 1, "index", 0));
	expect_failure(&world, "the request came without the archive's file descriptor",
		       "rejected");
	assert_ended(&world);
}

static void failure_is_told_before_the_pipe_ends(void **state)
{
	struct world world;
	int ends[2], out;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	begin(&world, ends[0]);
	out = pump(&world);
	assert_int_equal(write(ends[1], data, 100), 100);
	expect_bytes(out, 0, 100);
	/* Closed with something unread: the reader gets ECONNRESET. */
	assert_int_equal(write(ends[0], "x", 1), 1);
	(void)close(ends[1]);
	wait_readable(out);
	expect_failure(&world, "cannot read the archive: Connection reset by peer",
		       "failed");
	expect_no_more_bytes(out);
	(void)close(ends[0]);
	assert_ended(&world);
}

static void second_archive_after_the_first(void **state)
{
	int fd = make_file(1000), out;
	struct world world;

	(void)state;
	begin(&world, fd);
	expect_state(&world, "flows", -1, 1000);
	expect_state(&world, "complete", 1000, 1000);
	out = pump(&world);
	expect_bytes(out, 0, 1000);
	expect_no_more_bytes(out);
	answer(&world, 1, 1);
	client_expect_answer(&world, 1);
	client_send(&world, CALL, sizeof(CALL), &fd, 1);
	expect_request(&world, 2, 1);
	say(&world,
	    json_pack("{s:s, s:i, s:i}", "type", "archive", "request", 2, "index", 0));
	expect_state(&world, "flows", -1, 1000);
	expect_state(&world, "complete", 1000, 1000);
	/* but not beside it */
	say(&world,
	    json_pack("{s:s, s:i, s:i}", "type", "archive", "request", 2, "index", 0));
	expect_end(&world);
	(void)close(fd);
	(void)world_end(&world);
}

static void deployd_goes_while_the_archive_flows(void **state)
{
	int fd = make_file(LARGE_BYTES), out;
	struct world world;
	json_t *message;

	(void)state;
	for (int client_too = 0; client_too < 2; client_too++) {
		begin(&world, fd);
		expect_state(&world, "flows", -1, (json_int_t)LARGE_BYTES);
		out = pump(&world);
		expect_bytes(out, 0, 1000);
		if (client_too) {
			(void)close(world.client_fd);
			world.client_fd = -1;
			skip_word(&world, "gone");
		}
		(void)close(world.words_fd);
		world.words_fd = -1;
		if (!client_too) {
			message = client_expect(&world);
			assert_string_equal(text_of(message, "error"),
					    "io.deployd.Failed");
			json_decref(message);
			client_expect_end(&world);
		}
		expect_end(&world);
		(void)close(out);
		assert_ended(&world);
	}
	(void)close(fd);
}

/* --- lines -------------------------------------------------------------------------
 */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_file_is_complete_at_once),
		cmocka_unit_test(large_file_flows_and_is_read_from_its_offset),
		cmocka_unit_test(slow_pipe_goes_through_as_it_comes),
		cmocka_unit_test(stream_is_read_ahead_so_far_and_no_further),
		cmocka_unit_test(archive_outlives_its_client),
		cmocka_unit_test(dropped_archive_ends_with_its_client),
		cmocka_unit_test(unpacker_that_goes_ends_it_quietly),
		cmocka_unit_test(unpacker_that_goes_is_seen_while_nothing_flows),
		cmocka_unit_test(what_is_no_archive_fails),
		cmocka_unit_test(fd_that_did_not_come_fails),
		cmocka_unit_test(failure_is_told_before_the_pipe_ends),
		cmocka_unit_test(second_archive_after_the_first),
		cmocka_unit_test(deployd_goes_while_the_archive_flows),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
