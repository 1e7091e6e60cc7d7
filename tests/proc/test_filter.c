/* The filters of deployd-proc and deployd-probe: what they let through and what not. */
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
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/sandbox.h"

static char path[64];

/* How a child ends that does it under the filter of a reader: exit status or -signal.
 */
static int reads(void (*act)(void))
{
	static const int syscalls[] = {SCMP_SYS(openat)};
	struct errinfo ei;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    sandbox_seccomp_reading(syscalls, 1, &ei) < 0)
			_exit(99);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void open_as(int flags)
{
	if (openat(AT_FDCWD, path, flags, 0600) < 0)
		_exit(1);
}

static void open_to_read(void)
{
	open_as(O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static void open_directory(void)
{
	if (openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0)
		_exit(1);
}

static void open_to_write(void)
{
	open_as(O_WRONLY);
}

static void open_to_read_and_write(void)
{
	open_as(O_RDWR);
}

static void open_to_create(void)
{
	open_as(O_RDONLY | O_CREAT);
}

static void open_to_truncate(void)
{
	open_as(O_RDONLY | O_TRUNC);
}

static void open_nameless(void)
{
	(void)openat(AT_FDCWD, "/tmp", O_TMPFILE | O_RDWR, 0600);
}

static void trace(void)
{
	(void)ptrace(PTRACE_SEIZE, getppid(), 0, 0);
}

static void send_signal(void)
{
	(void)kill(getppid(), 0);
}

static void run(void)
{
	(void)execl("/bin/true", "true", NULL);
}

static void reader_only_reads(void **state)
{
	static void (*const forbidden[])(void) = {
		open_to_write,	open_to_read_and_write,
		open_to_create, open_to_truncate,
		open_nameless,	trace,
		send_signal,	run,
	};

	(void)state;
	assert_int_equal(reads(open_to_read), 0);
	assert_int_equal(reads(open_directory), 0);
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++)
		if (reads(forbidden[i]) != -SIGSYS)
			fail_msg("number %zu is not forbidden", i);
}

static void *nothing(void *argument)
{
	return argument;
}

/* In a child: which of these is let through; 0 = it is as it has to be. */
static int reach(void)
{
	struct rlimit limit;
	pthread_t thread;

	if (ptrace(PTRACE_SEIZE, getppid(), 0, 0) == 0 || errno != EPERM)
		return 1;
	if (kill(getppid(), 0) == 0 || errno != EPERM)
		return 2;
	if (prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) == 0 || errno != EPERM)
		return 3;
	if (syscall(SYS_pidfd_open, getppid(), 0) >= 0 || errno != EPERM)
		return 4;
	if (syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 || errno != EPERM)
		return 5;
	if (syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0) >= 0 ||
	    errno != EPERM)
		return 6;
	if (execl("/bin/true", "true", NULL) == 0 || errno != EPERM)
		return 7;
	if (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM)
		return 8;
	/* What libraries need all the same. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 9;
	if (raise(0) != 0)
		return 10;
	if (pthread_create(&thread, NULL, nothing, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0)
		return 11;
	return 0;
}

static void probe_reaches_nobody(void **state)
{
	struct errinfo ei;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				      sandbox_deny_reach(&ei) < 0
			      ? 99
			      : reach());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_only_reads),
		cmocka_unit_test(probe_reaches_nobody),
	};
	int fd, r;

	(void)strcpy(path, "/tmp/deployd-test-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return 1;
	(void)close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return r;
}
