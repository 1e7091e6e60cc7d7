/*
 * One action on a unit, from the first look at it to the last. Every wait is one of the
 * phases below; what ends it is a reply, the end of the job, a break or the deadline.
 * After a break nothing is believed but what is read anew: a job whose end nobody heard
 * is a success only where the unit itself shows it.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/unit_request.h"
#include "bus/unit_steps.h"
#include "bus/unit_values.h"
#include "bus/units.h"
#include "deploy/names.h"

/*
 * A service that does not say when it is ready counts as active as soon as it is
 * forked: one that cannot run shows only a moment later.
 */
#define SETTLE_MSEC 250
/* Between two looks at a unit whose job runs, beside those that signals ask for. */
#define STEP_POLL_MSEC 1000
/* Between two words about a step, and before the first. */
#define STEP_TELL_MSEC	     5000
#define STEP_TELL_FIRST_MSEC 1000
/* After our SIGKILL. */
#define KILL_TIMEOUT_MSEC 10000
/* After the deadline, for a last look at the unit. */
#define LAST_LOOK_MSEC 2000

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
	bool called;		       /* the call may have been carried out */
	bool no_install;	       /* the unit file has no [Install] */
	char job[UNITS_JOB_PATH_SIZE]; /* "" = not told */
	char job_result[32];	       /* "" = not heard */
	bool held;		       /* systemd was asked to keep the unit in mind */
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

static const struct unit_request_type op_type;

static struct unit_job *op_of(struct unit_request *request)
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
static uint64_t left_ms(const struct unit_job *op)
{
	uint64_t now = uv_now(op->request.units->loop);

	return op->due_ms > now ? op->due_ms - now : 1;
}

/* It cannot be asked. When that is because of a break, on_ready goes on from here. */
static void cannot_call(struct unit_job *op, int error)
{
	if (error == -ENOTCONN || error == -ECONNRESET) {
		op->phase = PHASE_WAITING;
		return;
	}
	unit_words_no_call(op->action, op->unit, error, &op->outcome);
	unit_request_end(&op->request);
}

static void look(struct unit_job *op, enum phase phase,
		 void (*done)(struct unit_reader *reader, int error))
{
	int r;

	op->phase = phase;
	r = unit_reader_start(&op->reader, &op->request, op->unit, done);
	if (r < 0)
		cannot_call(op, r);
}

/* Takes over the message. */
static void call(struct unit_job *op, enum phase phase, sd_bus_message *message,
		 sd_bus_message_handler_t on_reply)
{
	int r;

	op->phase = phase;
	r = unit_request_call(&op->request, message, on_reply);
	if (r < 0)
		cannot_call(op, r);
}

/* --- what came of it -------------------------------------------------------------- */

static bool is_as_wanted(const struct unit_job *op, const struct unit_properties *now)
{
	return !op->no_install && unit_verdict_wanted(op->action, now);
}

/* Active, but not the one that was active a moment ago. */
static bool has_come_back(const struct unit_job *op, const struct unit_properties *now)
{
	return op->settled && (now->state.n_restarts != op->settling_restarts ||
			       now->state.main_pid != op->settling_pid);
}

static uint64_t now_usec(void)
{
	return uv_hrtime() / 1000;
}

static void take_stop(struct unit_job *op, const struct unit_properties *now)
{
	struct unit_outcome *outcome = &op->outcome;

	unit_steps_look(&op->steps, now, now_usec());
	outcome->stop_killed = op->steps.killed;
	outcome->stop_overdue = op->steps.stopped && op->steps.overdue;
	outcome->stop_usec = op->steps.stop_usec;
	outcome->never_started = !op->steps.started && is(op->job_result, "canceled");
}

