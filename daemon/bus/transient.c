/*
 * The life of a command in a transient unit. Its end is what systemd says of the unit
 * after its start job: before that the unit is inactive too. A reference (AddRef) keeps
 * systemd from forgetting the unit until it has been asked how it ended.
 */
#include "bus/transient.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/transient_spec.h"
#include "bus/unit_properties.h"
#include "bus/unit_request.h"
#include "core/service_result.h"

/* Beyond its timeout: until it is started, and until it is stopped. */
#define GRACE_MSEC 10000

#define SETUP_STATUS_USER 217 /* systemd.exec(5): its User= is missing */

enum phase {
	PHASE_WAITING,	/* for the bus */
	PHASE_NETWORK,	/* reading the unit whose network it shares */
	PHASE_CLONE,	/* reading the unit that is cloned */
	PHASE_STARTING, /* StartTransientUnit has no answer yet */
	PHASE_JOB,	/* its job has no end yet */
	PHASE_RUNNING,
	PHASE_READING,	 /* reading it: has it ended? */
	PHASE_REFERRING, /* RefUnit, after a break */
};

struct transient {
	struct unit_request request; /* first */
	struct unit_reader reader;
	struct transient_spec spec;
	struct transient_network network;
	bool have_network;
	enum phase phase;
	bool called;	   /* StartTransientUnit was sent: there may be a unit */
	bool again;	   /* something has changed while it was read */
	unsigned int refs; /* at most so many hold the unit for us */
	sd_bus_slot *match;
	char job[UNITS_JOB_PATH_SIZE];
	bool start_failed;
	struct transient_outcome outcome;
	void (*done)(void *userdata, const struct transient_outcome *outcome);
	void *userdata;
};

static struct transient *transient_of(struct unit_request *request)
{
	return (struct transient *)request; /* the first member */
}

bool transient_succeeded(const struct transient_outcome *outcome)
{
	return outcome->error.result == RESULT_OK && outcome->code == CLD_EXITED &&
	       outcome->status == 0;
}

/* --- the end ------------------------------------------------------------------------
 */

static void release(struct transient *transient)
{
	for (; transient->refs > 0; transient->refs--)
		units_send(transient->request.units, "UnrefUnit", "s",
			   transient->spec.unit);
	transient->match = sd_bus_slot_unref(transient->match);
}

static void finish(struct transient *transient)
{
	release(transient);
	unit_request_end(&transient->request);
}

static void stop(struct transient *transient)
{
	if (transient->called)
		units_send(transient->request.units, "StopUnit", "ss",
			   transient->spec.unit, "replace");
}

static void fail(struct transient *transient, int error, const char *what)
{
	(void)errinfo_set(&transient->outcome.error, error, "%s: %s",
			  transient->spec.unit, what);
	finish(transient);
}

/* A break is no end yet: on_ready goes on. */
static void cannot_ask(struct transient *transient, int error)
{
	if (error == -ENOTCONN || error == -ECONNRESET)
		transient->phase = transient->called ? PHASE_RUNNING : PHASE_WAITING;
	else
		fail(transient, error, "cannot call systemd");
}

static void transient_end(struct unit_request *request)
{
	struct transient *transient = transient_of(request);

	transient_spec_deinit(&transient->spec);
	if (!request->forgotten)
		transient->done(transient->userdata, &transient->outcome);
	free(transient);
}

/* --- how it ended -------------------------------------------------------------------
 */

static void too_long(struct transient *transient)
{
	struct errinfo *error = &transient->outcome.error;

	(void)errinfo_refuse(error, RESULT_FAILED,
			     "%s was stopped: it took longer than %llu ms",
			     transient->spec.argv[0],
			     (unsigned long long)transient->spec.timeout_ms);
	error->err = -ETIMEDOUT;
}

static void not_started(struct transient *transient)
{
	const struct transient_outcome *outcome = &transient->outcome;
	char why[256];

	if (service_result_is_success(outcome->result))
		(void)snprintf(why, sizeof(why), "it was stopped before it ran");
	else
		service_result_text(outcome->result, outcome->code, outcome->status,
				    why, sizeof(why));
	(void)errinfo_refuse(
		&transient->outcome.error, RESULT_FAILED, "%s could not start: %s%s",
		transient->spec.argv[0], why,
		outcome->status == SETUP_STATUS_USER ? "; run systemd-sysusers" : "");
}

/*
 * The end of a command that fails fast can come before systemd has seen that it was
 * executed: then the start job fails, too.
 */
static bool was_run(const struct transient *transient)
{
	const struct transient_outcome *outcome = &transient->outcome;

	if (!transient->start_failed || outcome->code != CLD_EXITED)
		return outcome->code != 0;
	return !service_result_is_setup_failure(outcome->status);
}

static void judge(struct transient *transient, const struct unit_state *state)
{
	struct transient_outcome *outcome = &transient->outcome;

	outcome->code = state->exec_main_code;
	outcome->status = state->exec_main_status;
	(void)snprintf(outcome->result, sizeof(outcome->result), "%s", state->result);
	if (strcmp(state->load_state, "not-found") == 0)
		(void)errinfo_refuse(&outcome->error, RESULT_FAILED,
				     "systemd no longer knows how %s ended",
				     transient->spec.unit);
	else if (strcmp(state->result, "timeout") == 0)
		too_long(transient);
	else if (!was_run(transient))
		not_started(transient);
	else
		outcome->error.result = RESULT_OK;
	finish(transient);
}

