/*
 * The step of an operation that the service manager carries out, and the last journal
 * lines of a unit that did not come up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/operation.h"
#include "loop/touch.h"

/* False: nothing is to be done to the unit. */
static bool action_of(const struct operation *operation, enum unit_action *ret_action)
{
	switch (operation->op.kind) {
	case OP_KIND_DEPLOY:
	case OP_KIND_ACTIVATE:
	case OP_KIND_ROLLBACK:
		switch (operation->settings->activate_method) {
		case ACTIVATE_METHOD_NONE:
			return false;
		case ACTIVATE_METHOD_RELOAD:
			*ret_action = UNIT_ACTION_RELOAD;
			return true;
		case ACTIVATE_METHOD_RESTART:
			*ret_action = UNIT_ACTION_RESTART;
			return true;
		}
		return false;
	case OP_KIND_RECOVER:
		/* After a reboot PID 1 has started the new release by itself, or will.
		 */
		*ret_action =
			operation->same_boot ? UNIT_ACTION_RESTART : UNIT_ACTION_START;
		return operation->settings->activate_method != ACTIVATE_METHOD_NONE;
	case OP_KIND_RESTART:
	case OP_KIND_FLAG:
		*ret_action = UNIT_ACTION_RESTART;
		return true;
	case OP_KIND_RELOAD:
		*ret_action = UNIT_ACTION_RELOAD;
		return true;
	case OP_KIND_START:
		*ret_action = UNIT_ACTION_START;
		return true;
	case OP_KIND_STOP:
		*ret_action = UNIT_ACTION_STOP;
		return true;
	case OP_KIND_ENABLE:
		*ret_action = UNIT_ACTION_ENABLE;
		return true;
	case OP_KIND_DISABLE:
		*ret_action = UNIT_ACTION_DISABLE;
		return true;
	case OP_KIND_STAGE:
	case OP_KIND_CONFIRM:
	case OP_KIND_HOLD:
	case OP_KIND_UNHOLD:
	case OP_KIND_REVERT:
	case OP_KIND_COUNT:
		return false;
	}
	return false;
}

/* What the log's reader gets; a short read or none just leaves the lines out. */
static void keep_log(struct operation *operation)
{
	char *text = calloc(1, OPERATION_LOG_BYTES_MAX + 1);
	int fd = operation->log_output.fd;
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > OPERATION_LOG_BYTES_MAX ? end - OPERATION_LOG_BYTES_MAX : 0;

	if (text && end > 0)
		(void)!pread(fd, text, OPERATION_LOG_BYTES_MAX, from);
	free(operation->unit_log_text);
	operation->unit_log_text = text;
}

static void on_log(void *userdata, int error)
{
	struct operation *operation = userdata;

	operation->unit_log = NULL;
	if (error < 0)
		journal_log(LOG_WARNING, "%s: cannot read the unit's log: %s",
			    operation->settings->app_name, strerror(-error));
	else
		keep_log(operation);
	output_close(&operation->log_output);
	operation_step_done(operation, false);
}

void operation_fail_with_log(struct operation *operation)
{
	if (output_open(&operation->log_output, OUTPUT_KIND_FILE) == 0)
		operation->unit_log =
			units_log(operation->daemon->units, operation->settings->unit,
				  OPERATION_LOG_LINES, false,
				  operation->log_output.path, true, on_log, operation);
	if (operation->unit_log)
		return;
	output_close(&operation->log_output);
	operation_step_done(operation, false);
}

static bool tried_to_start(enum op_kind kind)
{
	return kind != OP_KIND_STOP && kind != OP_KIND_ENABLE &&
	       kind != OP_KIND_DISABLE;
}

/* When the app went down, for the gap: before this job, or at its stop. */
static void note_down(struct operation *operation, const struct unit_outcome *outcome)
{
	if (operation->down_since_mono_usec != 0)
		return;
	operation->down_since_mono_usec =
		outcome->have_gap
			? outcome->state.active_enter_mono_usec - outcome->gap_usec
			: outcome->state.active_exit_mono_usec;
}

/* During a rollback, what a job stops is the new release's process. */
static bool goes_back(const struct operation *operation)
{
	return operation->op.state == OP_STATE_RESTORING ||
	       operation->op.state == OP_STATE_STOPPING;
}

static const char *stops_what(const struct operation *operation)
{
	if (goes_back(operation))
		return "failed release";
	return operation->op.switched ? "old release" : "old process";
}

static void starts_what(const struct operation *operation, char *ret_text, size_t size)
{
	bool back = operation->op.state == OP_STATE_RESTORING;

	if (operation->op.switched)
		(void)snprintf(ret_text, size, "release %s",
			       back ? operation->from : operation->target);
	else
		(void)snprintf(ret_text, size, "%s", operation->settings->unit);
}