static void judge(struct unit_job *op)
{
	struct unit_properties *now = &op->reader.properties;
	const char *job_result = op->job_result[0] ? op->job_result : NULL;
	bool ok;

	unit_verdict_start_limit(op->action, op->job_result, &op->before, now);
	op->outcome.state = now->state;
	if (op->in_steps)
		take_stop(op, now);
	ok = job_result ? is(job_result, "done") && is_as_wanted(op, now)
			: unit_verdict_verified(op->action, &op->before, now);
	if (ok && !op->settled && unit_verdict_settles(op->action, now)) {
		op->settling_pid = now->state.main_pid;
		op->settling_restarts = now->state.n_restarts;
		op->phase = PHASE_SETTLING;
		unit_request_set_deadline(&op->request, SETTLE_MSEC);
		return;
	}
	if (ok && !has_come_back(op, now)) {
		op->outcome.result = RESULT_OK;
		unit_verdict_gap(op->action, &op->before, now, &op->outcome);
	} else if (op->no_install) {
		unit_words_no_install(op->unit, &op->outcome);
	} else {
		unit_words_failed(op->action, op->unit, job_result, now, &op->outcome);
	}
	unit_request_end(&op->request);
}

static void on_after(struct unit_reader *reader, int error)
{
	struct unit_job *op = op_of(reader->request);

	if (error < 0)
		cannot_call(op, error);
	else
		judge(op);
}

static void job_over(struct unit_job *op, const char *result)
{
	(void)snprintf(op->job_result, sizeof(op->job_result), "%s", result);
	if (op->in_steps) {
		op->due_ms = uv_now(op->request.units->loop) + op->timeout_ms;
		unit_request_set_deadline(&op->request, left_ms(op));
	}
	look(op, PHASE_AFTER, on_after);
}

/* --- while systemd works on it ------------------------------------------------------
 */

