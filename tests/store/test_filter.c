/* The filter and the capabilities of deployd-store: what they let through and what not.
 */
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
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/lockdown.h"
#include "util/sandbox.h"

static char directory[64];
static int dir_fd;

/* How a child ends that does it once it is locked down: exit status or -signal. */
static int locked_down(bool reads_all, int (*act)(void))
{
	struct errinfo ei = {0};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(lockdown(reads_all, &ei) < 0 ? 99 : act());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int work_on_files(void)
{
	char target[16];
	struct stat st;
	int fd;

	if (mkdirat(dir_fd, "d", 0700) < 0)
		return 1;
	fd = openat(dir_fd, "d/f", O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || fchown(fd, 0, 1) < 0 || fchmod(fd, 0640) < 0 || fsync(fd) < 0)
		return 2;
	if (symlinkat("f", dir_fd, "d/l") < 0 ||
	    readlinkat(dir_fd, "d/l", target, sizeof(target)) != 1)
		return 3;
	if (renameat(dir_fd, "d/l", dir_fd, "d/m") < 0 ||
	    fstatat(dir_fd, "d/m", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 4;
	if (unlinkat(dir_fd, "d/m", 0) < 0 || unlinkat(dir_fd, "d/f", 0) < 0 ||
	    unlinkat(dir_fd, "d", AT_REMOVEDIR) < 0 || syncfs(dir_fd) < 0)
		return 5;
	return 0;
}

/* Root without CAP_DAC_OVERRIDE or CAP_DAC_READ_SEARCH is shut out by a mode. */
static int read_closed(void)
{
	return openat(dir_fd, "closed", O_RDONLY) < 0 && errno == EACCES ? 1 : 0;
}

static int trace(void)
{
	return (int)ptrace(PTRACE_SEIZE, getppid(), 0, 0);
}

static int send_signal(void)
{
	return kill(1, 0);
}

static int run(void)
{
	return execl("/bin/true", "true", NULL);
}

static int start_process(void)
{
	return fork() < 0;
}

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int mount_something(void)
{
	return mount("tmpfs", directory, "tmpfs", 0, NULL);
}

static int make_setuid(void)
{
	return fchmod(dir_fd, 04755);
}

static int make_setuid_by_name(void)
{
	return chmod(directory, 04755);
}

static int make_sticky_file(void)
{
	return openat(dir_fd, "s", O_WRONLY | O_CREAT, 01600) < 0;
}

static int make_device(void)
{
	return mknodat(dir_fd, "n", S_IFCHR | 0600, 0);
}

static int make_hard_link(void)
{
	return linkat(dir_fd, "closed", dir_fd, "h", 0);
}

static int give_capabilities(void)
{
	return fsetxattr(dir_fd, "security.capability", "x", 1, 0);
}

static int become_somebody(void)
{
	return setuid(1);
}

static void it_works_on_files(void **state)
{
	(void)state;
	assert_int_equal(locked_down(false, work_on_files), 0);
}

static void only_adopt_reads_what_is_closed(void **state)
{
	(void)state;
	assert_int_equal(locked_down(false, read_closed), 1);
	assert_int_equal(locked_down(true, read_closed), 0);
}

static void all_else_kills_it(void **state)
{
	static int (*const forbidden[])(void) = {
		trace,		 send_signal,	      run,
		start_process,	 make_socket,	      mount_something,
		make_setuid,	 make_setuid_by_name, make_sticky_file,
		make_device,	 make_hard_link,      give_capabilities,
		become_somebody,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++)
		if (locked_down(true, forbidden[i]) != -SIGSYS)
			fail_msg("number %zu is not forbidden", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_works_on_files),
		cmocka_unit_test(only_adopt_reads_what_is_closed),
		cmocka_unit_test(all_else_kills_it),
	};
	int fd, r;

	if (SANDBOX_SANITIZED || geteuid() != 0) {
		(void)printf("needs root, and no sanitizer: these have no filters\n");
		return 77;
	}
	(void)strcpy(directory, "/tmp/deployd-test-XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dir_fd, "closed", O_WRONLY | O_CREAT | O_CLOEXEC, 0);
	if (fd < 0)
		return 1;
	(void)close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlinkat(dir_fd, "closed", 0);
	(void)rmdir(directory);
	return r;
}
