#include "session/lockdown.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "util/landlock.h"
#include "util/privdrop.h"
#include "util/sandbox.h"

/* A message as JSON takes many times its length; beyond this it is refused. */
#define MEMORY_BYTES (64u << 20)

int lockdown_enter(struct errinfo *ei)
{
	/*
	 * Nothing here makes a file, a socket or a process, signals or traces one, or
	 * moves a client's pages into a pipe.
	 */
	static const int syscalls[] = {
		SCMP_SYS(recvmsg),    SCMP_SYS(sendto), SCMP_SYS(pread64),
		SCMP_SYS(newfstatat), SCMP_SYS(fstat),	SCMP_SYS(fstatfs),
		SANDBOX_FCNTL_FLAGS,
	};
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NPROC, 0, 0},
		{RLIMIT_FSIZE, 0, 0},
		{RLIMIT_NOFILE, LOCKDOWN_FDS_MAX, LOCKDOWN_FDS_MAX},
		{RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES},
	};
	int r;

	r = privdrop_limits(limits, sizeof(limits) / sizeof(*limits), ei);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errinfo_set(ei, errno, "cannot give up privileges");
	r = landlock_confine(-1, ei);
	if (r < 0)
		return r;
	return sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), ei);
}
