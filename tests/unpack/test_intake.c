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
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"

#define DATA_BYTES (3u << 20)

static unsigned char *data;

static int set_up(void **state)
{
	uint32_t x = 7;

	(void)state;
	data = malloc(DATA_BYTES);
	for (size_t i = 0; data && i < DATA_BYTES; i++) {
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

static struct helper start_paced(int in, int out, const char *max_bytes,
				 unsigned int idle_sec, uint64_t min_rate)
{
	char max_arg[64], idle_arg[64], rate_arg[64];
	const char *argv[] = {"deployd-intake", "--uid=61234", "--gid=61235", max_arg,
			      idle_arg,		rate_arg,      NULL};

	(void)snprintf(max_arg, sizeof(max_arg), "--max-bytes=%s", max_bytes);
	(void)snprintf(idle_arg, sizeof(idle_arg), "--idle-sec=%u", idle_sec);
	(void)snprintf(rate_arg, sizeof(rate_arg), "--min-rate=%llu",
		       (unsigned long long)min_rate);
	return helper_start(INTAKE, argv, in, out);
}

static struct helper start(int in, int out, const char *max_bytes)
{
	return start_paced(in, out, max_bytes, 1, 0);
}

static void hex_of(const unsigned char *bytes, size_t length, char ret_hex[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	assert_int_equal(EVP_Digest(bytes, length, digest, &n, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < n; i++)
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

/* Reads out to its end and compares it with what must have come through. */
static void assert_passed_on(int out, const unsigned char *bytes, size_t length)
{
	unsigned char buf[65536];
	size_t at = 0;
	ssize_t n;

	while ((n = read(out, buf, sizeof(buf))) > 0) {
		assert_true(at + (size_t)n <= length);
		assert_memory_equal(buf, bytes + at, (size_t)n);
		at += (size_t)n;
	}
	assert_int_equal(at, length);
}

static void assert_ok(struct outcome outcome, const unsigned char *bytes, size_t length)
{
	char hex[65];

	hex_of(bytes, length, hex);
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_string_equal(
		json_string_value(json_object_get(outcome.result, "sha256")), hex);
	assert_int_equal(json_integer_value(json_object_get(outcome.result, "bytes")),
			 length);
	assert_true(outcome.n_progress > 0);
	outcome_deinit(&outcome);
}

/* From in to the end, compared with bytes; in is closed. */
static void assert_taken(int in, const unsigned char *bytes, size_t length)
{
	struct helper helper;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	helper = start(in, ends[1], "3145728");
	(void)close(in);
	(void)close(ends[1]);
	assert_passed_on(ends[0], bytes, length);
	assert_ok(helper_finish(helper), bytes, length);
	(void)close(ends[0]);
}

static void refused(int in, const char *result, const char *words)
{
	struct outcome outcome = helper_finish(start(in, -1, "3145728"));

	(void)printf("%s: %s\n", outcome_result(&outcome), outcome_message(&outcome));
	assert_int_equal(outcome.status, 0);
	assert_string_equal(outcome_result(&outcome), result);
	assert_non_null(strstr(outcome_message(&outcome), words));
	outcome_deinit(&outcome);
	if (in >= 0)
		(void)close(in);
}

/* A file only root can open: the fd is what counts. */
static int data_file(size_t length)
{
	char path[] = "/tmp/deployd-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(unlink(path), 0);
	assert_true(write(fd, data, length) == (ssize_t)length);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void file_is_read_from_its_offset(void **state)
{
	int fd;

	(void)state;
	assert_taken(data_file(DATA_BYTES), data, DATA_BYTES);
	assert_taken(data_file(1), data, 1);
	fd = data_file(DATA_BYTES);
	assert_int_equal(lseek(fd, 1000, SEEK_SET), 1000);
	assert_taken(fd, data + 1000, DATA_BYTES - 1000);
}

static void memfd_is_a_file(void **state)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && write(fd, data, 5000) == 5000);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_taken(fd, data, 5000);
}

/* Writes data into fd from another process, in pieces that never match a buffer. */
static pid_t feed(int fd)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0) {
		(void)close(fd);
		return pid;
	}
	for (size_t at = 0; at < DATA_BYTES;) {
		size_t n = DATA_BYTES - at < 4099 ? DATA_BYTES - at : 4099;
		ssize_t r = write(fd, data + at, n);

		if (r < 0)
			_exit(1);
		at += (size_t)r;
	}
	_exit(0);
}

static void stream_is_read_to_its_end(void **state)
{
	int ends[2];
	pid_t pid;
	int status;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		if (kind < 2)
			assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		else
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
						    0, ends),
					 0);
		if (kind == 1)
			assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
		pid = feed(ends[1]);
		assert_taken(ends[0], data, DATA_BYTES);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void empty_is_refused(void **state)
{
	int ends[2], fd;

	(void)state;
	refused(data_file(0), "rejected", "is empty (0 bytes)");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)close(ends[1]);
	refused(ends[0], "rejected", "is empty (0 bytes)");
	fd = data_file(10);
	assert_int_equal(lseek(fd, 0, SEEK_END), 10);
	refused(fd, "rejected", "already read to its end");
}

