/*
 * deployd-preflight: tells whether the unit's user can execute and enter what the unit
 * names, once `current` is the new release. PID 1 starts it in a transient unit with
 * the user and the groups of the app's unit, without a network and without a
 * capability. It opens files only for reading, and executes none. The app has the same
 * user, so the program locks itself down before anything else, and what it reports
 * decides nothing but whether the app is switched. It prints one line of JSON on stdout
 * and exits: 0 examined, 1 could not, 2 usage.
 */
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "preflight/examine.h"
#include "preflight/options.h"
#include "util/fdio.h"
#include "util/json_text.h"
#include "util/landlock.h"
#include "util/lockdown.h"
#include "util/sandbox.h"

#define EXIT_EXAMINED 0
#define EXIT_FAILED   1
#define EXIT_USAGE    2

#define PREFLIGHT_FDS_MAX      32	   /* open files */
#define PREFLIGHT_CPU_SEC      5	   /* processor time */
#define PREFLIGHT_MEMORY_BYTES (64u << 20) /* address space */

static int lock_down(struct errinfo *ei)
{
	static const int syscalls[] = {
		SCMP_SYS(openat),
		SCMP_SYS(getdents64),
		SCMP_SYS(readlink),
		SCMP_SYS(readlinkat),
		SCMP_SYS(newfstatat),
		SCMP_SYS(fstat),
		SCMP_SYS(statx),
		SCMP_SYS(statfs),
		SCMP_SYS(access),
		SCMP_SYS(faccessat),
		SCMP_SYS(faccessat2),
		SCMP_SYS(pread64),
		SCMP_SYS(fcntl) /* opendir() */,
	};
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NOFILE, PREFLIGHT_FDS_MAX, PREFLIGHT_FDS_MAX},
		{RLIMIT_CPU, PREFLIGHT_CPU_SEC, PREFLIGHT_CPU_SEC},
		{RLIMIT_AS, PREFLIGHT_MEMORY_BYTES, PREFLIGHT_MEMORY_BYTES},
	};
	int r;

	r = lockdown_begin(limits, sizeof(limits) / sizeof(*limits), ei);
#ifdef BREAK_LOCKDOWN_SKIPPED
	return r;
#endif
	if (r < 0)
		return r;
	r = landlock_read_only(ei);
	if (r < 0)
		return r;
	return sandbox_seccomp_reading(syscalls, sizeof(syscalls) / sizeof(*syscalls),
				       ei);
}

/* Takes the reference. False without memory, or when nobody reads it. */
static bool print(json_t *report, const char *result, const char *message)
{
	cleanup_json json_t *line = report ? report : json_object();
	cleanup_free char *text = NULL;
	size_t length;
	int r;

	r = json_object_set_new(line, "type", json_string("result"));
	r |= json_object_set_new(line, "result", json_string(result));
	r |= json_object_set_new(line, "message", json_text(message));
	text = r == 0 ? json_dumps(line, JSON_COMPACT) : NULL;
	if (!text)
		return false;
	length = strlen(text);
	text[length] = '\n'; /* in place of the NUL */
	return fd_write_all(STDOUT_FILENO, text, length + 1) == 0;
}

int main(int argc, char **argv)
{
	static struct preflight_options options;
	struct errinfo ei = {0};
	json_t *report = NULL;
	int status = EXIT_EXAMINED;

	if (lock_down(&ei) < 0 ||
	    preflight_options_parse(argc, argv, &options, &ei) < 0) {
		(void)fprintf(stderr, "deployd-preflight: %s\n", ei.what);
		status = EXIT_USAGE;
	} else {
		report = preflight_examine(&options);
		if (!report)
			status = EXIT_FAILED;
	}
	if (!print(report, status == EXIT_EXAMINED ? "ok" : "failed",
		   status == EXIT_FAILED ? "out of memory" : ei.what))
		status = EXIT_FAILED; /* without the report, it has not examined */
	/* Not exit(): the filter allows no handlers. */
	_exit(status);
}
