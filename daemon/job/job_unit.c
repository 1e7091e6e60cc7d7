/*
 * The step of a job that the service manager carries out.
 */
#include "job/job_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "flag/touch.h"
#include "job/job_back.h"
#include "job/job_blame.h"
#include "job/job_guard.h"

/* False: nothing is to be done to the unit. */
static bool action_of(const struct job *job, enum unit_action *ret_action)
{
	switch (job_kind(job->machine.kind)->unit) {
	case JOB_UNIT_ACTIVATE:
		switch (job->settings->activate_method) {
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
	case JOB_UNIT_RECOVER:
		/* After a reboot PID 1 has started the new release by itself, or will.
		 */
		*ret_action = job->same_boot ? UNIT_ACTION_RESTART : UNIT_ACTION_START;
		return job->settings->activate_method != ACTIVATE_METHOD_NONE;
	case JOB_UNIT_RESTART:
		*ret_action = UNIT_ACTION_RESTART;
		return true;
	case JOB_UNIT_RELOAD:
		*ret_action = UNIT_ACTION_RELOAD;
		return true;
	case JOB_UNIT_START:
		*ret_action = UNIT_ACTION_START;
		return true;
	case JOB_UNIT_STOP:
		*ret_action = UNIT_ACTION_STOP;
		return true;
	case JOB_UNIT_ENABLE:
		*ret_action = UNIT_ACTION_ENABLE;
		return true;
	case JOB_UNIT_DISABLE:
		*ret_action = UNIT_ACTION_DISABLE;
		return true;
	case JOB_UNIT_NONE:
	case JOB_UNIT_COUNT:
		break;
	}
	return false;
}

static bool tried_to_start(enum job_kind kind)
{
	enum job_unit_step unit = job_kind(kind)->unit;

	return unit != JOB_UNIT_STOP && unit != JOB_UNIT_ENABLE &&
	       unit != JOB_UNIT_DISABLE;
}

/* When the app went down, for the gap: before this job, or at its stop. */
static void note_down(struct job *job, const struct unit_outcome *outcome)
{
	if (job->down_since_mono_usec != 0)
		return;
	job->down_since_mono_usec =
		outcome->have_gap
			? outcome->state.active_enter_mono_usec - outcome->gap_usec
			: outcome->state.active_exit_mono_usec;
}

/* During a rollback, what a job stops is the new release's process. */
static bool goes_back(const struct job *job)
{
	return job->machine.state == JOB_STATE_RESTORING ||
	       job->machine.state == JOB_STATE_STOPPING;
}

static const char *stops_what(const struct job *job)
{
	if (goes_back(job))
		return "failed release";
	return job->machine.switched ? "old release" : "old process";
}

static void starts_what(const struct job *job, char *ret_text, size_t size)
{
	bool back = job->machine.state == JOB_STATE_RESTORING;

	if (job->machine.switched)
		(void)snprintf(ret_text, size, "release %s",
			       back ? job->back : job->target);
	else
		(void)snprintf(ret_text, size, "%s", job->settings->unit);
}

static void on_unit_step(void *userdata, enum unit_step step, uint64_t spent_sec,
			 uint64_t limit_sec)
{
	struct job *job = userdata;
	unsigned long long spent = spent_sec, limit = limit_sec;
	char what[64];

	switch (step) {
	case UNIT_STEP_WAITING:
		(void)snprintf(job->step, sizeof(job->step),
			       "waiting for systemd to begin, %llu s of at most %llu s",
			       spent, limit);
		break;
	case UNIT_STEP_STOPPING:
		(void)snprintf(job->step, sizeof(job->step),
			       "stopping the %s, %llu s of at most %llu s",
			       stops_what(job), spent, limit);
		break;
	case UNIT_STEP_STARTING:
		starts_what(job, what, sizeof(what));
		(void)snprintf(job->step, sizeof(job->step),
			       "starting %s, %llu s of at most %llu s", what, spent,
			       limit);
		break;
	}
	job_tell(job);
}

/*
 * It is said of the process that did it, and goes into the history beside the verdict:
 * what the old release did is no evidence against the new one.
 */
static void note_stop(struct job *job, const struct unit_outcome *outcome)
{
	const char *what = goes_back(job) ? "failed release's process in"
			   : job->machine.kind == JOB_KIND_STOP ? "process of"
								: "old process of";
	/* systemd's own timer may begin some milliseconds before its timestamp. */
	unsigned long long sec = (outcome->stop_usec + USEC_PER_SEC / 2) / USEC_PER_SEC;
	const char *unit = job->settings->unit;
	char text[sizeof(job->stop_note)];
	size_t length = strlen(job->stop_note);

	job->step[0] = '\0';
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
	journal_log(LOG_NOTICE, "%s: %s", job->settings->app_name, text);
	(void)snprintf(job->stop_note + length, sizeof(job->stop_note) - length, "%s%s",
		       length > 0 ? "; " : "", text);
	(void)names_trim_utf8(job->stop_note);
}

static void step_failed(struct job *job)
{
	job_step_done(job, false);
}

static void note_start(struct job *job, const struct unit_outcome *outcome)
{
	job->oom_killed = false;
	(void)strcpy(job->id_before, outcome->id_before);
}

static void on_unit_done(void *userdata, const struct unit_outcome *outcome)
{
	struct job *job = userdata;
	bool loaded = strcmp(outcome->state.load_state, "loaded") == 0;

	job->restarted = outcome->result == RESULT_OK && !job->touch &&
			 job->action == UNIT_ACTION_RESTART;
	note_start(job, outcome);
	job->unit_job = NULL;
	job->touch = NULL;
	job->unit_state = outcome->state;
	note_down(job, outcome);
	note_stop(job, outcome);
	job->stop_failed = outcome->stop_failed;
	if (outcome->result == RESULT_OK) {
		job->have_gap = outcome->have_gap;
		job->gap_ms = (outcome->gap_usec + 999) / 1000;
		job_step_done(job, true);
		return;
	}
	if (!job->machine.switched && tried_to_start(job->machine.kind) &&
	    !app_view_current(job->app->view))
		job_fail(
			job, outcome->result,
			"%s; nothing is deployed of %s yet: `deployctl deploy %s FILE`",
			outcome->error.what, job->settings->app_name,
			job->settings->app_name);
	job_fail(job, outcome->result, "%s", outcome->error.what);
	(void)snprintf(job->unit_result, sizeof(job->unit_result), "%s",
		       outcome->state.result);
	job->release_failed = job->machine.switched && !outcome->stop_failed &&
			      (outcome->never_started ||
			       strcmp(outcome->state.active_state, "active") != 0);
	if (loaded && !outcome->stop_failed && tried_to_start(job->machine.kind))
		job_examine(job, outcome->never_started, job_fail_with_log);
	else
		job_examine(job, outcome->never_started, step_failed);
}

/* Where the job was for what was live before: its failure is the second one. */
static void on_restored(void *userdata, const struct unit_outcome *outcome)
{
	struct job *job = userdata;

	job->restarted =
		outcome->result == RESULT_OK && job->action == UNIT_ACTION_RESTART;
	job->unit_job = NULL;
	job->unit_state = outcome->state;
	note_start(job, outcome);
	note_stop(job, outcome);
	if (outcome->result == RESULT_OK) {
		job_step_done(job, true);
		return;
	}
	job->revert_error = outcome->error;
	if (job->machine.state == JOB_STATE_RESTORING && !outcome->stop_failed)
		job_examine(job, outcome->never_started, job_back_failed);
	else
		job_step_done(job, false);
}

static void out_of_memory(struct job *job)
{
	job_fail(job, RESULT_FAILED, "out of memory");
	job_step_done(job, false);
}

static void note_begin(struct job *job)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	job->unit_begun_usec =
		(uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static void start_job(struct job *job)
{
	const struct app_config *settings = job->settings;
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	job->unit_begun_usec =
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	job->unit_job = units_act_in_steps(
		job->context->units, job->action, settings->unit,
		settings->job_timeout_sec * 1000, settings->stop_timeout_sec * 1000,
		on_unit_step, job->job_done, job);
	if (!job->unit_job)
		out_of_memory(job);
}

static void socket_of(const struct job *job, char ret_unit[UNIT_NAME_MAX + 1])
{
	(void)snprintf(ret_unit, UNIT_NAME_MAX + 1, "%s.socket",
		       job->settings->service_name);
}

static void on_socket_started(void *userdata, const struct unit_outcome *outcome)
{
	struct job *job = userdata;

	job->unit_job = NULL;
	if (outcome->result != RESULT_OK)
		journal_log(LOG_WARNING, "%s: going on without its socket: %s",
			    job->settings->app_name, outcome->error.what);
	start_job(job);
}

static void on_socket_state(void *userdata, int error, const struct unit_state *state)
{
	struct job *job = userdata;
	char unit[UNIT_NAME_MAX + 1];

	job->unit_query = NULL;
	if (error < 0 || !state || strcmp(state->active_state, "failed") != 0) {
		start_job(job);
		return;
	}
	socket_of(job, unit);
	job->unit_job = units_act(job->context->units, UNIT_ACTION_START, unit,
				  job->settings->job_timeout_sec * 1000,
				  on_socket_started, job);
	if (!job->unit_job)
		out_of_memory(job);
}

/*
 * A service that crashes under load makes systemd give up the socket in front of it.
 * It has to listen again before the service is there: afterwards it is refused.
 */
static void start_with_socket(struct job *job, enum unit_action action,
			      unit_done_fn done)
{
	char unit[UNIT_NAME_MAX + 1];

	job->action = action;
	job->job_done = done;
	if (action != UNIT_ACTION_RESTART && action != UNIT_ACTION_START) {
		start_job(job);
		return;
	}
	/*
	 * A request that waits starts the service by itself, and the one start too many
	 * would end the socket right after it was looked at.
	 */
	units_reset_failed(job->context->units, job->settings->unit);
	socket_of(job, unit);
	job->unit_query = units_query(job->context->units, unit, on_socket_state, job);
	if (!job->unit_query)
		out_of_memory(job);
}

static void on_reloadable(void *userdata, int error, const struct unit_state *state)
{
	struct job *job = userdata;
	bool runs = error == 0 && state && strcmp(state->active_state, "active") == 0;

	job->unit_query = NULL;
	start_with_socket(job, runs ? UNIT_ACTION_RELOAD : UNIT_ACTION_RESTART,
			  on_unit_done);
}

/* activate_method = reload: what does not run has nothing to reload. */
static void reload_or_start(struct job *job)
{
	job->unit_query = units_query(job->context->units, job->settings->unit,
				      on_reloadable, job);
	if (!job->unit_query)
		out_of_memory(job);
}

static bool is_touched(const struct job *job)
{
	return job->settings->restart_method == RESTART_METHOD_TOUCH &&
	       job->machine.kind != JOB_KIND_RECOVER;
}

static void start_touch(struct job *job)
{
	note_begin(job);
	job->touch = touch_start(job->context->units, job->context->loop, job->settings,
				 on_unit_done, job);
	if (!job->touch)
		out_of_memory(job);
}

static void act(struct job *job)
{
	enum unit_action action;

	if (!action_of(job, &action))
		job_step_done(job, true);
	else if (action == UNIT_ACTION_RELOAD && job->machine.switched)
		reload_or_start(job);
	else if (action == UNIT_ACTION_RESTART && is_touched(job))
		start_touch(job);
	else
		start_with_socket(job, action, on_unit_done);
}

void job_restart(struct job *job)
{
	if (job_kind(job->machine.kind)->loads_unit)
		job_with_unit_file(job, act);
	else
		act(job);
}

/*
 * Always a restart: a release that is failed may not hear a reload or a touch, and may
 * have ended altogether.
 */
void job_restore(struct job *job)
{
	job->runs = VERIFICATION_UNKNOWN;
	if (job->stop_failed) {
		/* What does not end cannot be waited for; what was live follows it. */
		units_start_later(job->context->units, job->settings->unit);
		job_step_done(job, false);
		return;
	}
	if (job->settings->activate_method == ACTIVATE_METHOD_NONE)
		job_step_done(job, true);
	else
		start_with_socket(job, UNIT_ACTION_RESTART, on_restored);
}

void job_stop_unit(struct job *job)
{
	job->runs = VERIFICATION_UNKNOWN;
	if (job->stop_failed) {
		job_step_done(job, false); /* a stop is what failed */
		return;
	}
	start_with_socket(job, UNIT_ACTION_STOP, on_restored);
}
