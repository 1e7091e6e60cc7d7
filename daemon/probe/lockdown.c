#include "probe/lockdown.h"

#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/privdrop.h"
#include "util/sandbox.h"

#define PROBE_FDS_MAX 192 /* a cgroup a level is open at a time */
#define PROBE_CPU_SEC 60
#define PROBE_MEMORY_BYTES                                                             \
	(512u << 20) /* address space: TLS, NSS modules, a thread                      \
		      */

/*
 * A unit with a SystemCallFilter= has confined us already, and may kill who calls
 * seccomp() or prlimit(). Not by prctl(PR_GET_SECCOMP): it may kill for that, too.
 */
static bool is_filtered(void)
{
	cleanup_file FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int mode;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			return mode != 0;
	return true;
}

static bool filtered;

static void filter(const int *syscalls, size_t n_syscalls)
{
	struct errinfo ei = {0};

	if (!filtered)
		(void)!sandbox_seccomp(syscalls, n_syscalls, &ei);
}

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
	(void)signal(SIGPIPE, SIG_IGN);
	filtered = is_filtered();
	if (filtered)
		return;
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
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

	filter(syscalls, sizeof(syscalls) / sizeof(*syscalls));
}

void lockdown_proof(void)
{
	static const int syscalls[] = {
		SCMP_SYS(openat),     SCMP_SYS(getdents64), SCMP_SYS(readlinkat),
		SCMP_SYS(newfstatat), SCMP_SYS(fstat),	    SCMP_SYS(fcntl),
		SCMP_SYS(kill),	      SCMP_SYS(sysinfo), /* qsort() of much */
	};

	filter(syscalls, sizeof(syscalls) / sizeof(*syscalls));
}