static void tell_step(struct unit_job *op, enum unit_step before)
{
	const struct unit_steps *steps = &op->steps;
	uint64_t now_ms = uv_now(op->request.units->loop);
	bool changed = steps->step != before && op->tell_ms > op->first_tell_ms;

	if (!op->on_step || (now_ms < op->tell_ms && !changed))
		return;
	op->tell_ms = now_ms + STEP_TELL_MSEC;
	op->on_step(op->userdata, steps->step,
		    (now_usec() - steps->since_usec) / USEC_PER_SEC,
		    (steps->shown_usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
}

/* Once for everything that is left of what ran before. */
static void kill_unit(struct unit_job *op)
{
	sd_bus_message *message;

	unit_steps_kill(&op->steps, now_usec() + KILL_TIMEOUT_MSEC * 1000ULL);
	if (units_new_call(op->request.units, "KillUnit", &message) < 0)
		return;
	if (sd_bus_message_append(message, "ssi", op->unit, "all", SIGKILL) < 0)
		sd_bus_message_unref(message);
	else
		units_send(op->request.units, message);
}

static void cancel_job(struct unit_job *op)
{
	const char *slash = strrchr(op->job, '/');
	sd_bus_message *message;

	if (!slash || units_new_call(op->request.units, "CancelJob", &message) < 0)
		return;
	if (sd_bus_message_append(message, "u",
				  (uint32_t)strtoul(slash + 1, NULL, 10)) < 0)
		sd_bus_message_unref(message);
	else
		units_send(op->request.units, message);
}

static void give_up(struct unit_job *op)
{
	const struct unit_steps *steps = &op->steps;

	op->outcome.state = op->reader.properties.state;
	op->outcome.stop_failed = steps->step != UNIT_STEP_STARTING;
	if (op->outcome.stop_failed)
		cancel_job(op);
	if (op->action == UNIT_ACTION_STOP && !op->outcome.stop_failed)
		unit_words_late(op->action, op->unit, op->timeout_ms, true, true,
				&op->outcome);
	else
		unit_words_step_late(op->action, op->unit, steps->step,
				     (now_usec() - steps->since_usec) / USEC_PER_SEC,
				     &op->outcome);
	unit_request_end(&op->request);
}

static void on_step_read(struct unit_reader *reader, int error)
{
	struct unit_job *op = op_of(reader->request);
	enum unit_step before = op->steps.step;
	uint64_t now = now_usec(), left;

	if (error == -ENOTCONN || error == -ECONNRESET) {
		op->phase = PHASE_WAITING;
		return;
	}
	op->phase = PHASE_JOB;
	if (error == 0) {
		unit_steps_look(&op->steps, &reader->properties, now);
		tell_step(op, before);
		if (now >= op->steps.due_usec && op->steps.step == UNIT_STEP_STOPPING &&
		    !op->steps.stop_forced)
			kill_unit(op);
		if (now >= op->steps.due_usec) {
			give_up(op);
			return;
		}
	}
	op->due_ms = op->steps.due_usec / 1000 + 1;
	left = left_ms(op);
	unit_request_set_deadline(&op->request,
				  left < STEP_POLL_MSEC ? left : STEP_POLL_MSEC);
}

static void look_at_step(struct unit_job *op)
{
	op->due_ms = op->steps.due_usec / 1000 + 1;
	unit_request_set_deadline(&op->request, left_ms(op) + STEP_POLL_MSEC);
	look(op, PHASE_STEP, on_step_read);
}

static void wait_for_job(struct unit_job *op)
{
	op->phase = PHASE_JOB;
	if (!op->in_steps)
		return;
	op->first_tell_ms = uv_now(op->request.units->loop) + STEP_TELL_FIRST_MSEC;
	op->tell_ms = op->first_tell_ms;
	look_at_step(op);
}

/* The two values are of one moment: they come in one signal. */
static void hear_sub_state(struct unit_job *op, sd_bus_message *message)
{
	const char *interface, *name, *sub_state = "";
	uint64_t inactive_exit = 0;
	int r = sd_bus_message_read(message, "s", &interface);

	if (r >= 0)
		r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && sd_bus_message_enter_container(message, 'e', "sv") > 0) {
		r = sd_bus_message_read(message, "s", &name);
		if (r < 0)
			return;
		if (is(name, "SubState"))
			r = sd_bus_message_read(message, "v", "s", &sub_state);
		else if (is(name, "InactiveExitTimestampMonotonic"))
			r = sd_bus_message_read(message, "v", "t", &inactive_exit);
		else
			r = sd_bus_message_skip(message, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	if (r >= 0)
		unit_steps_hear(&op->steps, sub_state, inactive_exit);
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *ret)
{
	struct unit_job *op = userdata;

	(void)ret;
	if (!op->called || unit_request_ended(&op->request) ||
	    !unit_values_is_signal(op->request.units, message))
		return 0;
	hear_sub_state(op, message);
	if (op->phase == PHASE_JOB)
		look_at_step(op);
	return 0;
}

/* Without the signals it is looked at every second all the same. */
static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	(void)reply;
	(void)userdata;
	(void)ret;
	return 0;
}

static void listen_to_unit(struct unit_job *op)
{
	if (op->in_steps && unit_values_watch(op->request.units, op->unit, on_changed,
					      on_match, op, &op->match) < 0)
		op->match = NULL;
}

/* --- asking ----------------------------------------------------------------------- */

/* True: it was an error, and is dealt with. */
static bool take_error(struct unit_job *op, sd_bus_message *reply)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	op->request.call = sd_bus_slot_unref(op->request.call);
	if (!error)
		return false;
	if (units_is_break(error)) {
		op->phase = PHASE_WAITING;
		return true;
	}
	op->outcome.state = op->before.state;
	unit_words_refused(op->action, op->unit, error, &op->outcome);
	unit_request_end(&op->request);
	return true;
}

static int on_job(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *op = op_of(userdata);
	const char *path, *result;
	int r;

	(void)ret;
	if (take_error(op, reply))
		return 0;
	r = sd_bus_message_read(reply, "o", &path);
	if (r < 0) {
		cannot_call(op, r);
		return 0;
	}
	(void)snprintf(op->job, sizeof(op->job), "%s", path);
	/* The signal of its end may have come first. */
	result = units_removed_job(op->request.units, op->job);
	if (result)
		job_over(op, result);
	else
		wait_for_job(op);
	return 0;
}

static int on_reloaded(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *op = op_of(userdata);

	(void)ret;
	if (!take_error(op, reply))
		job_over(op, "done");
	return 0;
}

static int on_unit_files(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *op = op_of(userdata);
	sd_bus_message *message;
	int has_install, r = 0;

	(void)ret;
	if (take_error(op, reply))
		return 0;
	if (op->action == UNIT_ACTION_ENABLE) {
		r = sd_bus_message_read(reply, "b", &has_install);
		op->no_install = r >= 0 && !has_install;
	}
	if (r >= 0)
		r = units_new_call(op->request.units, "Reload", &message);
	if (r < 0)
		cannot_call(op, r);
	else
		call(op, PHASE_RELOADING, message, on_reloaded);
	return 0;
}

static int fill_unit_files(const struct unit_job *op, sd_bus_message *message)
{
	int r = sd_bus_message_append(message, "asb", 1, op->unit, 0); /* not runtime */

	if (r >= 0 && op->action == UNIT_ACTION_ENABLE)
		r = sd_bus_message_append(message, "b", 0); /* no force */
	return r;
}

static bool is_reloading(struct unit_request *request)
{
	return request->type == &op_type && op_of(request)->phase == PHASE_RELOADING;
}

/*
 * For everything on the machine, and in as long as that takes: not once for each of the
 * apps that wait.
 */
static void reread(struct unit_job *op)
{
	sd_bus_message *message;
	int r;

	if (!op->before.state.need_daemon_reload) {
		judge(op);
		return;
	}
	for (struct unit_request *other = op->request.units->requests; other;
	     other = other->next) {
		if (is_reloading(other)) {
			op->phase = PHASE_TURN;
			return;
		}
	}
	r = units_new_call(op->request.units, "Reload", &message);
	if (r < 0)
		cannot_call(op, r);
	else
		call(op, PHASE_RELOADING, message, on_reloaded);
}

static void call_action(struct unit_job *op)
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
	bool files = is_unit_files(op->action);
	sd_bus_message *message;
	int r;

	r = units_new_call(op->request.units, members[op->action], &message);
	if (r < 0) {
		cannot_call(op, r);
		return;
	}
	r = files ? fill_unit_files(op, message)
		  : sd_bus_message_append(message, "ss", op->unit, "replace");
	if (r < 0) {
		sd_bus_message_unref(message);
		cannot_call(op, r);
		return;
	}
	op->called = true;
	op->job[0] = '\0';
	unit_steps_begin(&op->steps, op->action != UNIT_ACTION_START,
			 op->stop_ms * 1000, op->timeout_ms * 1000, now_usec());
	call(op, PHASE_CALLING, message, files ? on_unit_files : on_job);
}