static void read_unit(struct transient *transient);

static void on_read(struct unit_reader *reader, int error)
{
	struct transient *transient = transient_of(reader->request);
	const struct unit_state *state = &reader->properties.state;

	if (error == -ENOTCONN) {
		/* Where the connection itself has survived, on_lost comes all the same.
		 */
		transient->phase = PHASE_RUNNING;
		return;
	}
	if (error < 0) {
		stop(transient);
		fail(transient, error, "its properties cannot be read");
		return;
	}
	if (strcmp(state->active_state, "inactive") == 0 ||
	    strcmp(state->active_state, "failed") == 0) {
		judge(transient, state);
		return;
	}
	transient->phase = PHASE_RUNNING;
	if (transient->spec.endless && strcmp(state->active_state, "active") == 0)
		(void)uv_timer_stop(&transient->request.deadline);
	if (transient->again)
		read_unit(transient);
}

static void read_unit(struct transient *transient)
{
	int r;

	transient->phase = PHASE_READING;
	transient->again = false;
	r = unit_reader_start(&transient->reader, &transient->request,
			      transient->spec.unit, on_read);
	if (r < 0)
		transient->phase = PHASE_RUNNING; /* on_ready reads it again */
}

static int on_properties(sd_bus_message *message, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = userdata;

	(void)ret;
	if (!units_is_from_manager(transient->request.units, message))
		return 0;
	transient->again = true;
	/* Before the end of the job, "inactive" is what it was before its start. */
	if (transient->phase == PHASE_RUNNING)
		read_unit(transient);
	return 0;
}

static int on_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = userdata;
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret;
	if (!error || units_is_break(error))
		return 0;
	stop(transient);
	fail(transient, sd_bus_error_get_errno(error),
	     "the bus does not signal its changes");
	return 0;
}

/* --- start --------------------------------------------------------------------------
 */

static void job_over(struct transient *transient, const char *result)
{
	transient->start_failed = strcmp(result, "done") != 0;
	read_unit(transient);
}

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = transient_of(userdata);
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	char said[256];
	const char *path, *result;
	int r;

	(void)ret;
	unit_request_drop_call(&transient->request);
	if (error && units_is_break(error))
		return 0; /* whether it was started is found out once the bus is back */
	if (error) {
		names_escape(error->message ? error->message : error->name, said,
			     sizeof(said));
		transient->called = false;
		transient->refs = 0;
		(void)errinfo_refuse(&transient->outcome.error, RESULT_FAILED,
				     "systemd refuses to start %s: %s",
				     transient->spec.unit, said);
		finish(transient);
		return 0;
	}
	r = sd_bus_message_read(reply, "o", &path);
	if (r < 0) {
		stop(transient);
		fail(transient, r, "cannot read systemd's answer");
		return 0;
	}
	(void)snprintf(transient->job, sizeof(transient->job), "%s", path);
	transient->phase = PHASE_JOB;
	result = units_removed_job(transient->request.units, transient->job);
	if (result)
		job_over(transient, result);
	return 0;
}

static int watch(struct transient *transient)
{
	transient->match = sd_bus_slot_unref(transient->match);
	return unit_properties_match(transient->request.units, transient->spec.unit,
				     on_properties, on_installed, transient,
				     &transient->match);
}

/* clone: the reply about the unit that is cloned, or NULL. */
static void start(struct transient *transient, sd_bus_message *clone)
{
	struct errinfo *error = &transient->outcome.error;
	sd_bus_message *message;
	int r;

	/* The subscription is the first thing that the bus hears of it. */
	r = watch(transient);
	if (r >= 0)
		r = units_new_call(transient->request.units, "StartTransientUnit",
				   &message);
	if (r < 0) {
		cannot_ask(transient, r);
		return;
	}
	r = transient_spec_fill(&transient->spec, message, clone,
				transient->have_network ? &transient->network : NULL,
				error);
	if (r < 0) {
		sd_bus_message_unref(message);
		if (r == -ENOTCONN)
			cannot_ask(transient, r);
		else
			finish(transient);
		return;
	}
	transient->phase = PHASE_STARTING;
	r = unit_request_call(&transient->request, message, on_started);
	if (r < 0) {
		cannot_ask(transient, r);
		return;
	}
	transient->called = true;
	transient->refs = 1;
}

static int on_clone(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = transient_of(userdata);
	/* The reply outlives its slot, which the next call replaces. */
	sd_bus_message *clone = sd_bus_message_ref(reply);

	(void)ret;
	start(transient, clone);
	sd_bus_message_unref(clone);
	return 0;
}

static void read_clone(struct transient *transient)
{
	int r;

	if (!transient->spec.clone_of) {
		start(transient, NULL);
		return;
	}
	transient->phase = PHASE_CLONE;
	r = unit_properties_call(&transient->request, transient->spec.clone_of,
				 on_clone);
	if (r < 0)
		cannot_ask(transient, r);
}

