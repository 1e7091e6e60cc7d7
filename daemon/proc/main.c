/*
 * deployd-proc: tells which release of an app each process of the machine runs from.
 * PID 1 starts it in a transient unit without a network, as a user of its own with the
 * app's group (to list the releases) and with CAP_SYS_PTRACE, without which /proc tells
 * nothing about other users' processes. That capability is powerful, so the program
 * cannot be traced itself, its filter has neither ptrace nor any other way into a
 * process, and it opens files only for reading. No Landlock: that would keep it from
 * looking at processes that are not confined by the same rules. It prints one line of
 * JSON on stdout and exits: 0 looked, 1 could not, 2 usage.
 */
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "proc/options.h"
#include "proc/scan.h"
#include "util/fdio.h"
#include "util/finding.h"
#include "util/lockdown.h"
#include "util/sandbox.h"

#define EXIT_LOOKED 0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

#define PROC_FDS_MAX	  192 /* a cgroup or a directory a level is open at a time */
#define PROC_CPU_SEC	  20
#define PROC_MEMORY_BYTES (256u << 20) /* address space */

static int lock_down(struct errinfo *ei)
{
	static const int syscalls[] = {
		SCMP_SYS(openat),
		SCMP_SYS(getdents64),
		SCMP_SYS(readlinkat),
		SCMP_SYS(readlink) /* realpath() */,
		SCMP_SYS(newfstatat),
		SCMP_SYS(fstat),
		SCMP_SYS(statx),
		SCMP_SYS(fcntl) /* fdopen() */,
		SCMP_SYS(sysinfo) /* qsort() of much */,
	};
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NOFILE, PROC_FDS_MAX, PROC_FDS_MAX},
		{RLIMIT_CPU, PROC_CPU_SEC, PROC_CPU_SEC},
		{RLIMIT_AS, PROC_MEMORY_BYTES, PROC_MEMORY_BYTES},
	};
	int r;

	r = lockdown_begin(limits, sizeof(limits) / sizeof(*limits), ei);
#ifdef BREAK_LOCKDOWN_SKIPPED
	return r;
#endif
	if (r < 0)
		return r;
	return sandbox_seccomp_reading(syscalls, sizeof(syscalls) / sizeof(*syscalls),
				       ei);
}

int main(int argc, char **argv)
{
	static struct finding finding = {.took_ms = -1};
	struct proc_options options;
	cleanup_free char *line = NULL;
	struct errinfo ei = {0};
	int status = EXIT_FAILED;
	size_t length;

	if (lock_down(&ei) < 0 || proc_options_parse(argc, argv, &options, &ei) < 0) {
		(void)fprintf(stderr, "deployd-proc: %s\n", ei.what);
		finding_fail(&finding, "%s", ei.what);
		status = EXIT_USAGE;
	} else if (scan_machine(&options, &finding, &ei) < 0) {
		finding_fail(&finding, "%s", ei.what);
	} else {
		status = EXIT_LOOKED;
	}
	line = finding_line(&finding, &length);
	if (!line || fd_write_all(STDOUT_FILENO, line, length) < 0)
		status = EXIT_FAILED; /* without the report, it has not looked */
	/* Not exit(): the filter allows no handlers. */
	_exit(status);
}
