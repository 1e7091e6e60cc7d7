/*
 * The journal of a unit, written to a pipe or file of ours by journalctl: in a
 * transient unit, so that a process which may read the journal is started by PID 1 and
 * not by deployd. It ends by itself, or is stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/journal.h"
#include "bus/output.h"
#include "bus/unit_request.h"
#include "bus/units.h"
#include "deploy/names.h"

#define JOURNALCTL "/usr/bin/journalctl"

/* Nobody can make journalctl wait who reads from memory; a client's pipe can. */
#define START_TIMEOUT_MSEC  30000
#define MEMORY_TIMEOUT_MSEC 10000
#define MEMORY_BYTES_MAX    (4u << 20) /* an app may write lines of any length */

enum phase {
	PHASE_WAITING,	/* for the bus */
	PHASE_STARTING, /* StartTransientUnit has no answer yet */
	PHASE_JOB,	/* its job has no end yet */
	PHASE_RUNNING,
	PHASE_LOOKING, /* is it still there? */
};

struct unit_log {
	struct unit_request request; /* first */
	struct unit_reader reader;
	enum phase phase;
	char unit[UNIT_NAME_MAX + 1]; /* whose journal */
	char name[64];		      /* the transient unit */
	char job[UNITS_JOB_PATH_SIZE];
	uint64_t lines;
	bool follow;
	bool into_memory;
	bool look_again;
	char output[OUTPUT_PATH_SIZE];
	int error;
	void (*done)(void *userdata, int error);
	void *userdata;
};

static void look(struct unit_log *log);

static struct unit_log *log_of(struct unit_request *request)
{
	return (struct unit_log *)request; /* the first member */
}

static void finish(struct unit_log *log, int error)
{
	log->error = error;
	unit_request_end(&log->request);
}

/* --- the transient unit ----------------------------------------------------------- */

/*
 * ExecStart= and not ExecStartEx=, though that would take $ as it is: systemd 252
 * writes the latter into the unit's file, and does not know it there after a
 * daemon-reload.
 */
