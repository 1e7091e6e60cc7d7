#include "probe/lockdown.h"

#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/privdrop.h"
#include "util/sandbox.h"

#define PROBE_FDS_MAX 192 /* a cgroup a level is open at a time */
#define PROBE_CPU_SEC 60
#define PROBE_MEMORY_BYTES                                                             \
	(512u << 20) /* address space: TLS, NSS modules, a thread                      \
		      */

void lockdown_begin(void)
{
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NOFILE, PROBE_FDS_MAX, PROBE_FDS_MAX},
		{RLIMIT_CPU, PROBE_CPU_SEC, PROBE_CPU_SEC},
		{RLIMIT_AS, PROBE_MEMORY_BYTES, PROBE_MEMORY_BYTES},
	};
	struct errinfo ei = {0};

	(void)clearenv();
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Else the app, of the same uid, could write its own result. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		(void)!privdrop_limits(&limits[i], 1, &ei);
}

/*
 * There is none for http: what libcurl, the TLS library and the modules of
 * nsswitch.conf call differs from machine to machine, and a probe that is killed takes
 * a good release down with it.
 */
void lockdown_tcp(void)
{
	static const int syscalls[] = {
		SCMP_SYS(socket),
		SCMP_SYS(connect),
		SCMP_SYS(getsockopt),
	};
	struct errinfo ei = {0};

	(void)!sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), &ei);
}

void lockdown_proof(void)
{
	static const int syscalls[] = {
		SCMP_SYS(openat),     SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
		SCMP_SYS(newfstatat), SCMP_SYS(fstat),	    SCMP_SYS(fcntl),
		SCMP_SYS(kill),	      SCMP_SYS(sysinfo), /* qsort() of much */
	};
	struct errinfo ei = {0};

	(void)!sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), &ei);
}
