/*
 * Tries to get out of deployd-unpack's sandbox, each try in a process of its own that
 * has just been confined: no try may succeed, and what no unpacker needs must kill.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "unpack/confine.h"
#include "util/sandbox.h"

static char *staging;
static int outside_fd; /* a directory fd that leaked into the sandbox */

/* Each returns what the system call did: negative when it failed. */

static long open_passwd(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static long open_above(void)
{
	return open("../../../../etc/passwd", O_RDONLY);
}

static long open_proc(void)
{
	return open("/proc/self/environ", O_RDONLY);
}

static long create_by_leaked_fd(void)
{
	return openat(outside_fd, "escaped", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static long read_by_leaked_fd(void)
{
	return openat(outside_fd, "secret", O_RDONLY);
}

static long link_leaked_file(void)
{
	return linkat(outside_fd, "secret", AT_FDCWD, "stolen", 0);
}

static long read_own_file(void)
{
	return open("mine", O_RDONLY);
}

static long allocate_too_much(void)
{
	void *p = mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long use_fds(void)
{
	int fd = 0;

	for (int i = 0; i < 200 && fd >= 0; i++)
		fd = dup(0);
	return fd;
}

static long write_large_file(void)
{
	int fd = open("large", O_WRONLY | O_CREAT | O_EXCL, 0600);

	return fd < 0 ? fd : ftruncate(fd, 2 << 20);
}

static long make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long fork_child(void)
{
	return syscall(SYS_fork);
}

static long clone_thread(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static long exec_shell(void)
{
	char sh[] = "sh", *argv[] = {sh, NULL};

	return execve("/bin/sh", argv, NULL);
}

static long exec_fd(void)
{
	char sh[] = "sh", *argv[] = {sh, NULL};

	return syscall(SYS_execveat, outside_fd, "secret", argv, NULL, 0);
}

static long trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long become_root(void)
{
	return setuid(0);
}

static long kill_parent(void)
{
	return kill(-1, SIGKILL);
}

static long make_device(void)
{
	return mknodat(AT_FDCWD, "null", S_IFCHR | 0666, makedev(1, 3));
}

static long make_fifo(void)
{
	return mknodat(AT_FDCWD, "fifo", S_IFIFO | 0666, 0);
}

static long set_suid(void)
{
	int fd = open("suid", O_WRONLY | O_CREAT | O_EXCL, 0600);

	return fd < 0 ? fd : fchmod(fd, 04755);
}

static long chmod_path(void)
{
	return fchmodat(AT_FDCWD, "mine", 0777, 0);
}

static long chown_path(void)
{
	return fchownat(AT_FDCWD, "mine", HELPER_UID, HELPER_GID, 0);
}

static long leave_chroot(void)
{
	return fchdir(outside_fd);
}

static long chroot_again(void)
{
	return chroot(".");
}

static long mount_proc(void)
{
	return mount("proc", "/", "proc", 0, NULL);
}

static long new_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long map_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long protect_executable(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long remove_file(void)
{
	return unlinkat(AT_FDCWD, "mine", 0);
}

static long rename_file(void)
{
	return renameat(AT_FDCWD, "mine", AT_FDCWD, "yours");
}

static long list_directory(void)
{
	char buf[1024];

	return syscall(SYS_getdents64, outside_fd, buf, sizeof(buf));
}

static long set_xattr(void)
{
	return syscall(SYS_setxattr, "mine", "user.x", "y", 1, 0);
}

static long raise_limit(void)
{
	const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	return setrlimit(RLIMIT_CPU, &limit);
}

static long set_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long make_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL);
}

static long load_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0);
}

static long read_memory(void)
{
	return syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

static long open_by_handle(void)
{
	return syscall(SYS_open_by_handle_at, outside_fd, NULL, O_RDONLY);
}

static long make_memfd(void)
{
	return syscall(SYS_memfd_create, "x", 0);
}

static long use_keyring(void)
{
	return syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

enum refusal {
	BY_ERROR,    /* a call the unpacker needs, on something that is not its own */
	BY_LANDLOCK, /* the same, where only Landlock stands in the way */
	BY_DEATH,
};

static const struct
try {
	const char *name;
	long (*run)(void);
	enum refusal refusal;
}
tries[] = {
	{"open /etc/passwd", open_passwd, BY_ERROR},
	{"open ../../etc/passwd", open_above, BY_ERROR},
	{"open /proc", open_proc, BY_ERROR},
	{"create a file by a leaked fd", create_by_leaked_fd, BY_ERROR},
	{"read a file by a leaked fd", read_by_leaked_fd, BY_LANDLOCK},
	{"link a file in from outside", link_leaked_file, BY_ERROR},
	{"read a file of its own", read_own_file, BY_LANDLOCK},
	{"allocate more than the limit", allocate_too_much, BY_ERROR},
	{"use more fds than the limit", use_fds, BY_ERROR},
	{"make a file larger than the limit", write_large_file, BY_ERROR},
	{"make a socket", make_socket, BY_DEATH},
	{"fork", fork_child, BY_DEATH},
	{"clone", clone_thread, BY_DEATH},
	{"execve", exec_shell, BY_DEATH},
	{"execveat", exec_fd, BY_DEATH},
	{"ptrace", trace_parent, BY_DEATH},
	{"setuid(0)", become_root, BY_DEATH},
	{"kill", kill_parent, BY_DEATH},
	{"make a device", make_device, BY_DEATH},
	{"make a FIFO", make_fifo, BY_DEATH},
	{"set the setuid bit", set_suid, BY_DEATH},
	{"chmod by path", chmod_path, BY_DEATH},
	{"chown", chown_path, BY_DEATH},
	{"fchdir to a leaked fd", leave_chroot, BY_DEATH},
	{"chroot", chroot_again, BY_DEATH},
	{"mount", mount_proc, BY_DEATH},
	{"unshare", new_namespace, BY_DEATH},
	{"mmap executable", map_executable, BY_DEATH},
	{"mprotect executable", protect_executable, BY_DEATH},
	{"unlink", remove_file, BY_DEATH},
	{"rename", rename_file, BY_DEATH},
	{"getdents", list_directory, BY_DEATH},
	{"setxattr", set_xattr, BY_DEATH},
	{"setrlimit", raise_limit, BY_DEATH},
	{"prctl", set_dumpable, BY_DEATH},
	{"io_uring", make_io_uring, BY_DEATH},
	{"bpf", load_bpf, BY_DEATH},
	{"process_vm_readv", read_memory, BY_DEATH},
	{"open_by_handle_at", open_by_handle, BY_DEATH},
	{"memfd_create", make_memfd, BY_DEATH},
	{"keyctl", use_keyring, BY_DEATH},
};

#define EXIT_REFUSED	  10
#define EXIT_GOT_THROUGH  11
#define EXIT_NOT_CONFINED 12

static void confine_and_try(const struct try *attempt)
{
	const struct confinement confinement = {
		.uid = HELPER_UID,
		.gid = HELPER_GID,
		.memory_bytes = 256u << 20,
		.max_file_bytes = 1u << 20,
		.max_depth = 64,
		.cpu_sec = 10,
	};
	struct errinfo ei;
	int fd = open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)signal(SIGXFSZ, SIG_IGN);
	if (fd < 0 || confine(&confinement, fd, &ei) < 0)
		_exit(EXIT_NOT_CONFINED);
	_exit(attempt->run() < 0 ? EXIT_REFUSED : EXIT_GOT_THROUGH);
}

static bool landlock_works(void)
{
	return syscall(444 /* landlock_create_ruleset */, NULL, 0, 1) >= 2;
}

static void check(const struct try *attempt)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		confine_and_try(attempt);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)printf("%s: %s %d\n", attempt->name,
		     WIFSIGNALED(status) ? "signal" : "exit",
		     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (attempt->refusal == BY_DEATH)
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	else if (attempt->refusal == BY_ERROR || landlock_works())
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED);
}

static void no_way_leads_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++)
		check(&tries[i]);
}