static int add_command(sd_bus_message *message, const char *property,
		       const char *const *argv, bool may_fail)
{
	int r;

	r = sd_bus_message_open_container(message, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", property);
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'v', "a(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'r', "sasb");
	if (r >= 0)
		r = sd_bus_message_append(message, "s", argv[0]);
	if (r >= 0)
		r = sd_bus_message_append_strv(message, (char **)argv);
	if (r >= 0)
		r = sd_bus_message_append(message, "b", may_fail);
	for (int i = 0; r >= 0 && i < 4; i++)
		r = sd_bus_message_close_container(message);
	return r;
}

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

static int add_commands(const struct unit_log *log, sd_bus_message *message)
{
	static const char *const sync[] = {JOURNALCTL, "--sync", NULL};
	const char *argv[16] = {JOURNALCTL, "--no-pager", "--quiet"};
	struct about_unit own, manager, core;
	char lines[48];
	size_t n = 3;
	int r = 0;

	if (log->lines > 0) {
		(void)snprintf(lines, sizeof(lines), "--lines=%" PRIu64, log->lines);
		argv[n++] = lines;
	} else if (log->follow) {
		argv[n++] = "--no-tail";
	}
	if (log->follow)
		argv[n++] = "--follow";
	/*
	 * --unit= but for what others say about it: each request is in the journal, and
	 * a few of them would take up all the lines.
	 */
	argv[n++] = about_unit(log, "_SYSTEMD_UNIT=", &own);
	argv[n++] = "+";
	argv[n++] = "_PID=1";
	argv[n++] = about_unit(log, "UNIT=", &manager);
	argv[n++] = "+";
	argv[n++] = "_UID=0";
	argv[n++] = about_unit(log, "COREDUMP_UNIT=", &core);
	argv[n] = NULL;
	/* What a unit wrote just before it failed may not have been read in yet. */
	if (log->into_memory)
		r = add_command(message, "ExecStartPre", sync, true);
	if (r >= 0)
		r = add_command(message, "ExecStart", argv, false);
	return r;
}

static int fill(const struct unit_log *log, sd_bus_message *message)
{
	char description[UNIT_NAME_MAX + 64];
	int r;

	(void)snprintf(description, sizeof(description), "Journal of %s for deployd",
		       log->unit);
	r = sd_bus_message_append(message, "ss", log->name, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(
			message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description", "s",
			description, "Slice", "s", "deployd-run.slice", "CollectMode",
			"s", "inactive-or-failed", "Type", "s", "exec",
			"StandardOutputFile", "s", log->output, "StandardInput", "s",
			"null", "StandardError", "s", "null");
	/* It reads files of root's and writes to an fd: no more than that. */
	if (r >= 0)
		r = sd_bus_message_append(
			message, "(sv)(sv)(sv)(sv)", "NoNewPrivileges", "b", 1,
			"CapabilityBoundingSet", "t", UINT64_C(0), "PrivateNetwork",
			"b", 1, "ProtectSystem", "s", "strict");
	if (r >= 0 && log->into_memory)
		r = sd_bus_message_append(message, "(sv)(sv)", "RuntimeMaxUSec", "t",
					  UINT64_C(1000) * MEMORY_TIMEOUT_MSEC,
					  "LimitFSIZE", "t",
					  (uint64_t)MEMORY_BYTES_MAX);
	if (r >= 0)
		r = add_commands(log, message);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_append(message, "a(sa(sv))", 0); /* no other units */
	return r;
}

/* It may not have come to be: then systemd says so to nobody. */
static void stop(struct unit_log *log)
{
	sd_bus_message *message;

	if (log->phase == PHASE_WAITING ||
	    units_new_call(log->request.units, "StopUnit", &message) < 0)
		return;
	if (sd_bus_message_append(message, "ss", log->name, "replace") < 0)
		sd_bus_message_unref(message);
	else
		units_send(log->request.units, message);
}

/* --- its life --------------------------------------------------------------------- */

static void running(struct unit_log *log)
{
	log->phase = PHASE_RUNNING;
	/* A client decides itself how long it reads, and when it hangs up. */
	if (!log->into_memory)
		(void)uv_timer_stop(&log->request.deadline);
}

static void job_over(struct unit_log *log, const char *result)
{
	if (strcmp(result, "done") != 0) {
		finish(log, -EIO);
		return;
	}
	running(log);
	/* It may be over, and its UnitRemoved have come before this. */
	look(log);
}

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_log *log = log_of(userdata);
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *path, *result;
	int r;

	(void)ret;
	log->request.call = sd_bus_slot_unref(log->request.call);
	if (error) {
		journal_log(LOG_WARNING, "systemd does not start %s: %s", log->name,
			    error->message ? error->message : error->name);
		finish(log, units_is_break(error) ? -ENOTCONN
						  : -sd_bus_error_get_errno(error));
		return 0;
	}
	r = sd_bus_message_read(reply, "o", &path);
	if (r < 0) {
		stop(log);
		finish(log, r);
		return 0;
	}
	(void)snprintf(log->job, sizeof(log->job), "%s", path);
	log->phase = PHASE_JOB;
	result = units_removed_job(log->request.units, log->job);
	if (result)
		job_over(log, result);
	return 0;
}

static void start(struct unit_log *log)
{
	static unsigned int counter;
	sd_bus_message *message;
	int r;

	/* The pid: one that a deployd of before has started may still run. */
	(void)snprintf(log->name, sizeof(log->name), "deployd-logs-%d-%u.service",
		       (int)getpid(), counter++);
	r = units_new_call(log->request.units, "StartTransientUnit", &message);
	if (r < 0) {
		finish(log, r);
		return;
	}
	r = fill(log, message);
	if (r < 0) {
		sd_bus_message_unref(message);
		finish(log, r);
		return;
	}
	log->phase = PHASE_STARTING;
	r = unit_request_call(&log->request, message, on_started);
	if (r < 0)
		finish(log, r);
}

static void on_look(struct unit_reader *reader, int error)
{
	struct unit_log *log = log_of(reader->request);
	const char *state = reader->properties.state.active_state;

	if (error == -ENOTCONN)
		return; /* on_lost comes too */
	if (error < 0)
		finish(log, error);
	else if (strcmp(state, "inactive") == 0 || strcmp(state, "failed") == 0)
		finish(log, 0);
	else if (log->look_again)
		look(log);
	else
		log->phase = PHASE_RUNNING;
}

static void look(struct unit_log *log)
{
	log->phase = PHASE_LOOKING;
	log->look_again = false;
	if (unit_reader_start(&log->reader, &log->request, log->name, on_look) < 0)
		log->phase = PHASE_RUNNING;
}

static void log_ready(struct unit_request *request)
{
	struct unit_log *log = log_of(request);

	if (log->phase == PHASE_WAITING) {
		start(log);
	} else {
		/* It has lived through the break, or has ended in it. */
		running(log);
		look(log);
	}
}

static void log_lost(struct unit_request *request)
{
	struct unit_log *log = log_of(request);

	/* Whether it was started is not known, and a second one would write twice. */
	if (log->phase == PHASE_STARTING)
		finish(log, -ENOTCONN);
}

static void log_job_removed(struct unit_request *request, const char *job,
			    const char *result)
{
	struct unit_log *log = log_of(request);

	if (log->phase == PHASE_JOB && strcmp(log->job, job) == 0)
		job_over(log, result);
}

/*
 * Also sent of every unit at each daemon-reload: so it only tells when to look. Looking
 * at a unit that is gone makes systemd load it and remove it again: a look that is
 * under way must not be given up for the next, or there would be no end of them.
 */
static void log_unit_removed(struct unit_request *request, const char *unit)
{
	struct unit_log *log = log_of(request);

	if (strcmp(log->name, unit) != 0)
		return;
	if (log->phase == PHASE_RUNNING)
		look(log);
	else if (log->phase == PHASE_LOOKING)
		log->look_again = true;
}

static void log_deadline(struct unit_request *request)
{
	struct unit_log *log = log_of(request);

	stop(log);
	finish(log, log->phase == PHASE_WAITING ? -ENOTCONN : -ETIMEDOUT);
}

static void log_closing(struct unit_request *request)
{
	struct unit_log *log = log_of(request);

	stop(log);
	finish(log, -ESHUTDOWN);
}

static void log_end(struct unit_request *request)
{
	struct unit_log *log = log_of(request);

	if (!request->forgotten)
		log->done(log->userdata, log->error);
	free(log);
}

static const struct unit_request_type log_type = {
	.on_ready = log_ready,
	.on_lost = log_lost,
	.on_deadline = log_deadline,
	.on_job_removed = log_job_removed,
	.on_unit_removed = log_unit_removed,
	.on_closing = log_closing,
	.end = log_end,
};

struct unit_log *units_log(struct units *units, const char *unit, uint64_t lines,
			   bool follow, const char *output, bool into_memory,
			   void (*done)(void *userdata, int error), void *userdata)
{
	struct unit_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	(void)snprintf(log->output, sizeof(log->output), "%s", output);
	(void)snprintf(log->unit, sizeof(log->unit), "%s", unit);
	log->lines = lines;
	log->follow = follow;
	log->into_memory = into_memory;
	log->done = done;
	log->userdata = userdata;
	log->phase = PHASE_WAITING;
	unit_request_init(&log->request, &log_type, units,
			  log->into_memory ? MEMORY_TIMEOUT_MSEC : START_TIMEOUT_MSEC);
	if (strchr(unit, '$'))
		finish(log,
		       -EINVAL); /* no unit is named so, and it would be expanded */
	else if (units->closing)
		finish(log, -ESHUTDOWN);
	else if (units->ready)
		start(log);
	return log;
}

void unit_log_cancel(struct unit_log *log)
{
	if (!log)
		return;
	stop(log);
	unit_request_forget(&log->request);
}
