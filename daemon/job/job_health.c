/*
 * Whether what is live is well: before it is called so, while it bakes, and again for
 * the release that was gone back to. Also the verification, which says what may not
 * be pruned.
 */
#include "job/job_health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/job_verdict.h"
#include "health/health.h"
#include "health/verification.h"
#include "job/job_back.h"
#include "job/job_blame.h"

static void keep_evidence(struct job *job, const struct health_outcome *outcome)
{
	job_fail(job, RESULT_FAILED, "%s", outcome->error.what);
	job->release_failed = job->machine.switched;
	(void)snprintf(job->unit_result, sizeof(job->unit_result), "%s",
		       outcome->unit_result);
	free(job->check_output);
	job->check_output =
		outcome->check_output ? strdup(outcome->check_output) : NULL;
}

/* The app is up when it answers, not when systemd says so. */
static void extend_gap(struct job *job, const struct health_outcome *outcome)
{
	uint64_t from = job->down_since_mono_usec;

	if (from == 0 || outcome->healthy_mono_usec <= from)
		return;
	job->have_gap = true;
	job->gap_ms = (outcome->healthy_mono_usec - from + 999) / 1000;
}

static void take_outcome(struct job *job, const struct health_outcome *outcome)
{
	job->health = NULL;
	job->unit_state = outcome->state;
	job->oom_killed = outcome->oom_killed;
	job->memory_limit_is_hit = outcome->memory_limit_is_hit;
}

static void on_checked(void *userdata, const struct health_outcome *outcome)
{
	struct job *job = userdata;

	take_outcome(job, outcome);
	if (!outcome->healthy) {
		keep_evidence(job, outcome);
		job_examine(job, false, job_fail_with_log);
		return;
	}
	if (job->machine.state == JOB_STATE_CHECKING && job->have_gap)
		extend_gap(job, outcome);
	job_step_done(job, true);
}

static void on_rechecked(void *userdata, const struct health_outcome *outcome)
{
	struct job *job = userdata;

	take_outcome(job, outcome);
	if (!outcome->healthy) {
		job->revert_error = outcome->error;
		job_examine(job, false, job_back_failed);
		return;
	}
	extend_gap(job, outcome);
	job_step_done(job, true);
}

static void examine(struct job *job, const struct health_options *options,
		    void (*done)(void *userdata, const struct health_outcome *outcome))
{
	if (job->settings->activate_method == ACTIVATE_METHOD_NONE &&
	    job->machine.switched) {
		job_step_done(job, true); /* the unit is somebody else's */
		return;
	}
	job->health = health_start(job->context->units, options, done, job);
	if (!job->health) {
		job_fail(job, RESULT_FAILED, "out of memory");
		job_step_done(job, false);
	}
}

void job_check(struct job *job)
{
	const struct app_health *health = &job->settings->health;
	bool switched = job->machine.switched;
	struct health_options options = {
		.settings = job->settings,
		.baseline = &job->unit_state,
		.stay_ms = switched ? health->min_healthy_sec * 1000 : 0,
		.checks = true,
		.deadline_ms = health->healthy_deadline_sec * 1000};

	/* A restart without checks is done when systemd says so. */
	if (!switched && health->n_checks == 0)
		job_step_done(job, true);
	else
		examine(job, &options, on_checked);
}

void job_bake(struct job *job)
{
	uint64_t bake_ms = job->settings->health.bake_sec * 1000;
	/* Twice: an operator's own restart in the middle lets the bake begin anew. */
	struct health_options options = {.settings = job->settings,
					 .baseline = &job->unit_state,
					 .stay_ms = bake_ms,
					 .checks = false,
					 .deadline_ms = 2 * bake_ms + BAKE_SLACK_MSEC};

	if (bake_ms == 0)
		job_step_done(job, true);
	else
		examine(job, &options, on_checked);
}

void job_recheck(struct job *job)
{
	const struct app_health *health = &job->settings->health;
	struct health_options options = {.settings = job->settings,
					 .baseline = &job->unit_state,
					 .stay_ms = health->min_healthy_sec * 1000,
					 .checks = true,
					 .deadline_ms =
						 health->healthy_deadline_sec * 1000};

	examine(job, &options, on_rechecked);
}

/*
 * systemd has ended all earlier processes and started new ones since: those run from
 * the release that was current then. So an app whose processes cannot be examined (for
 * example because deployd-proc does not start) does not keep its releases for ever.
 */
static bool is_started_anew(const struct job *job)
{
	const struct unit_state *state = &job->unit_state;

	return job->restarted && state->send_sigkill &&
	       (strcmp(state->kill_mode, "control-group") == 0 ||
		strcmp(state->kill_mode, "mixed") == 0);
}

/* Other code than the release's runs, and that fails the job: it goes back. */
static bool drift_fails(struct job *job)
{
	if (job->runs != VERIFICATION_DRIFT || job->machine.failed ||
	    !job_verdict_drift_fails(job->settings->require_verified,
				     is_started_anew(job)))
		return false;
	job_fail(job, RESULT_FAILED,
		 "%s is up, but not with release %s: %s (require_verified)",
		 job->settings->unit, job->target, job->runs_reason);
	return true;
}

static void take_in_use(struct job *job, const json_t *in_use)
{
	json_decref(job->in_use); /* of before it went back */
	job->in_use = json_incref((json_t *)in_use);
}

static void on_verification(void *userdata, const struct verification_outcome *outcome)
{
	struct job *job = userdata;

	job->verification = NULL;
	take_in_use(job, NULL);
	/* What is known to be in use is kept in any case. */
	if (outcome->complete || is_started_anew(job))
		take_in_use(job, outcome->in_use);
	job->runs = outcome->verdict;
	(void)snprintf(job->runs_reason, sizeof(job->runs_reason), "%s",
		       outcome->reason);
	job_step_done(job, !drift_fails(job));
}

void job_verify(struct job *job)
{
	const char *current = app_view_current(job->app->view);

	if (current)
		job->verification =
			verification_start(job->context->units, job->settings, current,
					   on_verification, job);
	if (!job->verification)
		job_step_done(job, true);
}