static int on_reset(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_job *op = op_of(userdata);
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret;
	op->request.call = sd_bus_slot_unref(op->request.call);
	if (error && units_is_break(error))
		op->phase = PHASE_WAITING;
	else /* What else keeps it from being reset, the restart itself will name. */
		call_action(op);
	return 0;
}

/*
 * Before every restart, not only after start-limit-hit: each restart counts as a start,
 * and the one too many would stop a unit that runs and not start it again.
 */
static void reset(struct unit_job *op)
{
	sd_bus_message *message;
	int r = units_new_call(op->request.units, "ResetFailedUnit", &message);

	if (r >= 0) {
		r = sd_bus_message_append(message, "s", op->unit);
		if (r < 0)
			sd_bus_message_unref(message);
	}
	if (r < 0)
		cannot_call(op, r);
	else
		call(op, PHASE_RESETTING, message, on_reset);
}

static void on_before(struct unit_reader *reader, int error)
{
	struct unit_job *op = op_of(reader->request);

	if (error < 0) {
		cannot_call(op, error);
		return;
	}
	op->before = reader->properties;
	op->have_before = true;
	if (op->action == UNIT_ACTION_RESTART &&
	    is(op->before.state.load_state, "loaded"))
		reset(op);
	else if (op->action == UNIT_ACTION_REREAD)
		reread(op);
	else
		call_action(op);
}