static long make_tree(void)
{
	int dir_fd, fd;

	if (mkdirat(AT_FDCWD, "d", 0755) < 0 || mkdirat(AT_FDCWD, "e", 0755) < 0)
		return -1;
	dir_fd = open("d", O_PATH | O_DIRECTORY | O_NOFOLLOW);
	fd = openat(dir_fd, "f", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || fchmod(fd, 0755) < 0 ||
	    symlinkat("d/f", AT_FDCWD, "s") < 0 ||
	    linkat(dir_fd, "f", AT_FDCWD, "e/g", 0) < 0)
		return -1;
	return 0;
}

/* Else the tries above prove nothing. */
static void the_work_can_be_done(void **state)
{
	static const struct try work = {"make a tree", make_tree, BY_ERROR};
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		confine_and_try(&work);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_GOT_THROUGH);
}

static char *scratch;

static int set_up(void **state)
{
	char path[4096];
	int fd;

	(void)state;
	scratch = scratch_make();
	staging = staging_make(scratch);
	/* As inviting as can be: writable and readable by everyone. */
	if (chmod(scratch, 0777) < 0)
		return -1;
	outside_fd = open(scratch, O_RDONLY | O_DIRECTORY);
	fd = openat(outside_fd, "secret", O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (outside_fd < 0 || fd < 0 || close(fd) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/mine", staging);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	return fd >= 0 && fchown(fd, HELPER_UID, HELPER_GID) == 0 && close(fd) == 0
		       ? 0
		       : -1;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(outside_fd);
	free(staging);
	scratch_remove(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_work_can_be_done),
		cmocka_unit_test(no_way_leads_out),
	};

	require_root();
	if (SANDBOX_SANITIZED) {
		(void)printf("a sanitizer needs what the sandbox forbids: skipped\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
