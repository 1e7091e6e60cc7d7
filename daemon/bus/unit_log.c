/*
 * The journal of a unit, written to a pipe or file of ours by journalctl: in a
 * transient unit, so that a process which may read the journal is started by PID 1 and
 * not by deployd. It ends by itself, or is stopped.
 */
#include "bus/unit_log.h"

#include <errno.h>
#include <inttypes.h>
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

/* A match, or an option, that ends in the unit's name. */
struct about_unit {
	char text[UNIT_NAME_MAX + 32];
};

static const char *about_unit(const struct unit_log *log, const char *prefix,
			      struct about_unit *ret_text)
{
	(void)snprintf(ret_text->text, sizeof(ret_text->text), "%s%s", prefix,
		       log->unit);
	return ret_text->text;
}

struct log_command {
	const char *argv[16];
	char lines[48];
	struct about_unit own, manager, core;
};

static void fill_command(const struct unit_log *log, uint64_t lines, bool follow,
			 struct log_command *ret_command)
{
	const char **argv = ret_command->argv;
	size_t n = 0;

	argv[n++] = JOURNALCTL;
	argv[n++] = "--no-pager";
	argv[n++] = "--quiet";
	if (lines > 0) {
		(void)snprintf(ret_command->lines, sizeof(ret_command->lines),
			       "--lines=%" PRIu64, lines);
		argv[n++] = ret_command->lines;
	} else if (follow) {
		argv[n++] = "--no-tail";
	}
	if (follow)
		argv[n++] = "--follow";
	/*
	 * --unit= but for what others say about it: each request is in the journal, and
	 * a few of them would take up all the lines.
	 */
	argv[n++] = about_unit(log, "_SYSTEMD_UNIT=", &ret_command->own);
	argv[n++] = "+";
	argv[n++] = "_PID=1";
	argv[n++] = about_unit(log, "UNIT=", &ret_command->manager);
	argv[n++] = "+";
	argv[n++] = "_UID=0";
	argv[n++] = about_unit(log, "COREDUMP_UNIT=", &ret_command->core);
	argv[n] = NULL;
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

struct unit_log *units_log(struct units *units, const char *unit, uint64_t lines,
			   bool follow, const char *output, bool into_memory,
			   void (*done)(void *userdata, int error), void *userdata)
{
	/* What a unit wrote just before it failed may not have been read in yet. */
	static const char *const sync[] = {JOURNALCTL, "--sync", NULL};
	struct unit_log *log = calloc(1, sizeof(*log));
	struct log_command command;
	char description[UNIT_NAME_MAX + 64];
	struct transient_options options = {
		.name = "deployd-logs",
		.description = description,
		.argv = command.argv,
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
	fill_command(log, lines, follow, &command);
	log->transient = transient_start(units, &options, on_ended, log);
	if (!log->transient) {
		free(log);
		return NULL;
	}
	return log;
}

void unit_log_cancel(struct unit_log *log)
{
	if (!log)
		return;
	transient_cancel(log->transient);
	free(log);
}
