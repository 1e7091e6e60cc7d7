/*
 * One action on a unit, from the first reading of it to the last. Every wait is one of
 * the phases below; what ends it is a reply, the end of the job, a break or the
 * deadline. After a break nothing is believed but what is read anew: a job whose end
 * nobody heard is a success only where the unit itself shows it.
 */
#include "bus/unit_job.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/unit_properties.h"
#include "bus/unit_request.h"
#include "bus/unit_result.h"
#include "bus/unit_steps.h"
#include "deploy/names.h"

/*
 * A service that does not say when it is ready counts as active as soon as it is
 * forked: one that cannot run shows only a moment later.
 */
#define SETTLE_MSEC 250
/* Between two readings of a unit whose job runs, beside those that signals ask for. */
#define STEP_POLL_MSEC 1000
/* Between two words about a step, and before the first. */
#define STEP_TELL_MSEC	     5000
#define STEP_TELL_FIRST_MSEC 1000
/* After our SIGKILL. */
#define KILL_TIMEOUT_MSEC 10000
/* After the deadline, for a last reading of the unit. */
#define LAST_READ_MSEC 2000

enum phase {
	PHASE_WAITING,	 /* for the bus */
	PHASE_BEFORE,	 /* reading the unit as it is before */
	PHASE_RESETTING, /* ResetFailedUnit */
	PHASE_CALLING,	 /* the call for the job, or for the unit files */
	PHASE_JOB,	 /* systemd works on it */
	PHASE_STEP,	 /* ... and we read how far it has come */
	PHASE_TURN,	 /* another request's Reload is under way */
	PHASE_RELOADING, /* Reload: the manager reads all unit files */
	PHASE_AFTER,	 /* reading what came of it */
	PHASE_SETTLING,	 /* it is active, will it stay so? */
	PHASE_AGAIN,	 /* reading it after a break */
	PHASE_LAST,	 /* reading it after the deadline */
};

struct unit_job {
	struct unit_request request; /* first */
	struct unit_reader reader;
	enum unit_action action;
	enum phase phase;
	char unit[UNIT_NAME_MAX + 1];
	uint64_t timeout_ms;
	uint64_t due_ms; /* the deadline, in the loop's time */
	struct unit_properties before;
	bool have_before;
	bool called;			/* the call may have been carried out */
	bool no_install;		/* the unit file has no [Install] */
	char path[UNITS_JOB_PATH_SIZE]; /* of systemd's job, "" = not told */
	char job_result[32];		/* "" = not heard */
	bool held;			/* systemd was asked to keep the unit in mind */
	bool settled;
	uint32_t settling_pid, settling_restarts;
	bool in_steps; /* stop and start are timed apart */
	uint64_t stop_ms;
	struct unit_steps steps;
	sd_bus_slot *match;
	uint64_t first_tell_ms, tell_ms; /* when a word about the step is due */
	struct unit_outcome outcome;
	unit_step_fn on_step;
	unit_done_fn done;
	void *userdata;
};

static const struct unit_request_type job_type;

static struct unit_job *job_of(struct unit_request *request)
{
	return (struct unit_job *)request; /* the first member */
}

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

static bool is_unit_files(enum unit_action action)
{
	return action == UNIT_ACTION_ENABLE || action == UNIT_ACTION_DISABLE;
}

/* Until the deadline; never 0. */
static uint64_t left_ms(const struct unit_job *job)
{
	uint64_t now = uv_now(job->request.units->loop);

	return job->due_ms > now ? job->due_ms - now : 1;
}

/* It cannot be asked. When that is because of a break, on_ready goes on from here. */
static void cannot_call(struct unit_job *job, int error)
{
	if (error == -ENOTCONN || error == -ECONNRESET) {
		job->phase = PHASE_WAITING;
		return;
	}
	unit_result_no_call(job->action, job->unit, error, &job->outcome);
	unit_request_end(&job->request);
}

static void read_unit(struct unit_job *job, enum phase phase,
		      void (*done)(struct unit_reader *reader, int error))
{
	int r;

	job->phase = phase;
	r = unit_reader_start(&job->reader, &job->request, job->unit, done);
	if (r < 0)
		cannot_call(job, r);
}