static int open_or_skip(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		skip();
	return fd;
}

static void what_is_no_archive_is_refused(void **state)
{
	int ends[2];

	(void)state;
	refused(open_or_skip("/tmp", O_RDONLY), "rejected", "is a directory");
	refused(open_or_skip("/dev/null", O_RDONLY), "rejected", "is a device");
	refused(open_or_skip("/dev/zero", O_RDONLY), "rejected", "is a device");
	refused(open_or_skip("/etc/passwd", O_PATH), "rejected", "O_PATH");
	refused(open_or_skip("/proc/self/mem", O_RDONLY), "rejected", "of the kernel");
	refused(open_or_skip("/proc/version", O_RDONLY), "rejected", "of the kernel");
	refused(open_or_skip("/proc/self/ns/mnt", O_RDONLY), "rejected",
		"of the kernel");
	refused(epoll_create1(EPOLL_CLOEXEC), "rejected", "of the kernel");
	refused(eventfd(0, EFD_CLOEXEC), "rejected", "of the kernel");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refused(ends[1], "rejected", "for writing only");
	(void)close(ends[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	(void)close(ends[1]);
	refused(ends[0], "rejected", "is empty (0 bytes)");
	refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "failed",
		"cannot read the archive");
}

static void size_is_limited(void **state)
{
	struct outcome outcome;
	int fd = data_file(5000), ends[2];

	(void)state;
	outcome = helper_finish(start(fd, -1, "4999"));
	assert_string_equal(outcome_result(&outcome), "rejected");
	assert_non_null(strstr(outcome_message(&outcome), "max_archive_bytes (4999)"));
	outcome_deinit(&outcome);
	outcome = helper_finish(start(fd, -1, "5000"));
	assert_string_equal(outcome_result(&outcome), "ok");
	outcome_deinit(&outcome);
	(void)close(fd);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], data, 5000), 5000);
	(void)close(ends[1]);
	outcome = helper_finish(start(ends[0], -1, "4999"));
	assert_string_equal(outcome_result(&outcome), "rejected");
	outcome_deinit(&outcome);
	(void)close(ends[0]);
}

static void idle_client_is_given_up(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refused(ends[0], "failed", "no archive bytes arrived for 1 s");
	(void)close(ends[1]);
}

/*
 * Sends the next byte when the last one has come through: slower than any archive, and
 * never idle. False: intake has ended; then its error is of the write or the read.
 */
static bool drip(int in, int out)
{
	char byte = 'x';

	return write(in, &byte, 1) == 1 && read(out, &byte, 1) == 1;
}

static void dripping_sender_is_given_up(void **state)
{
	struct outcome outcome;
	struct helper helper;
	int in[2], out[2];
	unsigned int sent = 0;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	/* No ping-pong of bytes is as fast as a TiB/s. */
	helper = start_paced(in[0], out[1], "3145728000", 1, UINT64_C(1) << 40);
	(void)close(in[0]);
	(void)close(out[1]);
	while (drip(in[1], out[0]))
		sent++;
	outcome = helper_finish(helper);
	(void)printf("%u bytes: %s\n", sent, outcome_message(&outcome));
	assert_true(sent > 0);
	assert_string_equal(outcome_result(&outcome), "failed");
	assert_non_null(strstr(outcome_message(&outcome), "arrived too slowly: "));
	assert_non_null(strstr(outcome_message(&outcome),
			       " bytes in 1 s, and intake_min_bytes_per_sec is "
			       "1099511627776"));
	outcome_deinit(&outcome);
	(void)close(in[1]);
	(void)close(out[0]);
}

