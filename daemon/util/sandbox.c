#include "util/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * write and lseek are also what the error path needs (report line, stderr), brk to
 * madvise malloc, clock_gettime a machine whose clock source has no vDSO.
 */
static const int base_syscalls[] = {
	SCMP_SYS(read),		 SCMP_SYS(write),
	SCMP_SYS(close),	 SCMP_SYS(lseek),
	SCMP_SYS(brk),		 SCMP_SYS(munmap),
	SCMP_SYS(mremap),	 SCMP_SYS(madvise),
	SCMP_SYS(futex),	 SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(rt_sigreturn),	 SCMP_SYS(restart_syscall),
	SCMP_SYS(exit_group),	 SCMP_SYS(poll),
	SCMP_SYS(ppoll),
};

/*
 * What the runtime of a sanitizer build calls to make a report, and at exit. It reads
 * the list of mappings and the program's debug information, if the sandbox lets it.
 */
static const int sanitizer_syscalls[] = {
	SCMP_SYS(open),	       SCMP_SYS(openat),       SCMP_SYS(readlink),
	SCMP_SYS(stat),	       SCMP_SYS(fstat),	       SCMP_SYS(newfstatat),
	SCMP_SYS(getcwd),      SCMP_SYS(fcntl),	       SCMP_SYS(ioctl),
	SCMP_SYS(getpid),      SCMP_SYS(gettid),       SCMP_SYS(sched_yield),
	SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(prctl),       SCMP_SYS(prlimit64),    SCMP_SYS(pipe),
};

static int allow_internet_sockets(scmp_filter_ctx filter)
{
	int r;

	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			     SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
	return r;
}

static int allow_fcntl_flags(scmp_filter_ctx filter)
{
	static const uint64_t commands[] = {F_GETFL, F_SETFL};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(commands) / sizeof(*commands); i++)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, commands[i]));
	return r;
}

/* O_TMPFILE contains O_DIRECTORY, which a reader may use. */
#define WRITE_FLAGS                                                                    \
	(O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

/*
 * A set-id bit that is made here would hold until the release is sealed. Without
 * O_CREAT the C library passes 0 for the mode.
 */
static int allow(scmp_filter_ctx filter, int syscall, bool reading)
{
	const struct {
		int syscall;
		struct scmp_arg_cmp no_set_id;
	} with_mode[] = {
		{SCMP_SYS(chmod), SCMP_A1(SCMP_CMP_MASKED_EQ, 07000, 0)},
		{SCMP_SYS(fchmod), SCMP_A1(SCMP_CMP_MASKED_EQ, 07000, 0)},
		{SCMP_SYS(fchmodat), SCMP_A2(SCMP_CMP_MASKED_EQ, 07000, 0)},
		{SCMP_SYS(mkdirat), SCMP_A2(SCMP_CMP_MASKED_EQ, 07000, 0)},
		{SCMP_SYS(openat), SCMP_A3(SCMP_CMP_MASKED_EQ, 07000, 0)},
	};

	if (syscall == SCMP_SYS(open)) /* a sanitizer's */
		return seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, syscall, 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, WRITE_FLAGS, O_RDONLY));
	if (syscall == SCMP_SYS(openat) && reading)
		return seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, syscall, 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, WRITE_FLAGS, O_RDONLY));
	if (syscall == SANDBOX_FCNTL_FLAGS)
		return allow_fcntl_flags(filter);
	if (syscall == SCMP_SYS(socket))
		return allow_internet_sockets(filter);
	for (size_t i = 0; i < sizeof(with_mode) / sizeof(*with_mode); i++)
		if (with_mode[i].syscall == syscall)
			return seccomp_rule_add(filter, SCMP_ACT_ALLOW, syscall, 1,
						with_mode[i].no_set_id);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, syscall, 0);
}

static int allow_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r;

	r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     no_exec);
	return r;
}

static int allow_each(scmp_filter_ctx filter, const int *syscalls, size_t n_syscalls,
		      bool reading)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n_syscalls; i++)
		r = allow(filter, syscalls[i], reading);
	return r;
}

static int fill(scmp_filter_ctx filter, const int *syscalls, size_t n_syscalls,
		bool reading)
{
	int r;

	r = allow_each(filter, base_syscalls,
		       sizeof(base_syscalls) / sizeof(*base_syscalls), reading);
	if (r == 0)
		r = allow_each(filter, syscalls, n_syscalls, reading);
	if (r == 0 && SANDBOX_SANITIZED)
		r = allow_each(filter, sanitizer_syscalls,
			       sizeof(sanitizer_syscalls) / sizeof(*sanitizer_syscalls),
			       true);
	return r == 0 ? allow_memory(filter) : r;
}

static int install(const int *syscalls, size_t n_syscalls, bool reading,
		   struct errinfo *ei)
{
	scmp_filter_ctx filter;
	int r;

	/* The first JSON object reads /dev/urandom, which must not be after this. */
	json_object_seed(0);
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return errinfo_set(ei, ENOMEM, "cannot make the system call filter");
	r = fill(filter, syscalls, n_syscalls, reading);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return errinfo_set(ei, r, "cannot install the system call filter");
	return 0;
}

int sandbox_seccomp(const int *syscalls, size_t n_syscalls, struct errinfo *ei)
{
	return install(syscalls, n_syscalls, false, ei);
}

int sandbox_seccomp_reading(const int *syscalls, size_t n_syscalls, struct errinfo *ei)
{
	return install(syscalls, n_syscalls, true, ei);
}

/* fork() of libc is clone(), which threads need, too: a child has this filter as well.
 */
static const int reaching_syscalls[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(kcmp),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler),
	SCMP_SYS(setpriority),
};

static int deny_reach(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp others = SCMP_A0(SCMP_CMP_NE, 0, 0);
	const struct scmp_arg_cmp not_own = SCMP_A0(SCMP_CMP_NE, (uint64_t)getpid(), 0);
	int r = 0;

	for (size_t i = 0;
	     r == 0 && i < sizeof(reaching_syscalls) / sizeof(*reaching_syscalls); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM),
				     reaching_syscalls[i], 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64),
				     1, others);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1,
				     not_own);
	return r;
}

int sandbox_deny_reach(struct errinfo *ei)
{
	scmp_filter_ctx filter;
	int r;

	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return errinfo_set(ei, ENOMEM, "cannot make the system call filter");
	r = deny_reach(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return errinfo_set(ei, r, "cannot install the system call filter");
	return 0;
}