static int on_network(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = transient_of(userdata);
	int r;

	(void)ret;
	r = transient_spec_read_network(&transient->spec, reply, &transient->network,
					&transient->outcome.error);
	if (r == -ENOTCONN) {
		transient->phase = PHASE_WAITING;
	} else if (r < 0) {
		finish(transient);
	} else {
		transient->have_network = true;
		read_clone(transient);
	}
	return 0;
}

static void begin(struct transient *transient)
{
	int r;

	if (!transient->spec.network_of) {
		read_clone(transient);
		return;
	}
	transient->phase = PHASE_NETWORK;
	r = unit_properties_call(&transient->request, transient->spec.network_of,
				 on_network);
	if (r < 0)
		cannot_ask(transient, r);
}

/* --- breaks -------------------------------------------------------------------------
 */

static int on_referred(sd_bus_message *reply, void *userdata, sd_bus_error *ret)
{
	struct transient *transient = transient_of(userdata);
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret;
	unit_request_drop_call(&transient->request);
	if (error && units_is_break(error))
		return 0;
	if (error) {
		/* Nobody held it: it has ended and is forgotten, or never was. */
		(void)errinfo_refuse(&transient->outcome.error, RESULT_FAILED,
				     "the result of %s is unknown, because the "
				     "connection to systemd broke",
				     transient->spec.unit);
		finish(transient);
		return 0;
	}
	transient->refs++;
	read_unit(transient);
	return 0;
}

/* The bus forgot our reference together with us. */
static void refer(struct transient *transient)
{
	sd_bus_message *message;
	int r = watch(transient);

	if (r >= 0)
		r = units_new_call(transient->request.units, "RefUnit", &message);
	if (r >= 0) {
		transient->phase = PHASE_REFERRING;
		r = sd_bus_message_append(message, "s", transient->spec.unit);
		if (r < 0)
			sd_bus_message_unref(message);
		else
			r = unit_request_call(&transient->request, message,
					      on_referred);
	}
	if (r < 0)
		cannot_ask(transient, r);
}

static void transient_ready(struct unit_request *request)
{
	struct transient *transient = transient_of(request);

	if (request->forgotten) {
		stop(transient);
		finish(transient);
	} else if (transient->called) {
		refer(transient);
	} else {
		begin(transient);
	}
}

static void transient_lost(struct unit_request *request)
{
	struct transient *transient = transient_of(request);

	transient->match = sd_bus_slot_unref(transient->match);
	/* What a new manager calls by the old path is another job. */
	transient->job[0] = '\0';
	transient->phase = transient->called ? PHASE_RUNNING : PHASE_WAITING;
}

static void transient_job_removed(struct unit_request *request, const char *job,
				  const char *result)
{
	struct transient *transient = transient_of(request);

	if (transient->phase == PHASE_JOB && strcmp(transient->job, job) == 0)
		job_over(transient, result);
}

static void transient_deadline(struct unit_request *request)
{
	struct transient *transient = transient_of(request);

	stop(transient);
	if (transient->called) {
		too_long(transient);
	} else {
		(void)errinfo_refuse(&transient->outcome.error, RESULT_FAILED,
				     "%s was not started: systemd did not respond",
				     transient->spec.argv[0]);
		transient->outcome.error.err = -ENOTCONN;
	}
	finish(transient);
}

static void transient_closing(struct unit_request *request)
{
	struct transient *transient = transient_of(request);

	stop(transient);
	fail(transient, ESHUTDOWN, "deployd is stopping");
}

static const struct unit_request_type transient_type = {
	.on_ready = transient_ready,
	.on_lost = transient_lost,
	.on_deadline = transient_deadline,
	.on_job_removed = transient_job_removed,
	.on_closing = transient_closing,
	.end = transient_end,
};

struct transient *
transient_start(struct units *units, const struct transient_options *options,
		void (*done)(void *userdata, const struct transient_outcome *outcome),
		void *userdata)
{
	struct transient *transient = calloc(1, sizeof(*transient));

	if (!transient)
		return NULL;
	transient->done = done;
	transient->userdata = userdata;
	transient->outcome.error.result = RESULT_FAILED;
	transient->phase = PHASE_WAITING;
	unit_request_init(&transient->request, &transient_type, units,
			  options->timeout_ms + GRACE_MSEC);
	if (transient_spec_init(&transient->spec, options, &transient->outcome.error) <
	    0)
		finish(transient);
	else if (units->closing)
		transient_closing(&transient->request);
	else if (units->ready)
		begin(transient);
	return transient;
}

void transient_cancel(struct transient *transient)
{
	if (!transient)
		return;
	if (transient->called && !transient->request.units->ready &&
	    !unit_request_ended(&transient->request)) {
		/* Stopped as soon as systemd can be asked, at the latest by itself. */
		transient->request.forgotten = true;
		return;
	}
	if (!unit_request_ended(&transient->request)) {
		stop(transient);
		release(transient);
	}
	unit_request_forget(&transient->request);
}