static void on_unit_step(void *userdata, enum unit_step step, uint64_t spent_sec,
			 uint64_t limit_sec)
{
	struct operation *operation = userdata;
	unsigned long long spent = spent_sec, limit = limit_sec;
	char what[64];

	switch (step) {
	case UNIT_STEP_WAITING:
		(void)snprintf(operation->step, sizeof(operation->step),
			       "waiting for systemd to begin, %llu s of at most %llu s",
			       spent, limit);
		break;
	case UNIT_STEP_STOPPING:
		(void)snprintf(operation->step, sizeof(operation->step),
			       "stopping the %s, %llu s of at most %llu s",
			       stops_what(operation), spent, limit);
		break;
	case UNIT_STEP_STARTING:
		starts_what(operation, what, sizeof(what));
		(void)snprintf(operation->step, sizeof(operation->step),
			       "starting %s, %llu s of at most %llu s", what, spent,
			       limit);
		break;
	}
	operation_tell(operation);
}

/*
 * It is said of the process that did it, and goes into the history beside the verdict:
 * what the old release did is no evidence against the new one.
 */
static void note_stop(struct operation *operation, const struct unit_outcome *outcome)
{
	const char *what = goes_back(operation) ? "failed release's process in"
			   : operation->op.kind == OP_KIND_STOP ? "process of"
								: "old process of";
	/* systemd's own timer may begin some milliseconds before its timestamp. */
	unsigned long long sec = (outcome->stop_usec + USEC_PER_SEC / 2) / USEC_PER_SEC;
	const char *unit = operation->settings->unit;
	char text[sizeof(operation->stop_note)];
	size_t length = strlen(operation->stop_note);

	operation->step[0] = '\0';
	if (outcome->stop_killed)
		(void)snprintf(text, sizeof(text),
			       "the %s %s did not stop within %llu s and "
			       "was killed",
			       what, unit, sec);
	else if (outcome->stop_overdue)
		(void)snprintf(text, sizeof(text), "the %s %s took %llu s to stop",
			       what, unit, sec);
	else
		return;
	journal_log(LOG_NOTICE, "%s: %s", operation->settings->app_name, text);
	(void)snprintf(operation->stop_note + length,
		       sizeof(operation->stop_note) - length, "%s%s",
		       length > 0 ? "; " : "", text);
	(void)names_trim_utf8(operation->stop_note);
}

static void on_unit_done(void *userdata, const struct unit_outcome *outcome)
{
	struct operation *operation = userdata;
	bool loaded = strcmp(outcome->state.load_state, "loaded") == 0;

	operation->restarted = outcome->result == RESULT_OK && !operation->touch &&
			       operation->action == UNIT_ACTION_RESTART;
	operation->unit_op = NULL;
	operation->touch = NULL;
	operation->unit_state = outcome->state;
	note_down(operation, outcome);
	note_stop(operation, outcome);
	operation->stop_failed = outcome->stop_failed;
	if (outcome->result == RESULT_OK) {
		operation->have_gap = outcome->have_gap;
		operation->gap_ms = (outcome->gap_usec + 999) / 1000;
		operation_step_done(operation, true);
		return;
	}
	operation_fail(operation, outcome->result, "%s", outcome->error.what);
	(void)snprintf(operation->unit_result, sizeof(operation->unit_result), "%s",
		       outcome->state.result);
	/*
	 * A unit that is missing or masked says nothing about the release, and nothing
	 * does that ended before its process was started.
	 */
	operation->release_bad = operation->op.switched && loaded &&
				 !outcome->stop_failed && !outcome->never_started &&
				 strcmp(outcome->state.active_state, "active") != 0;
	if (loaded && !outcome->stop_failed && tried_to_start(operation->op.kind))
		operation_fail_with_log(operation);
	else
		operation_step_done(operation, false);
}

/* Where the job was for what was live before: its failure is the second one. */
static void on_restored(void *userdata, const struct unit_outcome *outcome)
{
	struct operation *operation = userdata;

	operation->restarted = outcome->result == RESULT_OK &&
			       operation->action == UNIT_ACTION_RESTART;
	operation->unit_op = NULL;
	operation->unit_state = outcome->state;
	note_stop(operation, outcome);
	if (outcome->result != RESULT_OK)
		operation->revert_error = outcome->error;
	operation_step_done(operation, outcome->result == RESULT_OK);
}

static void out_of_memory(struct operation *operation)
{
	operation_fail(operation, RESULT_FAILED, "out of memory");
	operation_step_done(operation, false);
}

static void start_job(struct operation *operation)
{
	const struct app_config *settings = operation->settings;

	operation->unit_op = units_act_in_steps(
		operation->daemon->units, operation->action, settings->unit,
		settings->job_timeout_sec * 1000, settings->stop_timeout_sec * 1000,
		on_unit_step, operation->job_done, operation);
	if (!operation->unit_op)
		out_of_memory(operation);
}

