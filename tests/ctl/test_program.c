/* The one way to run a program, and the one writer of files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "deploy/cleanup.h"
#include "process/program.h"
#include "util/newfile.h"

#define TEXT_MAX     4096
#define DEADLINE_SEC 30

static int64_t soon(void)
{
	return program_now_ms() + DEADLINE_SEC * INT64_C(1000);
}

/* Runs a shell with the command; what it writes to stdout is in *ret_text. */
static int shell(const char *command, const char *input, int64_t deadline_ms,
		 char **ret_text, int *ret_status)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	cleanup_close int in = input ? program_input(input) : PROGRAM_NULL, out = -1;
	int fds[2], r;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	out = fds[0];
	pid = program_start(&(struct program){.argv = argv,
					      .in = in,
					      .out = fds[1],
					      .err = PROGRAM_OURS,
					      .report = -1});
	(void)close(fds[1]);
	assert_true(pid > 0);
	r = program_read_text(out, deadline_ms, TEXT_MAX, ret_text);
	*ret_status = program_end(pid, r < 0);
	return r;
}

static void output_and_status_come_back(void **state)
{
	cleanup_free char *text = NULL;
	int status;

	(void)state;
	assert_int_equal(shell("cat; exit 7", "hello", soon(), &text, &status), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(status, 7);
}

static void without_input_it_reads_the_end(void **state)
{
	cleanup_free char *text = NULL;
	int status;

	(void)state;
	assert_int_equal(shell("cat; echo end", NULL, soon(), &text, &status), 0);
	assert_string_equal(text, "end\n");
	assert_int_equal(status, 0);
}

static void a_signal_is_no_status(void **state)
{
	cleanup_free char *text = NULL;
	int status;

	(void)state;
	assert_int_equal(shell("kill -TERM $$", NULL, soon(), &text, &status), 0);
	assert_int_equal(status, -SIGTERM);
}

static void one_that_does_not_end_is_killed(void **state)
{
	cleanup_free char *text = NULL;
	int status;

	(void)state;
	assert_int_equal(shell("exec cat /dev/zero > /dev/null", NULL,
			       program_now_ms() - 1, &text, &status),
			 -ETIMEDOUT);
	assert_null(text);
	assert_int_equal(status, -SIGKILL);
}

static void too_much_output_is_refused(void **state)
{
	cleanup_free char *text = NULL;
	int status;

	(void)state;
	assert_int_equal(shell("head -c 4096 /dev/zero", NULL, soon(), &text, &status),
			 0);
	free(text);
	text = NULL;
	assert_int_equal(shell("head -c 4097 /dev/zero", NULL, soon(), &text, &status),
			 -EFBIG);
	assert_null(text);
}

static int not_run(const struct program *program)
{
	return errno == ENOENT && strcmp(program->argv[0], "there-is-none") == 0 ? 42
										 : 1;
}

static void one_that_cannot_be_run_says_so(void **state)
{
	const char *argv[] = {"there-is-none", NULL};
	const char *directories[] = {"/usr/bin", "/bin", NULL};
	struct program program = {.argv = argv,
				  .in = PROGRAM_NULL,
				  .out = PROGRAM_NULL,
				  .err = PROGRAM_NULL,
				  .report = -1};

	(void)state;
	assert_int_equal(program_end(program_start(&program), false), PROGRAM_NOT_RUN);
	program.directories = directories;
	assert_int_equal(program_end(program_start(&program), false), PROGRAM_NOT_RUN);
	program.on_not_run = not_run;
	assert_int_equal(program_end(program_start(&program), false), 42);
}

static void it_inherits_what_it_is_given_and_nothing_else(void **state)
{
	static const char *const argv[] = {"/bin/sh", "-c", "echo $FOO >&3; env >&3",
					   NULL};
	static const char *const environment[] = {"FOO=bar", NULL};
	cleanup_free char *text = NULL;
	cleanup_close int out = -1;
	int fds[2];
	pid_t pid;

	(void)state;
	assert_int_equal(setenv("SECRET", "x", 1), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	out = fds[0];
	pid = program_start(&(struct program){.argv = argv,
					      .environment = environment,
					      .in = PROGRAM_NULL,
					      .out = PROGRAM_NULL,
					      .err = PROGRAM_NULL,
					      .report = fds[1]});
	(void)close(fds[1]);
	assert_int_equal(program_read_text(out, soon(), TEXT_MAX, &text), 0);
	assert_int_equal(program_end(pid, false), 0);
	assert_memory_equal(text, "bar\n", 4);
	assert_null(strstr(text, "SECRET"));
}

static int make_dir(char ret_path[64])
{
	int fd;

	(void)strcpy(ret_path, "/tmp/test_program.XXXXXX");
	assert_non_null(mkdtemp(ret_path));
	fd = open(ret_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void assert_content(int dir_fd, const char *name, const char *want)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(want));
	assert_string_equal(text, want);
}

static void a_file_is_old_until_it_is_new(void **state)
{
	char path[64];
	cleanup_close int dir_fd = make_dir(path);
	struct newfile file, stale;
	struct stat st;

	(void)state;
	assert_int_equal(newfile_open(&file, dir_fd, "f"), 0);
	assert_int_equal(write(file.fd, "old", 3), 3);
	assert_int_equal(newfile_commit(&file, true), 0);
	assert_content(dir_fd, "f", "old");
	/* One that died on the way has left its temporary name. */
	assert_int_equal(newfile_open(&stale, dir_fd, "f"), 0);
	assert_int_equal(write(stale.fd, "half", 4), 4);
	assert_content(dir_fd, "f", "old");
	(void)close(stale.fd);
	assert_int_equal(newfile_open(&file, dir_fd, "f"), 0);
	assert_int_equal(fstat(file.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
	newfile_discard(&file);
	newfile_discard(&file); /* harmless */
	assert_content(dir_fd, "f", "old");
	assert_int_equal(newfile_open(&file, dir_fd, "f"), 0);
	assert_int_equal(write(file.fd, "new", 3), 3);
	assert_int_equal(newfile_commit(&file, false), 0);
	assert_content(dir_fd, "f", "new");
	assert_int_equal(newfile_link(dir_fd, "f", "elsewhere"), 0);
	assert_int_equal(fstatat(dir_fd, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(unlinkat(dir_fd, "f", 0), 0);
	assert_int_equal(rmdir(path), 0); /* nothing else is left */
}

static void a_directory_in_its_place_leaves_nothing(void **state)
{
	char path[64];
	cleanup_close int dir_fd = make_dir(path);
	struct newfile file;

	(void)state;
	assert_int_equal(mkdirat(dir_fd, "d", 0700), 0);
	assert_int_equal(newfile_open(&file, dir_fd, "d"), 0);
	assert_int_equal(newfile_commit(&file, true), -EISDIR);
	assert_int_equal(newfile_link(dir_fd, "d", "x"), -EISDIR);
	assert_int_equal(unlinkat(dir_fd, "d", AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status_come_back),
		cmocka_unit_test(without_input_it_reads_the_end),
		cmocka_unit_test(a_signal_is_no_status),
		cmocka_unit_test(one_that_does_not_end_is_killed),
		cmocka_unit_test(too_much_output_is_refused),
		cmocka_unit_test(one_that_cannot_be_run_says_so),
		cmocka_unit_test(it_inherits_what_it_is_given_and_nothing_else),
		cmocka_unit_test(a_file_is_old_until_it_is_new),
		cmocka_unit_test(a_directory_in_its_place_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