/* Takes over the message. */
static void call(struct unit_job *job, enum phase phase, sd_bus_message *message,
		 sd_bus_message_handler_t on_reply)
{
	int r;

	job->phase = phase;
	r = unit_request_call(&job->request, message, on_reply);
	if (r < 0)
		cannot_call(job, r);
}

/* --- what came of it -------------------------------------------------------------- */

static bool is_as_wanted(const struct unit_job *job, const struct unit_properties *now)
{
	return !job->no_install && unit_result_is_wanted(job->action, now);
}

/* Active, but not the one that was active a moment ago. */
static bool has_come_back(const struct unit_job *job, const struct unit_properties *now)
{
	return job->settled && (now->state.n_restarts != job->settling_restarts ||
				now->state.main_pid != job->settling_pid);
}

static uint64_t now_usec(void)
{
	return uv_hrtime() / 1000;
}

/* Of systemd's words for how a job ended, those that come before any process. */
static bool ended_without_start(const struct unit_job *job,
				const struct unit_properties *now)
{
	static const char *const words[] = {"canceled", "dependency", "assert",
					    "invalid",	"skipped",    "unsupported"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (is(job->job_result, words[i]))
			return true;
	return is(job->job_result, "done") && !now->condition_result;
}

static void take_stop(struct unit_job *job, const struct unit_properties *now)
{
	struct unit_outcome *outcome = &job->outcome;

	unit_steps_take(&job->steps, now, now_usec());
	outcome->stop_killed = job->steps.killed;
	outcome->stop_overdue = job->steps.stopped && job->steps.overdue;
	outcome->stop_usec = job->steps.stop_usec;
	outcome->never_started = !job->steps.started && ended_without_start(job, now);
}

static void judge(struct unit_job *job)
{
	struct unit_properties *now = &job->reader.properties;
	const char *job_result = job->job_result[0] ? job->job_result : NULL;
	bool ok;

	unit_result_start_limit(job->action, job->job_result, &job->before, now);
	job->outcome.state = now->state;
	(void)strcpy(job->outcome.id_before, job->before.state.invocation_id);
	if (job->in_steps)
		take_stop(job, now);
	ok = job_result ? is(job_result, "done") && is_as_wanted(job, now)
			: unit_result_is_verified(job->action, &job->before, now);
	if (ok && !job->settled && unit_result_settles(job->action, now)) {
		job->settling_pid = now->state.main_pid;
		job->settling_restarts = now->state.n_restarts;
		job->phase = PHASE_SETTLING;
		unit_request_set_deadline(&job->request, SETTLE_MSEC);
		return;
	}
	if (ok && !has_come_back(job, now)) {
		job->outcome.result = RESULT_OK;
		unit_result_gap(job->action, &job->before, now, &job->outcome);
	} else if (job->no_install) {
		unit_result_no_install(job->unit, &job->outcome);
	} else {
		unit_result_failed(job->action, job->unit, job_result, now,
				   &job->outcome);
	}
	unit_request_end(&job->request);
}

static void on_after(struct unit_reader *reader, int error)
{
	struct unit_job *job = job_of(reader->request);

	if (error < 0)
		cannot_call(job, error);
	else
		judge(job);
}

static void job_over(struct unit_job *job, const char *result)
{
	(void)snprintf(job->job_result, sizeof(job->job_result), "%s", result);
	if (job->in_steps) {
		job->due_ms = uv_now(job->request.units->loop) + job->timeout_ms;
		unit_request_set_deadline(&job->request, left_ms(job));
	}
	read_unit(job, PHASE_AFTER, on_after);
}

/* --- while systemd works on it ------------------------------------------------------
 */

static void tell_step(struct unit_job *job, enum unit_step before)
{
	const struct unit_steps *steps = &job->steps;
	uint64_t now_ms = uv_now(job->request.units->loop);
	bool changed = steps->step != before && job->tell_ms > job->first_tell_ms;

	if (!job->on_step || (now_ms < job->tell_ms && !changed))
		return;
	job->tell_ms = now_ms + STEP_TELL_MSEC;
	job->on_step(job->userdata, steps->step,
		     (now_usec() - steps->since_usec) / USEC_PER_SEC,
		     (steps->shown_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

/* Once for everything that is left of what ran before. */
static void kill_unit(struct unit_job *job)
{
	unit_steps_kill(&job->steps, now_usec() + KILL_TIMEOUT_MSEC * 1000ULL);
	units_send(job->request.units, "KillUnit", "ssi", job->unit, "all", SIGKILL);
}

static void cancel_job(struct unit_job *job)
{
	const char *slash = strrchr(job->path, '/');

	if (slash)
		units_send(job->request.units, "CancelJob", "u",
			   (uint32_t)strtoul(slash + 1, NULL, 10));
}

static void give_up(struct unit_job *job)
{
	const struct unit_steps *steps = &job->steps;

	job->outcome.state = job->reader.properties.state;
	(void)strcpy(job->outcome.id_before, job->before.state.invocation_id);
	job->outcome.stop_failed = steps->step != UNIT_STEP_STARTING;
	if (job->outcome.stop_failed)
		cancel_job(job);
	if (job->action == UNIT_ACTION_STOP && !job->outcome.stop_failed)
		unit_result_late(job->action, job->unit, job->timeout_ms, true, true,
				 &job->outcome);
	else
		unit_result_step_late(job->action, job->unit, steps->step,
				      (now_usec() - steps->since_usec) / USEC_PER_SEC,
				      &job->outcome);
	unit_request_end(&job->request);
}

static void on_step_read(struct unit_reader *reader, int error)
{
	struct unit_job *job = job_of(reader->request);
	enum unit_step before = job->steps.step;
	uint64_t now = now_usec(), left;

	if (error == -ENOTCONN || error == -ECONNRESET) {
		job->phase = PHASE_WAITING;
		return;
	}
	job->phase = PHASE_JOB;
	if (error == 0) {
		unit_steps_take(&job->steps, &reader->properties, now);
		tell_step(job, before);
		if (now >= job->steps.due_usec &&
		    job->steps.step == UNIT_STEP_STOPPING && !job->steps.stop_forced)
			kill_unit(job);
		if (now >= job->steps.due_usec) {
			give_up(job);
			return;
		}
	}
	job->due_ms = job->steps.due_usec / 1000 + 1;
	left = left_ms(job);
	unit_request_set_deadline(&job->request,
				  left < STEP_POLL_MSEC ? left : STEP_POLL_MSEC);
}

static void read_step(struct unit_job *job)
{
	job->due_ms = job->steps.due_usec / 1000 + 1;
	unit_request_set_deadline(&job->request, left_ms(job) + STEP_POLL_MSEC);
	read_unit(job, PHASE_STEP, on_step_read);
}

static void wait_for_job(struct unit_job *job)
{
	job->phase = PHASE_JOB;
	if (!job->in_steps)
		return;
	job->first_tell_ms = uv_now(job->request.units->loop) + STEP_TELL_FIRST_MSEC;
	job->tell_ms = job->first_tell_ms;
	read_step(job);
}

/* The two values are of one moment: they come in one signal. */
struct sub_state {
	const char *name;
	uint64_t inactive_exit_usec;
};

static int take_sub_state(const char *name, sd_bus_message *value, void *userdata)
{
	struct sub_state *sub_state = userdata;

	if (is(name, "SubState"))
		return sd_bus_message_read(value, "v", "s", &sub_state->name);
	if (is(name, "InactiveExitTimestampMonotonic"))
		return sd_bus_message_read(value, "v", "t",
					   &sub_state->inactive_exit_usec);
	return sd_bus_message_skip(value, "v");
}

static void hear_sub_state(struct unit_job *job, sd_bus_message *message)
{
	struct sub_state sub_state = {.name = ""};

	if (unit_properties_each_changed(message, take_sub_state, &sub_state) >= 0)
		unit_steps_hear(&job->steps, sub_state.name,
				sub_state.inactive_exit_usec);
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret)
{
	struct unit_job *job = userdata;

	(void)ret;
	if (!job->called || unit_request_ended(&job->request) ||
	    !units_is_from_manager(job->request.units, message))
		return 0;
	hear_sub_state(job, message);
	if (job->phase == PHASE_JOB)
		read_step(job);
	return 0;
}

/* Without the signals it is read every second all the same. */
static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	(void)reply;
	(void)userdata;
	(void)ret;
	return 0;
}

static void listen_to_unit(struct unit_job *job)
{
	if (job->in_steps &&
	    unit_properties_match(job->request.units, job->unit, on_changed, on_match,
				  job, &job->match) < 0)
		job->match = NULL;
}

/* --- asking ----------------------------------------------------------------------- */

/* True: it was an error, and is dealt with. */
static bool take_error(struct unit_job *job, sd_bus_message *reply)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	unit_request_drop_call(&job->request);
	if (!error)
		return false;
	if (units_is_break(error)) {
		job->phase = PHASE_WAITING;
		return true;
	}
	job->outcome.state = job->before.state;
	unit_result_refused(job->action, job->unit, error, &job->outcome);
	unit_request_end(&job->request);
	return true;
}

static int on_job(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *job = job_of(userdata);
	const char *path, *result;
	int r;

	(void)ret;
	if (take_error(job, reply))
		return 0;
	r = sd_bus_message_read(reply, "o", &path);
	if (r < 0) {
		cannot_call(job, r);
		return 0;
	}
	(void)snprintf(job->path, sizeof(job->path), "%s", path);
	/* The signal of its end may have come first. */
	result = units_removed_job(job->request.units, job->path);
	if (result)
		job_over(job, result);
	else
		wait_for_job(job);
	return 0;
}

static int on_reloaded(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *job = job_of(userdata);

	(void)ret;
	if (!take_error(job, reply))
		job_over(job, "done");
	return 0;
}

static int on_unit_files(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *job = job_of(userdata);
	sd_bus_message *message;
	int has_install, r = 0;

	(void)ret;
	if (take_error(job, reply))
		return 0;
	if (job->action == UNIT_ACTION_ENABLE) {
		r = sd_bus_message_read(reply, "b", &has_install);
		job->no_install = r >= 0 && !has_install;
	}
	if (r >= 0)
		r = units_new_call(job->request.units, "Reload", &message);
	if (r < 0)
		cannot_call(job, r);
	else
		call(job, PHASE_RELOADING, message, on_reloaded);
	return 0;
}

static int fill_unit_files(const struct unit_job *job, sd_bus_message *message)
{
	int r = sd_bus_message_append(message, "asb", 1, job->unit,
				      0); /* not runtime */

	if (r >= 0 && job->action == UNIT_ACTION_ENABLE)
		r = sd_bus_message_append(message, "b", 0); /* no force */
	return r;
}

static bool is_reloading(struct unit_request *request)
{
	return request->type == &job_type && job_of(request)->phase == PHASE_RELOADING;
}

/*
 * For everything on the machine, and in as long as that takes: not once for each of the
 * apps that wait.
 */
static void reread(struct unit_job *job)
{
	sd_bus_message *message;
	int r;

	if (!job->before.state.need_daemon_reload) {
		judge(job);
		return;
	}
	for (struct unit_request *other = job->request.units->requests; other;
	     other = other->next) {
		if (is_reloading(other)) {
			job->phase = PHASE_TURN;
			return;
		}
	}
	r = units_new_call(job->request.units, "Reload", &message);
	if (r < 0)
		cannot_call(job, r);
	else
		call(job, PHASE_RELOADING, message, on_reloaded);
}

static void call_action(struct unit_job *job)
{
	static const char *const members[] = {
		[UNIT_ACTION_RESTART] = "RestartUnit",
		[UNIT_ACTION_RELOAD] = "ReloadUnit",
		[UNIT_ACTION_START] = "StartUnit",
		[UNIT_ACTION_STOP] = "StopUnit",
		[UNIT_ACTION_ENABLE] = "EnableUnitFiles",
		[UNIT_ACTION_DISABLE] = "DisableUnitFiles",
		[UNIT_ACTION_REREAD] = "Reload", /* reread() calls it */
	};
	bool files = is_unit_files(job->action);
	sd_bus_message *message;
	int r;

	r = units_new_call(job->request.units, members[job->action], &message);
	if (r < 0) {
		cannot_call(job, r);
		return;
	}
	r = files ? fill_unit_files(job, message)
		  : sd_bus_message_append(message, "ss", job->unit, "replace");
	if (r < 0) {
		sd_bus_message_unref(message);
		cannot_call(job, r);
		return;
	}
	job->called = true;
	job->path[0] = '\0';
	unit_steps_begin(&job->steps, job->action != UNIT_ACTION_START,
			 job->stop_ms * 1000, job->timeout_ms * 1000, now_usec());
	call(job, PHASE_CALLING, message, files ? on_unit_files : on_job);
}

static int on_reset(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *job = job_of(userdata);
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret;
	unit_request_drop_call(&job->request);
	if (error && units_is_break(error))
		job->phase = PHASE_WAITING;
	else /* What else keeps it from being reset, the restart itself will name. */
		call_action(job);
	return 0;
}

/*
 * Before every restart, not only after start-limit-hit: each restart counts as a start,
 * and the one too many would stop a unit that runs and not start it again.
 */
static void reset(struct unit_job *job)
{
	sd_bus_message *message;
	int r = units_new_call(job->request.units, "ResetFailedUnit", &message);

	if (r >= 0) {
		r = sd_bus_message_append(message, "s", job->unit);
		if (r < 0)
			sd_bus_message_unref(message);
	}
	if (r < 0)
		cannot_call(job, r);
	else
		call(job, PHASE_RESETTING, message, on_reset);
}

static void on_before(struct unit_reader *reader, int error)
{
	struct unit_job *job = job_of(reader->request);

	if (error < 0) {
		cannot_call(job, error);
		return;
	}
	job->before = reader->properties;
	job->have_before = true;
	if (job->action == UNIT_ACTION_RESTART &&
	    is(job->before.state.load_state, "loaded"))
		reset(job);
	else if (job->action == UNIT_ACTION_REREAD)
		reread(job);
	else
		call_action(job);
}

/*
 * systemd forgets a unit that is not running as soon as nobody holds it, and with it
 * how its last run went. A break gives the hold up, too.
 */
static void hold_unit(struct unit_job *job)
{
	job->held = !is_unit_files(job->action) && job->action != UNIT_ACTION_REREAD;
	if (job->held)
		units_send(job->request.units, "RefUnit", "s", job->unit);
}

static void let_unit_go(struct unit_job *job)
{
	if (job->held)
		units_send(job->request.units, "UnrefUnit", "s", job->unit);
	job->held = false;
}

static void read_before(struct unit_job *job)
{
	read_unit(job, PHASE_BEFORE, on_before);
}

/* --- after a break ---------------------------------------------------------------- */

static void on_again(struct unit_reader *reader, int error)
{
	struct unit_job *job = job_of(reader->request);
	const struct unit_properties *now = &reader->properties;
	const char *result = NULL;

	if (error < 0) {
		cannot_call(job, error);
		return;
	}
	if (job->path[0] != '\0')
		result = units_removed_job(job->request.units, job->path);
	if (result) {
		(void)snprintf(job->job_result, sizeof(job->job_result), "%s", result);
		judge(job);
	} else if (now->job[0] != '\0' &&
		   (job->path[0] == '\0' || is(job->path, now->job))) {
		/* Ours, or one that must end before ours can be asked for again. */
		(void)snprintf(job->path, sizeof(job->path), "%s", now->job);
		wait_for_job(job);
	} else if (job->path[0] != '\0' ||
		   unit_result_is_verified(job->action, &job->before, now) ||
		   unit_result_has_started(&job->before, now)) {
		judge(job);
	} else {
		/* There is no sign that the call was heard. */
		call_action(job);
	}
}

static void job_ready(struct unit_request *request)
{
	struct unit_job *job = job_of(request);

	if (job->phase != PHASE_WAITING)
		return;
	hold_unit(job);
	listen_to_unit(job);
	if (!job->called)
		read_before(job);
	else if (is_unit_files(job->action))
		call_action(job); /* a second time does no harm */
	else if (job->job_result[0] != '\0')
		read_unit(job, PHASE_AFTER, on_after);
	else
		read_unit(job, PHASE_AGAIN, on_again);
}

static void job_lost(struct unit_request *request)
{
	struct unit_job *job = job_of(request);

	if (job->phase == PHASE_LAST) {
		unit_request_end(request);
		return;
	}
	job->phase = PHASE_WAITING;
	job->held = false;
	job->match = sd_bus_slot_unref(job->match);
	unit_request_set_deadline(request, left_ms(job));
}

/* --- the ends --------------------------------------------------------------------- */

static void on_last(struct unit_reader *reader, int error)
{
	struct unit_job *job = job_of(reader->request);

	if (error == 0)
		job->outcome.state = reader->properties.state;
	unit_request_end(&job->request);
}

static void job_deadline(struct unit_request *request)
{
	struct unit_job *job = job_of(request);
	bool connected = units_connected(request->units);

	if (job->phase == PHASE_SETTLING) {
		job->settled = true;
		unit_request_set_deadline(request, left_ms(job));
		read_unit(job, PHASE_AFTER, on_after);
		return;
	}
	if (job->phase == PHASE_LAST) {
		unit_request_end(request);
		return;
	}
	if (job->phase == PHASE_JOB && job->in_steps) {
		read_step(job);
		return;
	}
	unit_result_late(job->action, job->unit, job->timeout_ms, connected,
			 job->called, &job->outcome);
	if (!connected) {
		unit_request_end(request);
		return;
	}
	job->phase = PHASE_LAST;
	unit_request_set_deadline(request, LAST_READ_MSEC);
	if (unit_reader_start(&job->reader, request, job->unit, on_last) < 0)
		unit_request_end(request);
}

static void job_removed(struct unit_request *request, const char *path,
			const char *result)
{
	struct unit_job *job = job_of(request);

	if ((job->phase == PHASE_JOB || job->phase == PHASE_STEP) &&
	    is(job->path, path))
		job_over(job, result);
}

static void job_closing(struct unit_request *request)
{
	struct unit_job *job = job_of(request);

	unit_result_no_call(job->action, job->unit, -ESHUTDOWN, &job->outcome);
	unit_request_end(request);
}

/* One of those that waited for a Reload, which may be done already. */
static void give_turn(struct units *units)
{
	for (struct unit_request *request = units->requests; request;
	     request = request->next) {
		if (request->type != &job_type || unit_request_ended(request) ||
		    job_of(request)->phase != PHASE_TURN)
			continue;
		read_before(job_of(request));
		return;
	}
}

static void job_end(struct unit_request *request)
{
	struct unit_job *job = job_of(request);

	job->match = sd_bus_slot_unref(job->match);
	let_unit_go(job);
	if (job->phase != PHASE_TURN)
		give_turn(request->units);
	if (!request->forgotten)
		job->done(job->userdata, &job->outcome);
	free(job);
}

static const struct unit_request_type job_type = {
	.on_ready = job_ready,
	.on_lost = job_lost,
	.on_deadline = job_deadline,
	.on_job_removed = job_removed,
	.on_closing = job_closing,
	.end = job_end,
};

static struct unit_job *job_new(struct units *units, enum unit_action action,
				const char *unit, uint64_t timeout_ms,
				unit_done_fn done, void *userdata)
{
	struct unit_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	assert(timeout_ms > 0 && strlen(unit) <= UNIT_NAME_MAX);
	job->action = action;
	(void)snprintf(job->unit, sizeof(job->unit), "%s", unit);
	job->done = done;
	job->userdata = userdata;
	job->outcome.result = RESULT_FAILED;
	job->phase = PHASE_WAITING;
	job->timeout_ms = timeout_ms;
	unit_request_init(&job->request, &job_type, units, timeout_ms);
	job->due_ms = uv_now(units->loop) + timeout_ms;
	return job;
}

static void job_begin(struct unit_job *job)
{
	if (job->request.units->closing)
		job_closing(&job->request);
	else if (job->request.units->ready)
		job_ready(&job->request);
}

struct unit_job *units_act(struct units *units, enum unit_action action,
			   const char *unit, uint64_t timeout_ms, unit_done_fn done,
			   void *userdata)
{
	struct unit_job *job = job_new(units, action, unit, timeout_ms, done, userdata);

	if (job)
		job_begin(job);
	return job;
}

struct unit_job *units_act_in_steps(struct units *units, enum unit_action action,
				    const char *unit, uint64_t start_ms,
				    uint64_t stop_ms, unit_step_fn on_step,
				    unit_done_fn done, void *userdata)
{
	struct unit_job *job = job_new(units, action, unit, start_ms, done, userdata);

	if (!job)
		return NULL;
	assert(stop_ms > 0);
	job->in_steps = action == UNIT_ACTION_RESTART || action == UNIT_ACTION_START ||
			action == UNIT_ACTION_STOP;
	job->stop_ms = stop_ms;
	job->on_step = on_step;
	job_begin(job);
	return job;
}

void unit_job_cancel(struct unit_job *job)
{
	if (job)
		unit_request_forget(&job->request);
}