static void socket_of(const struct operation *operation,
		      char ret_unit[UNIT_NAME_MAX + 1])
{
	(void)snprintf(ret_unit, UNIT_NAME_MAX + 1, "%s.socket",
		       operation->settings->service_name);
}

static void on_socket_started(void *userdata, const struct unit_outcome *outcome)
{
	struct operation *operation = userdata;

	operation->unit_op = NULL;
	if (outcome->result != RESULT_OK)
		journal_log(LOG_WARNING, "%s: going on without its socket: %s",
			    operation->settings->app_name, outcome->error.what);
	start_job(operation);
}

static void on_socket_state(void *userdata, int error, const struct unit_state *state)
{
	struct operation *operation = userdata;
	char unit[UNIT_NAME_MAX + 1];

	operation->unit_query = NULL;
	if (error < 0 || !state || strcmp(state->active_state, "failed") != 0) {
		start_job(operation);
		return;
	}
	socket_of(operation, unit);
	operation->unit_op =
		units_act(operation->daemon->units, UNIT_ACTION_START, unit,
			  operation->settings->job_timeout_sec * 1000,
			  on_socket_started, operation);
	if (!operation->unit_op)
		out_of_memory(operation);
}

/*
 * A service that crashes under load makes systemd give up the socket in front of it.
 * It has to listen again before the service is there: afterwards it is refused.
 */
static void start_with_socket(struct operation *operation, enum unit_action action,
			      unit_done_fn done)
{
	char unit[UNIT_NAME_MAX + 1];

	operation->action = action;
	operation->job_done = done;
	if (action != UNIT_ACTION_RESTART && action != UNIT_ACTION_START) {
		start_job(operation);
		return;
	}
	/*
	 * A request that waits starts the service by itself, and the one start too many
	 * would end the socket right after it was looked at.
	 */
	units_reset_failed(operation->daemon->units, operation->settings->unit);
	socket_of(operation, unit);
	operation->unit_query =
		units_query(operation->daemon->units, unit, on_socket_state, operation);
	if (!operation->unit_query)
		out_of_memory(operation);
}

static void on_reloadable(void *userdata, int error, const struct unit_state *state)
{
	struct operation *operation = userdata;
	bool runs = error == 0 && state && strcmp(state->active_state, "active") == 0;

	operation->unit_query = NULL;
	start_with_socket(operation, runs ? UNIT_ACTION_RELOAD : UNIT_ACTION_RESTART,
			  on_unit_done);
}

/* activate_method = reload: what does not run has nothing to reload. */
static void reload_or_start(struct operation *operation)
{
	operation->unit_query =
		units_query(operation->daemon->units, operation->settings->unit,
			    on_reloadable, operation);
	if (!operation->unit_query)
		out_of_memory(operation);
}

static bool is_touched(const struct operation *operation)
{
	return operation->settings->restart_method == RESTART_METHOD_TOUCH &&
	       operation->op.kind != OP_KIND_RECOVER;
}

static void start_touch(struct operation *operation)
{
	operation->touch =
		touch_start(operation->daemon->units, operation->daemon->loop,
			    operation->settings, on_unit_done, operation);
	if (!operation->touch)
		out_of_memory(operation);
}

static void act(struct operation *operation)
{
	enum unit_action action;

	if (!action_of(operation, &action))
		operation_step_done(operation, true);
	else if (action == UNIT_ACTION_RELOAD && operation->op.switched)
		reload_or_start(operation);
	else if (action == UNIT_ACTION_RESTART && is_touched(operation))
		start_touch(operation);
	else
		start_with_socket(operation, action, on_unit_done);
}

/* Reads the unit's file, and has not had that done before the switch. */
static bool loads_unit(enum op_kind kind)
{
	return kind == OP_KIND_RESTART || kind == OP_KIND_FLAG ||
	       kind == OP_KIND_START || kind == OP_KIND_RELOAD;
}

void operation_act(struct operation *operation)
{
	if (loads_unit(operation->op.kind))
		operation_with_unit_file(operation, act);
	else
		act(operation);
}

/*
 * Always a restart: a release that is sick may not hear a reload or a touch, and may
 * have ended altogether.
 */
void operation_restore(struct operation *operation)
{
	if (operation->stop_failed) {
		/* What does not end cannot be waited for; what was live follows it. */
		units_start_later(operation->daemon->units, operation->settings->unit);
		operation_step_done(operation, false);
		return;
	}
	if (operation->settings->activate_method == ACTIVATE_METHOD_NONE)
		operation_step_done(operation, true);
	else
		start_with_socket(operation, UNIT_ACTION_RESTART, on_restored);
}

void operation_stop_unit(struct operation *operation)
{
	if (operation->stop_failed) {
		operation_step_done(operation, false); /* a stop is what failed */
		return;
	}
	start_with_socket(operation, UNIT_ACTION_STOP, on_restored);
}
