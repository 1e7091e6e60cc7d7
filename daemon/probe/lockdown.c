#include "probe/lockdown.h"

#include <seccomp.h>

#include "util/lockdown.h"
#include "util/sandbox.h"

#define PROBE_FDS_MAX 64
#define PROBE_CPU_SEC 60
#define PROBE_MEMORY_BYTES                                                             \
	(512u << 20) /* address space: TLS, NSS modules, a thread                      \
		      */

int probe_lockdown(struct errinfo *ei)
{
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NOFILE, PROBE_FDS_MAX, PROBE_FDS_MAX},
		{RLIMIT_CPU, PROBE_CPU_SEC, PROBE_CPU_SEC},
		{RLIMIT_AS, PROBE_MEMORY_BYTES, PROBE_MEMORY_BYTES},
	};

	int r;

	r = lockdown_begin(limits, sizeof(limits) / sizeof(*limits), ei);
#ifdef BREAK_LOCKDOWN_SKIPPED
	return r;
#endif
	/* All probes share one user: a probe that was taken over must not reach others.
	 */
	return r < 0 ? r : sandbox_deny_reach(ei);
}

/*
 * http has no such list: the system calls of libcurl, the TLS library and the modules
 * of nsswitch.conf differ from machine to machine, and a probe that is killed would
 * make a good release fail.
 */
int probe_lockdown_tcp(struct errinfo *ei)
{
	static const int syscalls[] = {
		SCMP_SYS(socket),
		SCMP_SYS(connect),
		SCMP_SYS(getsockopt),
	};

	return sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), ei);
}
