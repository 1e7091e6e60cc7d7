/*
 * Runs a program and, at the N-th of its system calls of a kind, kills it or makes that
 * call fail. By ptrace: several times as fast as strace, so that every call can have
 *its turn.
 *
 *   stopat list FILE PROGRAM		names of the calls that change something
 *   stopat kill N PROGRAM		SIGKILL when it enters the N-th of these
 *   stopat list-all FILE PROGRAM	names of all calls that can fail for reasons of
 *					the disk or of limits
 *   stopat fail N ERRNO PROGRAM	the N-th of those returns -ERRNO, and is not
 *made
 *
 * Calls count from prctl(PR_SET_PDEATHSIG) on, which is deployd-store's first: before
 *it the program and its libraries are only loaded. The exit status is the program's;
 *137 after a kill; 125 when something went wrong here.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_BROKEN 125
#define STATUS_KILLED 137

struct call {
	long number;
	const char *name;
	bool changes; /* else it is only among those that can fail */
};

static const struct call calls[] = {
	{SYS_openat, "openat", false}, /* see is_counted() */
	{SYS_write, "write", true},
	{SYS_pwrite64, "pwrite64", true},
	{SYS_unlinkat, "unlinkat", true},
	{SYS_mkdirat, "mkdirat", true},
	{SYS_renameat, "renameat", true},
	{SYS_renameat2, "renameat2", true},
	{SYS_symlinkat, "symlinkat", true},
	{SYS_linkat, "linkat", true},
	{SYS_fchmod, "fchmod", true},
	{SYS_fchmodat, "fchmodat", true},
	{SYS_fchown, "fchown", true},
	{SYS_fchownat, "fchownat", true},
	{SYS_fsync, "fsync", true},
	{SYS_fdatasync, "fdatasync", true},
	{SYS_syncfs, "syncfs", true},
	{SYS_ftruncate, "ftruncate", true},
	{SYS_fallocate, "fallocate", true},
#ifdef SYS_rename
	{SYS_rename, "rename", true},
	{SYS_unlink, "unlink", true},
	{SYS_mkdir, "mkdir", true},
	{SYS_rmdir, "rmdir", true},
	{SYS_symlink, "symlink", true},
	{SYS_chmod, "chmod", true},
	{SYS_readlink, "readlink", false},
	{SYS_open, "open", false},
#endif
	{SYS_exit_group, "exit_group", true},
	{SYS_read, "read", false},
	{SYS_pread64, "pread64", false},
	{SYS_getdents64, "getdents64", false},
	{SYS_newfstatat, "newfstatat", false},
	{SYS_fstat, "fstat", false},
	{SYS_statx, "statx", false},
	{SYS_fstatfs, "fstatfs", false},
	{SYS_readlinkat, "readlinkat", false},
	{SYS_listxattr, "listxattr", false},
	{SYS_flock, "flock", false},
	{SYS_mmap, "mmap", false},
};

static void fail(const char *what)
{
	perror(what);
	exit(STATUS_BROKEN);
}

static const struct call *find_call(uint64_t number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if ((uint64_t)calls[i].number == number)
			return &calls[i];
	return NULL;
}

static bool is_counted(const struct call *call, const uint64_t args[6], bool all)
{
	if (call->number == SYS_exit_group && all)
		return false;
	if (call->number == SYS_openat && (args[2] & (O_CREAT | O_TRUNC)))
		return true;
	/* These are asked for memory only. */
	if (call->number == SYS_mmap && !(args[3] & 0x20 /* MAP_ANONYMOUS */))
		return false;
	return all || call->changes;
}

/*
 * At the entry of a call: it is not made. restart_syscall() takes its place, which
 * takes no argument, does nothing here, and is let through by the program's filter; -1
 * is not.
 */
static void skip_call(pid_t pid)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax),
		   (long)SYS_restart_syscall) < 0)
		fail("cannot skip the call");
#elif defined(__aarch64__)
	int number = SYS_restart_syscall;
	struct iovec iov = {&number, sizeof(number)};

	if (ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &iov) < 0)
		fail("cannot skip the call");
#else
	(void)pid;
	exit(77);
#endif
}

/* At its exit: what it seems to return. */
static void set_result(pid_t pid, long result)
{
#if defined(__x86_64__)
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax),
		   result) < 0)
		fail("cannot set the result");
#elif defined(__aarch64__)
	struct user_regs_struct regs;
	struct iovec iov = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		fail("cannot read the registers");
	regs.regs[0] = (uint64_t)result;
	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		fail("cannot set the result");
#else
	(void)pid, (void)result;
#endif
}

struct plan {
	bool all;
	FILE *list;	  /* or NULL */
	unsigned long at; /* 0: none */
	int error;	  /* 0: kill */
	unsigned long n;  /* counted so far */
	bool started, skipped;
};

/* False: the program was killed. */
static bool on_entry(struct plan *plan, pid_t pid,
		     const struct __ptrace_syscall_info *info)
{
	const struct call *call = find_call(info->entry.nr);
	uint64_t args[6];

	memcpy(args, info->entry.args, sizeof(args));
	if (info->entry.nr == SYS_prctl && args[0] == PR_SET_PDEATHSIG)
		plan->started = true;
	if (!plan->started || !call || !is_counted(call, args, plan->all))
		return true;
	plan->n++;
	if (plan->list)
		(void)fprintf(plan->list, "%s %llu\n", call->name,
			      (unsigned long long)args[0]);
	if (plan->n != plan->at)
		return true;
	if (plan->error == 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return false;
	}
	skip_call(pid);
	plan->skipped = true;
	return true;
}

static int trace(struct plan *plan, pid_t pid)
{
	int status, deliver = 0;

	if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
		fail("cannot trace");
	if (ptrace(PTRACE_SETOPTIONS, pid, 0,
		   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		fail("cannot trace");
	for (;;) {
		struct __ptrace_syscall_info info;

		if (ptrace(PTRACE_SYSCALL, pid, 0, deliver) < 0 ||
		    waitpid(pid, &status, 0) < 0)
			fail("cannot trace");
		deliver = 0;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
			fail("cannot trace");
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY && !on_entry(plan, pid, &info))
			return STATUS_KILLED;
		if (info.op == PTRACE_SYSCALL_INFO_EXIT && plan->skipped) {
			set_result(pid, -(long)plan->error);
			plan->skipped = false;
		}
	}
}

int main(int argc, char **argv)
{
	struct plan plan = {0};
	const char *mode = argc > 3 ? argv[1] : "";
	char **program = argv + 3;
	pid_t pid;
	int status;

	plan.all = strcmp(mode, "list-all") == 0 || strcmp(mode, "fail") == 0;
	if (strncmp(mode, "list", 4) == 0) {
		plan.list = fopen(argv[2], "we");
		if (!plan.list)
			fail(argv[2]);
	} else if (strcmp(mode, "kill") == 0) {
		plan.at = strtoul(argv[2], NULL, 10);
	} else if (strcmp(mode, "fail") == 0 && argc > 4) {
		plan.at = strtoul(argv[2], NULL, 10);
		plan.error = atoi(argv[3]);
		program = argv + 4;
	} else {
		(void)fprintf(stderr, "see the top of stopat.c\n");
		return STATUS_BROKEN;
	}
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(STATUS_BROKEN);
		(void)execv(program[0], program);
		_exit(STATUS_BROKEN);
	}
	status = trace(&plan, pid);
	if (plan.list && fclose(plan.list) != 0)
		fail(argv[2]);
	return status;
}