static void send_about_unit(struct unit_job *op, const char *member)
{
	sd_bus_message *message;

	if (units_new_call(op->request.units, member, &message) < 0)
		return;
	if (sd_bus_message_append(message, "s", op->unit) < 0)
		sd_bus_message_unref(message);
	else
		units_send(op->request.units, message);
}

/*
 * systemd forgets a unit that is not running as soon as nobody holds it, and with it
 * how its last run went. A break gives the hold up, too.
 */
static void hold_unit(struct unit_job *op)
{
	op->held = !is_unit_files(op->action) && op->action != UNIT_ACTION_REREAD;
	if (op->held)
		send_about_unit(op, "RefUnit");
}

static void let_unit_go(struct unit_job *op)
{
	if (op->held)
		send_about_unit(op, "UnrefUnit");
	op->held = false;
}

static void look_before(struct unit_job *op)
{
	look(op, PHASE_BEFORE, on_before);
}

/* --- after a break ---------------------------------------------------------------- */

static void on_again(struct unit_reader *reader, int error)
{
	struct unit_job *op = op_of(reader->request);
	const struct unit_properties *now = &reader->properties;
	const char *result = NULL;

	if (error < 0) {
		cannot_call(op, error);
		return;
	}
	if (op->job[0] != '\0')
		result = units_removed_job(op->request.units, op->job);
	if (result) {
		(void)snprintf(op->job_result, sizeof(op->job_result), "%s", result);
		judge(op);
	} else if (now->job[0] != '\0' &&
		   (op->job[0] == '\0' || is(op->job, now->job))) {
		/* Ours, or one that must end before ours can be asked for again. */
		(void)snprintf(op->job, sizeof(op->job), "%s", now->job);
		wait_for_job(op);
	} else if (op->job[0] != '\0' ||
		   unit_verdict_verified(op->action, &op->before, now) ||
		   unit_verdict_started(&op->before, now)) {
		judge(op);
	} else {
		/* There is no sign that the call was heard. */
		call_action(op);
	}
}

static void op_ready(struct unit_request *request)
{
	struct unit_job *op = op_of(request);

	if (op->phase != PHASE_WAITING)
		return;
	hold_unit(op);
	listen_to_unit(op);
	if (!op->called)
		look_before(op);
	else if (is_unit_files(op->action))
		call_action(op); /* a second time does no harm */
	else if (op->job_result[0] != '\0')
		look(op, PHASE_AFTER, on_after);
	else
		look(op, PHASE_AGAIN, on_again);
}

static void op_lost(struct unit_request *request)
{
	struct unit_job *op = op_of(request);

	if (op->phase == PHASE_LAST) {
		unit_request_end(request);
		return;
	}
	op->phase = PHASE_WAITING;
	op->held = false;
	op->match = sd_bus_slot_unref(op->match);
	unit_request_set_deadline(request, left_ms(op));
}

/* --- the ends --------------------------------------------------------------------- */

static void on_last(struct unit_reader *reader, int error)
{
	struct unit_job *op = op_of(reader->request);

	if (error == 0)
		op->outcome.state = reader->properties.state;
	unit_request_end(&op->request);
}

