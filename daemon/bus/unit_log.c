/*
 * The journal of a unit, written to a pipe or file of ours by journalctl: in a
 * transient unit, so that a process which may read the journal is started by PID 1 and
 * not by deployd. It ends by itself, or is stopped.
 */
#include "bus/unit_log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/journal.h"
#include "bus/transient.h"
#include "deploy/names.h"

#define JOURNALCTL "/usr/bin/journalctl"

/* Nobody can make journalctl wait who reads from memory; a client's pipe can. */
#define START_TIMEOUT_MSEC  20000
#define MEMORY_TIMEOUT_MSEC 10000
#define MEMORY_BYTES_MAX    (4u << 20) /* an app may write lines of any length */

struct unit_log {
	struct transient *transient;
	char unit[UNIT_NAME_MAX + 1]; /* whose journal */
	void (*done)(void *userdata, int error);
	void *userdata;
};

#define SINCE_ENTRIES	      60 /* of at most LineMax= bytes each, journald.conf(5) */
#define LOG_ARGUMENTS_MAX     32 /* words of a journalctl command */
#define LOG_ARGUMENT_SIZE_MAX (UNIT_NAME_MAX + 64) /* bytes of each */

struct log_command {
	const char *argv[LOG_ARGUMENTS_MAX];
	char texts[LOG_ARGUMENTS_MAX][LOG_ARGUMENT_SIZE_MAX];
	size_t n;
};

static void add(struct log_command *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct log_command *command, const char *fmt, ...)
{
	char *text = command->texts[command->n];
	va_list ap;

	assert(command->n + 1 < LOG_ARGUMENTS_MAX);
	va_start(ap, fmt);
	(void)vsnprintf(text, LOG_ARGUMENT_SIZE_MAX, fmt, ap);
	va_end(ap);
	command->argv[command->n++] = text;
	command->argv[command->n] = NULL;
}

static void begin_command(struct log_command *command, uint64_t lines, bool follow)
{
	command->n = 0;
	add(command, JOURNALCTL);
	add(command, "--no-pager");
	add(command, "--quiet");
	if (lines > 0)
		add(command, "--lines=%" PRIu64, lines);
	else if (follow)
		add(command, "--no-tail");
	if (follow)
		add(command, "--follow");
}

/*
 * --unit= but for what others say about it: each request is in the journal, and a few
 * of them would take up all the lines.
 */
static void match_unit(struct log_command *command, const char *unit)
{
	add(command, "_SYSTEMD_UNIT=%s", unit);
	add(command, "+");
	add(command, "_PID=1");
	add(command, "UNIT=%s", unit);
	add(command, "+");
	add(command, "_UID=0");
	add(command, "COREDUMP_UNIT=%s", unit);
}

static void on_ended(void *userdata, const struct transient_outcome *outcome)
{
	struct unit_log *log = userdata;
	int error = 0;

	/* With any exit status: what it wrote is what there is. */
	if (outcome->error.result != RESULT_OK) {
		error = outcome->error.err < 0 ? outcome->error.err : -EIO;
		journal_log(LOG_WARNING, "cannot read the journal of %s: %s", log->unit,
			    outcome->error.what);
	}
	log->done(log->userdata, error);
	free(log);
}

static struct unit_log *start(struct units *units, const char *unit,
			      const struct log_command *command, const char *output,
			      bool into_memory, void (*done)(void *userdata, int error),
			      void *userdata)
{
	/* What a unit wrote just before it failed may not have been read in yet. */
	static const char *const sync[] = {JOURNALCTL, "--sync", NULL};
	struct unit_log *log = calloc(1, sizeof(*log));
	char description[UNIT_NAME_MAX + 64];
	struct transient_options options = {
		.name = "deployd-logs",
		.description = description,
		.argv = command->argv,
		.argv_before = into_memory ? sync : NULL,
		/* It owns the journal's files; it has no capabilities. */
		.user = "root",
		.harden = true,
		.stdout_path = output,
		.stderr_path = "/dev/null",
		.file_bytes_max = into_memory ? MEMORY_BYTES_MAX : 0,
		.timeout_ms = into_memory ? MEMORY_TIMEOUT_MSEC : START_TIMEOUT_MSEC,
		/* A client decides itself how long it reads, and when it hangs up. */
		.endless = !into_memory,
	};

	if (!log)
		return NULL;
	(void)snprintf(log->unit, sizeof(log->unit), "%s", unit);
	log->done = done;
	log->userdata = userdata;
	(void)snprintf(description, sizeof(description), "Journal of %s for deployd",
		       log->unit);
	log->transient = transient_start(units, &options, on_ended, log);
	if (!log->transient) {
		free(log);
		return NULL;
	}
	return log;
}

struct unit_log *units_log(struct units *units, const char *unit, uint64_t lines,
			   bool follow, const char *output, bool into_memory,
			   void (*done)(void *userdata, int error), void *userdata)
{
	struct log_command command;

	begin_command(&command, lines, follow);
	match_unit(&command, unit);
	return start(units, unit, &command, output, into_memory, done, userdata);
}

struct unit_log *units_log_since(struct units *units, const char *unit,
				 uint64_t since_usec, uint32_t main_pid, bool errors,
				 const char *output,
				 void (*done)(void *userdata, int error),
				 void *userdata)
{
	struct log_command command;

	begin_command(&command, SINCE_ENTRIES, false);
	add(&command, "--all");
	add(&command, "--output=json");
	add(&command, "--since=@%" PRIu64 ".%06" PRIu64, since_usec / 1000000,
	    since_usec % 1000000);
	if (errors)
		add(&command, "--priority=err");
	match_unit(&command, unit);
	/*
	 * systemd's child before it becomes the unit's process: by the time journald
	 * reads its words it may be gone, and only the kernel's word for its pid and
	 * user is left.
	 */
	add(&command, "+");
	add(&command, "_UID=0");
	add(&command, "UNIT=%s", unit);
	if (main_pid != 0) {
		add(&command, "+");
		add(&command, "_PID=%" PRIu32, main_pid);
		add(&command, "UNIT=%s", unit);
	}
	return start(units, unit, &command, output, true, done, userdata);
}

void unit_log_cancel(struct unit_log *log)
{
	if (!log)
		return;
	transient_cancel(log->transient);
	free(log);
}
