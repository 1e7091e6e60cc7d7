#include "job/job_back.h"

#include <string.h>

#include "base/journal.h"
#include "core/switch_rules.h"

static bool choose(struct job *job)
{
	return switch_choose_back(job->app->view, job->target, job->from,
				  (const char(*)[RELEASE_ID_SIZE])job->tried,
				  job->n_tried, job->back);
}

void job_choose_back(struct job *job)
{
	bool found = choose(job);

	if (!job->settings->health.auto_rollback)
		job->machine.fallback = JOB_FALLBACK_NONE;
	else
		job->machine.fallback = found ? JOB_FALLBACK_BACK : JOB_FALLBACK_STOP;
}

/* Where no release can be started, another one cannot be either. */
static bool is_worth_another(const struct job *job)
{
	switch (job->back_failure.kind) {
	case FAILURE_RAN:
	case FAILURE_OWN:
		return !blame_is_alike(&job->failure, &job->back_failure);
	case FAILURE_SETUP:
	case FAILURE_MACHINE:
	case FAILURE_KIND_COUNT:
		break;
	}
	return false;
}

void job_back_failed(struct job *job)
{
	(void)memcpy(job->tried[job->n_tried++], job->back, sizeof(job->back));
	job->machine.has_next =
		job->n_tried < WAY_BACK_MAX && is_worth_another(job) && choose(job);
	if (job->machine.has_next) {
		journal_log(LOG_WARNING,
			    "%s: release %s is not healthy either, going back "
			    "to %s: %s",
			    job->settings->app_name, job->tried[job->n_tried - 1],
			    job->back, job->revert_error.what);
		job->back_failed = false;
	}
	job_step_done(job, false);
}