static void op_deadline(struct unit_request *request)
{
	struct unit_job *op = op_of(request);
	bool connected = units_connected(request->units);

	if (op->phase == PHASE_SETTLING) {
		op->settled = true;
		unit_request_set_deadline(request, left_ms(op));
		look(op, PHASE_AFTER, on_after);
		return;
	}
	if (op->phase == PHASE_LAST) {
		unit_request_end(request);
		return;
	}
	if (op->phase == PHASE_JOB && op->in_steps) {
		look_at_step(op);
		return;
	}
	unit_words_late(op->action, op->unit, op->timeout_ms, connected, op->called,
			&op->outcome);
	if (!connected) {
		unit_request_end(request);
		return;
	}
	op->phase = PHASE_LAST;
	unit_request_set_deadline(request, LAST_LOOK_MSEC);
	if (unit_reader_start(&op->reader, request, op->unit, on_last) < 0)
		unit_request_end(request);
}

static void op_job_removed(struct unit_request *request, const char *job,
			   const char *result)
{
	struct unit_job *op = op_of(request);

	if ((op->phase == PHASE_JOB || op->phase == PHASE_STEP) && is(op->job, job))
		job_over(op, result);
}

static void op_closing(struct unit_request *request)
{
	struct unit_job *op = op_of(request);

	unit_words_no_call(op->action, op->unit, -ESHUTDOWN, &op->outcome);
	unit_request_end(request);
}

/* One of those that waited for a Reload, which may be done already. */
static void give_turn(struct units *units)
{
	for (struct unit_request *request = units->requests; request;
	     request = request->next) {
		if (request->type != &op_type || unit_request_ended(request) ||
		    op_of(request)->phase != PHASE_TURN)
			continue;
		look_before(op_of(request));
		return;
	}
}

static void op_end(struct unit_request *request)
{
	struct unit_job *op = op_of(request);

	op->match = sd_bus_slot_unref(op->match);
	let_unit_go(op);
	if (op->phase != PHASE_TURN)
		give_turn(request->units);
	if (!request->forgotten)
		op->done(op->userdata, &op->outcome);
	free(op);
}

static const struct unit_request_type op_type = {
	.on_ready = op_ready,
	.on_lost = op_lost,
	.on_deadline = op_deadline,
	.on_job_removed = op_job_removed,
	.on_closing = op_closing,
	.end = op_end,
};

static struct unit_job *op_new(struct units *units, enum unit_action action,
			       const char *unit, uint64_t timeout_ms, unit_done_fn done,
			       void *userdata)
{
	struct unit_job *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	assert(timeout_ms > 0 && strlen(unit) <= UNIT_NAME_MAX);
	op->action = action;
	(void)snprintf(op->unit, sizeof(op->unit), "%s", unit);
	op->done = done;
	op->userdata = userdata;
	op->outcome.result = RESULT_FAILED;
	op->phase = PHASE_WAITING;
	op->timeout_ms = timeout_ms;
	unit_request_init(&op->request, &op_type, units, timeout_ms);
	op->due_ms = uv_now(units->loop) + timeout_ms;
	return op;
}

static void op_begin(struct unit_job *op)
{
	if (op->request.units->closing)
		op_closing(&op->request);
	else if (op->request.units->ready)
		op_ready(&op->request);
}

struct unit_job *units_act(struct units *units, enum unit_action action,
			   const char *unit, uint64_t timeout_ms, unit_done_fn done,
			   void *userdata)
{
	struct unit_job *op = op_new(units, action, unit, timeout_ms, done, userdata);

	if (op)
		op_begin(op);
	return op;
}

struct unit_job *units_act_in_steps(struct units *units, enum unit_action action,
				    const char *unit, uint64_t start_ms,
				    uint64_t stop_ms, unit_step_fn on_step,
				    unit_done_fn done, void *userdata)
{
	struct unit_job *op = op_new(units, action, unit, start_ms, done, userdata);

	if (!op)
		return NULL;
	assert(stop_ms > 0);
	op->in_steps = action == UNIT_ACTION_RESTART || action == UNIT_ACTION_START ||
		       action == UNIT_ACTION_STOP;
	op->stop_ms = stop_ms;
	op->on_step = on_step;
	op_begin(op);
	return op;
}

void unit_op_cancel(struct unit_job *op)
{
	if (op)
		unit_request_forget(&op->request);
}
