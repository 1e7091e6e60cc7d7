#include "util/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <seccomp.h>
#include <sys/mman.h>

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

static int allow(scmp_filter_ctx filter, int syscall)
{
	if (syscall == SANDBOX_FCNTL_FLAGS)
		return allow_fcntl_flags(filter);
	if (syscall == SCMP_SYS(fchmod))
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, syscall, 1,
					SCMP_A1(SCMP_CMP_MASKED_EQ, 07000, 0));
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

static int fill(scmp_filter_ctx filter, const int *syscalls, size_t n_syscalls)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(base_syscalls) / sizeof(*base_syscalls); i++) {
		r = allow(filter, base_syscalls[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n_syscalls; i++) {
		r = allow(filter, syscalls[i]);
		if (r < 0)
			return r;
	}
	return allow_memory(filter);
}

int sandbox_seccomp(const int *syscalls, size_t n_syscalls, struct errinfo *ei)
{
	scmp_filter_ctx filter;
	int r;

	/* The first JSON object reads /dev/urandom, which must not be after this. */
	json_object_seed(0);
	if (SANDBOX_SANITIZED)
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return errinfo_set(ei, ENOMEM, "cannot make the system call filter");
	r = fill(filter, syscalls, n_syscalls);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return errinfo_set(ei, r, "cannot install the system call filter");
	return 0;
}