/* An intake that nobody sends anything: its end says that its idle_sec is over. */
static void wait_for_idle_end(unsigned int idle_sec)
{
	struct outcome outcome;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	outcome = helper_finish(start_paced(ends[0], -1, "10", idle_sec, 0));
	assert_non_null(strstr(outcome_message(&outcome), "no archive bytes arrived"));
	outcome_deinit(&outcome);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/*
 * The unpacker takes nothing for longer than the window, and the rate asked for is out
 * of reach: that the sender could not send is not held against it.
 */
static void slow_unpacker_is_not_the_sender(void **state)
{
	const int bytes = 1 << 20; /* as many as a pipe may hold without privileges */
	struct helper helper;
	int in[2], out[2];

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	/* A socket, which intake cannot make hold all of it. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out), 0);
	assert_true(fcntl(in[1], F_SETPIPE_SZ, bytes) >= bytes);
	assert_int_equal(write(in[1], data, (size_t)bytes), bytes);
	(void)close(in[1]);
	helper = start_paced(in[0], out[1], "3145728", 1, UINT64_C(1) << 40);
	(void)close(in[0]);
	(void)close(out[1]);
	wait_for_idle_end(2);
	assert_passed_on(out[0], data, (size_t)bytes);
	assert_ok(helper_finish(helper), data, (size_t)bytes);
	(void)close(out[0]);
}

static void early_refusal_of_unpack_ends_it(void **state)
{
	struct outcome outcome;
	int fd = data_file(DATA_BYTES), ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	(void)close(ends[0]);
	outcome = helper_finish(start(fd, ends[1], "3145728"));
	assert_string_equal(outcome_result(&outcome), "failed");
	assert_string_equal(outcome_message(&outcome), "unpack closed the pipe");
	assert_true(json_is_true(json_object_get(outcome.result, "epipe")));
	outcome_deinit(&outcome);
	(void)close(ends[1]);
	(void)close(fd);
}

static void it_does_not_run_as_root_or_without_root(void **state)
{
	const char *argv[] = {
		"deployd-intake", "--uid=0",	  "--gid=61235", "--max-bytes=1",
		"--idle-sec=1",	  "--min-rate=0", NULL};
	struct outcome outcome;
	int fd = data_file(10), status;
	pid_t pid;

	(void)state;
	outcome = helper_finish(helper_start(INTAKE, argv, fd, -1));
	assert_string_equal(outcome_result(&outcome), "failed");
	outcome_deinit(&outcome);

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgid(61235) < 0 || setuid(61234) < 0)
			_exit(1);
		outcome = helper_finish(start(fd, -1, "100"));
		_exit(strcmp(outcome_result(&outcome), "failed") == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(fd);
}

/* Its output goes through a pipe whose end shows that it is gone. */
static void it_dies_with_its_parent(void **state)
{
	const char *argv[] = {
		"deployd-intake", "--uid=61234",  "--gid=61235", "--max-bytes=10",
		"--idle-sec=60",  "--min-rate=0", NULL};
	struct pollfd p = {.events = POLLIN};
	int in[2], out[2], status;
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)helper_start(INTAKE, argv, in[0], out[1]);
		(void)close(out[1]);
		(void)pause();
		_exit(0);
	}
	(void)close(out[1]);
	/* Passed on: it is in its sandbox and waits for more. */
	assert_int_equal(write(in[1], "x", 1), 1);
	assert_int_equal(read(out[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	p.fd = out[0];
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(out[0], &byte, 1), 0);
	(void)close(out[0]);
	(void)close(in[0]);
	(void)close(in[1]);
}

/* The two as deployd connects them, with an archive that is mostly padding. */
static void intake_and_unpack_work_together(void **state)
{
	char *scratch = scratch_make(), *staging = staging_make(scratch);
	struct helper intake, unpack;
	struct outcome outcome;
	char text[4096];
	int fd, ends[2];

	(void)state;
	(void)snprintf(text, sizeof(text), "%s '%s' --bomb-mib=1", MAKE_ARCHIVES,
		       scratch);
	assert_int_equal(system(text), 0);
	(void)snprintf(text, sizeof(text), "%s/good/padded.tar", scratch);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	unpack = unpack_start(UNPACK, staging, ends[0]);
	intake = start(fd, ends[1], "3145728");
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(fd);
	outcome = helper_finish(unpack);
	assert_string_equal(outcome_result(&outcome), "ok");
	outcome_deinit(&outcome);
	outcome = helper_finish(intake);
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_true(json_integer_value(json_object_get(outcome.result, "bytes")) >
		    1 << 20);
	outcome_deinit(&outcome);
	free(staging);
	scratch_remove(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_read_from_its_offset),
		cmocka_unit_test(memfd_is_a_file),
		cmocka_unit_test(stream_is_read_to_its_end),
		cmocka_unit_test(empty_is_refused),
		cmocka_unit_test(what_is_no_archive_is_refused),
		cmocka_unit_test(size_is_limited),
		cmocka_unit_test(idle_client_is_given_up),
		cmocka_unit_test(dripping_sender_is_given_up),
		cmocka_unit_test(slow_unpacker_is_not_the_sender),
		cmocka_unit_test(early_refusal_of_unpack_ends_it),
		cmocka_unit_test(it_does_not_run_as_root_or_without_root),
		cmocka_unit_test(it_dies_with_its_parent),
		cmocka_unit_test(intake_and_unpack_work_together),
	};

	require_root();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
