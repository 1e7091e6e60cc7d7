/*
 * One action on a unit, from the first look at it to the last. Every wait is one of the
 * phases below; what ends it is a reply, the end of the job, a break or the deadline.
 * After a break nothing is believed but what is read anew: a job whose end nobody heard
 * is a success only where the unit itself shows it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "loop/unit_request.h"
#include "loop/units.h"

/*
 * A service that does not say when it is ready counts as active as soon as it is
 * forked: one that cannot run shows only a moment later.
 */
#define SETTLE_MSEC 250
/* After the deadline, for a last look at the unit. */
#define LAST_LOOK_MSEC 2000

enum phase {
	PHASE_WAITING,	 /* for the bus */
	PHASE_BEFORE,	 /* reading the unit as it is before */
	PHASE_RESETTING, /* ResetFailedUnit */
	PHASE_CALLING,	 /* the call for the job, or for the unit files */
	PHASE_JOB,	 /* systemd works on it */
	PHASE_TURN,	 /* another request's Reload is under way */
	PHASE_RELOADING, /* Reload: the manager reads all unit files */
	PHASE_AFTER,	 /* reading what came of it */
	PHASE_SETTLING,	 /* it is active, will it stay so? */
	PHASE_AGAIN,	 /* reading it after a break */
	PHASE_LAST,	 /* reading it after the deadline */
};

struct unit_op {
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
	struct unit_outcome outcome;
	unit_done_fn done;
	void *userdata;
};

static const struct unit_request_type op_type;

static struct unit_op *op_of(struct unit_request *request)
{
	return (struct unit_op *)request; /* the first member */
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
static uint64_t left_ms(const struct unit_op *op)
{
	uint64_t now = uv_now(op->request.units->loop);

	return op->due_ms > now ? op->due_ms - now : 1;
}

/* It cannot be asked. When that is because of a break, on_ready goes on from here. */
static void cannot_call(struct unit_op *op, int error)
{
	if (error == -ENOTCONN || error == -ECONNRESET) {
		op->phase = PHASE_WAITING;
		return;
	}
	unit_words_no_call(op->action, op->unit, error, &op->outcome);
	unit_request_end(&op->request);
}

static void look(struct unit_op *op, enum phase phase,
		 void (*done)(struct unit_reader *reader, int error))
{
	int r;

	op->phase = phase;
	r = unit_reader_start(&op->reader, &op->request, op->unit, done);
	if (r < 0)
		cannot_call(op, r);
}

/* Takes over the message. */
static void call(struct unit_op *op, enum phase phase, sd_bus_message *message,
		 sd_bus_message_handler_t on_reply)
{
	int r;

	op->phase = phase;
	r = unit_request_call(&op->request, message, on_reply);
	if (r < 0)
		cannot_call(op, r);
}

/* --- what came of it -------------------------------------------------------------- */

static bool is_as_wanted(const struct unit_op *op, const struct unit_properties *now)
{
	return !op->no_install && unit_verdict_wanted(op->action, now);
}

/* Active, but not the one that was active a moment ago. */
static bool has_come_back(const struct unit_op *op, const struct unit_properties *now)
{
	return op->settled && (now->state.n_restarts != op->settling_restarts ||
			       now->state.main_pid != op->settling_pid);
}

static void judge(struct unit_op *op)
{
	struct unit_properties *now = &op->reader.properties;
	const char *job_result = op->job_result[0] ? op->job_result : NULL;
	bool ok;

	unit_verdict_start_limit(op->action, op->job_result, &op->before, now);
	op->outcome.state = now->state;
	ok = job_result ? is(job_result, "done") && is_as_wanted(op, now)
			: unit_verdict_proven(op->action, &op->before, now);
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
	struct unit_op *op = op_of(reader->request);

	if (error < 0)
		cannot_call(op, error);
	else
		judge(op);
}

static void job_over(struct unit_op *op, const char *result)
{
	(void)snprintf(op->job_result, sizeof(op->job_result), "%s", result);
	look(op, PHASE_AFTER, on_after);
}

/* --- asking ----------------------------------------------------------------------- */

/* True: it was an error, and is dealt with. */
static bool take_error(struct unit_op *op, sd_bus_message *reply)
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
	struct unit_op *op = op_of(userdata);
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
	op->phase = PHASE_JOB;
	/* The signal of its end may have come first. */
	result = units_removed_job(op->request.units, op->job);
	if (result)
		job_over(op, result);
	return 0;
}

static int on_reloaded(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_op *op = op_of(userdata);

	(void)ret;
	if (!take_error(op, reply))
		job_over(op, "done");
	return 0;
}

static int on_unit_files(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_op *op = op_of(userdata);
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

static int fill_unit_files(const struct unit_op *op, sd_bus_message *message)
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
static void reread(struct unit_op *op)
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

static void call_action(struct unit_op *op)
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
	call(op, PHASE_CALLING, message, files ? on_unit_files : on_job);
}

static int on_reset(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct unit_op *op = op_of(userdata);
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
static void reset(struct unit_op *op)
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
	struct unit_op *op = op_of(reader->request);

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

static void send_about_unit(struct unit_op *op, const char *member)
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
static void hold_unit(struct unit_op *op)
{
	op->held = !is_unit_files(op->action) && op->action != UNIT_ACTION_REREAD;
	if (op->held)
		send_about_unit(op, "RefUnit");
}

static void let_unit_go(struct unit_op *op)
{
	if (op->held)
		send_about_unit(op, "UnrefUnit");
	op->held = false;
}

static void look_before(struct unit_op *op)
{
	look(op, PHASE_BEFORE, on_before);
}

/* --- after a break ---------------------------------------------------------------- */

static void on_again(struct unit_reader *reader, int error)
{
	struct unit_op *op = op_of(reader->request);
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
		op->phase = PHASE_JOB;
	} else if (op->job[0] != '\0' ||
		   unit_verdict_proven(op->action, &op->before, now) ||
		   unit_verdict_started(&op->before, now)) {
		judge(op);
	} else {
		/* There is no sign that the call was heard. */
		call_action(op);
	}
}

static void op_ready(struct unit_request *request)
{
	struct unit_op *op = op_of(request);

	if (op->phase != PHASE_WAITING)
		return;
	hold_unit(op);
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
	struct unit_op *op = op_of(request);

	if (op->phase == PHASE_LAST) {
		unit_request_end(request);
		return;
	}
	op->phase = PHASE_WAITING;
	op->held = false;
	unit_request_set_deadline(request, left_ms(op));
}

/* --- the ends --------------------------------------------------------------------- */

static void on_last(struct unit_reader *reader, int error)
{
	struct unit_op *op = op_of(reader->request);

	if (error == 0)
		op->outcome.state = reader->properties.state;
	unit_request_end(&op->request);
}

static void op_deadline(struct unit_request *request)
{
	struct unit_op *op = op_of(request);
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
	struct unit_op *op = op_of(request);

	if (op->phase == PHASE_JOB && is(op->job, job))
		job_over(op, result);
}

static void op_closing(struct unit_request *request)
{
	struct unit_op *op = op_of(request);

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
	struct unit_op *op = op_of(request);

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

struct unit_op *units_act(struct units *units, enum unit_action action,
			  const char *unit, uint64_t timeout_ms, unit_done_fn done,
			  void *userdata)
{
	struct unit_op *op = calloc(1, sizeof(*op));

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
	if (units->closing)
		op_closing(&op->request);
	else if (units->ready)
		op_ready(&op->request);
	return op;
}

void unit_op_cancel(struct unit_op *op)
{
	if (op)
		unit_request_forget(&op->request);
}
