/*
 * The step before the switch: what is known to fail is refused while the release that
 * is live still runs, and the new one stays staged. Never part of a way back.
 */
#include "job/job_preflight.h"

#include "base/journal.h"
#include "core/switch_rules.h"
#include "health/preflight.h"
#include "job/job_guard.h"

static void go_on_anyway(const struct job *job, const struct errinfo *why)
{
	journal_log(LOG_WARNING, "%s: going on anyway (--force): %s",
		    job->settings->app_name, why->what);
}

static void refuse(struct job *job, const struct errinfo *why)
{
	if (job->force) {
		go_on_anyway(job, why);
		job_step_done(job, true);
		return;
	}
	job_fail(job, why->result, "%.480s; nothing was switched", why->what);
	job_step_done(job, false);
}

static void on_examined(void *userdata, const struct preflight_outcome *outcome)
{
	struct job *job = userdata;

	job->preflight = NULL;
	if (*outcome->unchecked)
		journal_log(LOG_INFO, "%s: %s was not examined before the switch: %s",
			    job->settings->app_name, job->settings->unit,
			    outcome->unchecked);
	if (job->machine.failed)
		job_step_done(job, false); /* abandoned meanwhile */
	else if (outcome->error.result != RESULT_OK)
		refuse(job, &outcome->error);
	else
		job_step_done(job, true);
}

/* False: the step has ended. */
static bool has_way_back(struct job *job)
{
	struct errinfo why = {0};

	if (!job->unit_runs || switch_has_way_back(job->app->view, job->settings->unit,
						   job->settings->releases_dir, &why))
		return true;
	if (!job->force)
		refuse(job, &why);
	else
		go_on_anyway(job, &why);
	return job->force;
}

static void examine(struct job *job)
{
	/* The unit is somebody else's. */
	if (job->settings->activate_method == ACTIVATE_METHOD_NONE) {
		job_step_done(job, true);
		return;
	}
	if (!has_way_back(job))
		return;
	job->preflight = preflight_start(job->context->units, job->settings,
					 job->target, on_examined, job);
	if (!job->preflight) {
		job_fail(job, RESULT_FAILED, "out of memory");
		job_step_done(job, false);
	}
}

void job_preflight(struct job *job)
{
	if (!job_may_switch(job) || !job_choose_target(job))
		job_step_done(job, false);
	else
		job_with_unit(job, examine);
}
