/* What deployd-session cannot do, seen from outside while it waits for its client. */
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
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/lockdown.h"
#include "util/sandbox.h"
#include "world.h"

#define STRANGER 61236

static struct world world;

static int set_up(void **state)
{
	(void)state;
	world_begin(&world);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)world_end(&world);
	return 0;
}

/* A line "NAME: NUMBER" of its /proc/PID/status. */
static long status_of(const char *name)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)world.pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = strtol(line + strlen(name) + 1, NULL, 10);
	(void)fclose(file);
	return value;
}

static void filter_is_in_force(void **state)
{
	(void)state;
	assert_int_equal(status_of("Seccomp"), 2);
	assert_int_equal(status_of("NoNewPrivs"), 1);
}

static void limits_are_in_force(void **state)
{
	static const struct {
		__rlimit_resource_t resource;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CORE, 0},	{RLIMIT_NPROC, 0},
		{RLIMIT_FSIZE, 0},	{RLIMIT_NOFILE, LOCKDOWN_FDS_MAX},
		{RLIMIT_AS, 64u << 20},
	};
	struct rlimit limit;

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		if (SANDBOX_SANITIZED && limits[i].resource == RLIMIT_AS)
			continue;
		if (prlimit(world.pid, limits[i].resource, NULL, &limit) < 0)
			skip(); /* not dumpable: root only */
		assert_int_equal(limit.rlim_cur, limits[i].most);
		assert_int_equal(limit.rlim_max, limits[i].most);
	}
}

/* The owner of what /proc shows of a process: root, if nobody else may look into it. */
static uid_t owner_of_proc(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	assert_int_equal(stat(path, &st), 0);
	return st.st_uid;
}

/* Exit status of a process of the stranger's that tries to trace pid. */
static int trace_as_stranger(pid_t pid)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(3);
		_exit(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 0
		      : errno == EPERM				 ? 1
								 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void none_of_its_user_may_look_into_it(void **state)
{
	struct world strange;

	(void)state;
	if (geteuid() != 0)
		skip();
	world_start_as(&strange, STRANGER);
	assert_int_equal(owner_of_proc(strange.pid), 0);
	assert_int_equal(trace_as_stranger(strange.pid), 1);
	(void)world_end(&strange);
}

/*
 * Stops a copy of the program with that mode at its first instruction, as STRANGER: the
 * owner of its /proc.
 */
static uid_t owner_at_exec(mode_t mode)
{
	char path[] = "/tmp/deployd-test-XXXXXX";
	int copy = mkstemp(path), program = open(SESSION, O_RDONLY | O_CLOEXEC);
	char *const argv[] = {path, NULL}, *const env[] = {NULL};
	uid_t owner;
	pid_t child;
	int status;

	assert_true(copy >= 0 && program >= 0);
	while (sendfile(copy, program, NULL, 1 << 20) > 0)
		;
	assert_int_equal(fchmod(copy, mode), 0);
	(void)close(copy);
	(void)close(program);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (setresuid(STRANGER, STRANGER, STRANGER) < 0 ||
		    ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(3);
		(void)execve(path, argv, env);
		_exit(4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	owner = owner_of_proc(child);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, &status, 0);
	(void)unlink(path);
	return owner;
}

/* Why it is installed so that its user cannot read it. */
static void mode_0711_protects_it_from_its_exec_on(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(owner_at_exec(0711), 0);
	assert_int_equal(owner_at_exec(0755), STRANGER);
}

/* --- what the filter kills -------------------------------------------------------- */

static void try_fcntl(void)
{
	(void)fcntl(0, F_SETOWN, getppid());
}

static void try_fcntl_dup(void)
{
	(void)fcntl(0, F_DUPFD, 10);
}

static void try_exec_memory(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
}

static const struct attempt {
	const char *name;
	long number;
	void (*call)(void); /* instead, where the arguments count */
} attempts[] = {
	{"socket", SYS_socket, NULL},
	{"socketpair", SYS_socketpair, NULL},
	{"connect", SYS_connect, NULL},
	{"bind", SYS_bind, NULL},
	{"accept4", SYS_accept4, NULL},
	{"sendmsg", SYS_sendmsg, NULL},
	{"sendmmsg", SYS_sendmmsg, NULL},
	{"openat", SYS_openat, NULL},
	{"memfd_create", SYS_memfd_create, NULL},
	{"execve", SYS_execve, NULL},
	{"execveat", SYS_execveat, NULL},
	{"clone", SYS_clone, NULL},
	{"clone3", SYS_clone3, NULL},
	{"splice", SYS_splice, NULL},
	{"vmsplice", SYS_vmsplice, NULL},
	{"tee", SYS_tee, NULL},
	{"sendfile", SYS_sendfile, NULL},
	{"kill", SYS_kill, NULL},
	{"tgkill", SYS_tgkill, NULL},
	{"pidfd_open", SYS_pidfd_open, NULL},
	{"pidfd_send_signal", SYS_pidfd_send_signal, NULL},
	{"pidfd_getfd", SYS_pidfd_getfd, NULL},
	{"ptrace", SYS_ptrace, NULL},
	{"process_vm_readv", SYS_process_vm_readv, NULL},
	{"prlimit64", SYS_prlimit64, NULL},
	{"prctl", SYS_prctl, NULL},
	{"ioctl", SYS_ioctl, NULL},
	{"keyctl", SYS_keyctl, NULL},
	{"unshare", SYS_unshare, NULL},
	{"setns", SYS_setns, NULL},
	{"bpf", SYS_bpf, NULL},
	{"io_uring_setup", 425, NULL},
	{"userfaultfd", SYS_userfaultfd, NULL},
	{"dup3", SYS_dup3, NULL},
	{"fcntl(F_SETOWN)", 0, try_fcntl},
	{"fcntl(F_DUPFD)", 0, try_fcntl_dup},
	{"mmap(PROT_EXEC)", 0, try_exec_memory},
};

static void forbidden_calls_are_deadly(void **state)
{
	(void)state;
	if (SANDBOX_SANITIZED)
		skip();
	for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
		int status = 0;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			struct errinfo ei = {0};

			if (lockdown_enter(&ei) < 0)
				_exit(3);
			if (attempts[i].call)
				attempts[i].call();
			else
				(void)syscall(attempts[i].number, 0, 0, 0, 0, 0, 0);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: wait status %d", attempts[i].name, status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_is_in_force),
		cmocka_unit_test(limits_are_in_force),
		cmocka_unit_test(none_of_its_user_may_look_into_it),
		cmocka_unit_test(mode_0711_protects_it_from_its_exec_on),
		cmocka_unit_test(forbidden_calls_are_deadly),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
