/* What must hold before a job changes anything. */
#include "job/job_guard.h"

#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "bus/clone.h"
#include "bus/clone_review.h"
#include "core/switch_rules.h"
#include "job/job_again.h"

static struct switch_request switch_of(const struct job *job)
{
	return (struct switch_request){.kind = job->machine.kind,
				       .app = job->settings->app_name,
				       .target = job->target,
				       .if_current = job->if_current,
				       .force = job->force};
}

static bool refused(struct job *job, const struct errinfo *why)
{
	job_fail(job, why->result, "%s", why->what);
	return false;
}

bool job_may_switch(struct job *job)
{
	const struct switch_request request = switch_of(job);
	struct errinfo why = {0};

	/* A crash may have left something to be done first. */
	if (!job->app->view) {
		job_fail(job, RESULT_FAILED,
			 "the releases of %s are not known, nothing was changed: %s",
			 job->settings->app_name, app_problem(job->app));
		return false;
	}
	return switch_is_permitted(job->app->view, &request, (int64_t)time(NULL),
				   &why) ||
	       refused(job, &why);
}

bool job_choose_target(struct job *job)
{
	const struct switch_request request = switch_of(job);
	char target[RELEASE_ID_SIZE];
	struct errinfo why = {0};

	if (job->machine.kind == JOB_KIND_DEPLOY)
		return true;
	if (!switch_choose_target(job->app->view, &request, target, &why))
		return refused(job, &why);
	(void)memcpy(job->target, target, sizeof(job->target));
	return true;
}

bool job_would_switch(struct job *job)
{
	char target[RELEASE_ID_SIZE];
	bool would;

	(void)memcpy(target, job->target, sizeof(target));
	would = job_may_switch(job) && job_choose_target(job);
	/* By its turn things may stand otherwise. */
	(void)memcpy(job->target, target, sizeof(target));
	job->result = RESULT_OK;
	job->error = (struct errinfo){0};
	return would;
}

bool job_archive_is_welcome(struct job *job, const char *sha256)
{
	const struct content content = job_content(job, sha256);
	struct errinfo why = {0};

	return job->force || job->machine.kind != JOB_KIND_DEPLOY ||
	       switch_archive_is_welcome(job->app->view, &content, &why) ||
	       refused(job, &why);
}

/* NULL when a job can be asked of the unit; else what is wrong, and a command. */
static const char *why_not(const struct unit_state *state, const char **ret_command)
{
	*ret_command = "";
	if (strcmp(state->load_state, "not-found") == 0)
		return "does not exist; install it below /etc/systemd/system and run "
		       "`systemctl daemon-reload` (a unit of `systemctl --user` cannot "
		       "be deployed)";
	if (strcmp(state->load_state, "masked") == 0) {
		*ret_command = "systemctl unmask";
		return "is masked; root unmasks it: ";
	}
	if (strcmp(state->load_state, "bad-setting") == 0 ||
	    strcmp(state->load_state, "error") == 0) {
		*ret_command = "systemd-analyze verify";
		return "cannot be loaded; this shows why: ";
	}
	return NULL;
}

static void out_of_memory(struct job *job)
{
	job_fail(job, RESULT_FAILED, "out of memory");
	job_step_done(job, false);
}

static void on_clone(void *userdata, const struct errinfo *error)
{
	struct job *job = userdata;

	if (job->machine.failed) {
		job_step_done(job, false); /* abandoned meanwhile */
	} else if (error->result != RESULT_OK) {
		job_fail(job, error->result, "%.400s; nothing was changed",
			 error->what);
		job_step_done(job, false);
	} else {
		job->with_unit(job);
	}
}

/*
 * Once the release is current, a check that cannot be run would be held against it. A
 * rollback is needed now, whether or not its checks can be run.
 */
static void with_copy(struct job *job)
{
	const struct app_config *settings = job->settings;

	if (job->machine.kind == JOB_KIND_ROLLBACK || !clone_review_check(settings)) {
		job->with_unit(job);
	} else if (!clone_query(job->context->units, settings->unit, on_clone, job)) {
		out_of_memory(job);
	}
}

static void query_unit(struct job *job, unit_state_fn done)
{
	job->unit_query =
		units_query(job->context->units, job->settings->unit, done, job);
	if (!job->unit_query)
		out_of_memory(job);
}

static bool must_reread(const struct job *job, const struct unit_state *state)
{
	return state && state->need_daemon_reload && job->settings->daemon_reload &&
	       !job->reread && !job->machine.failed;
}

static void reread(struct job *job, unit_done_fn done)
{
	journal_log(LOG_NOTICE,
		    "%s: the unit file of %s has changed, systemd reads all unit "
		    "files again (daemon_reload = yes)",
		    job->settings->app_name, job->settings->unit);
	job->reread = true;
	job->unit_job =
		units_act(job->context->units, UNIT_ACTION_REREAD, job->settings->unit,
			  job->settings->job_timeout_sec * 1000, done, job);
	if (!job->unit_job)
		out_of_memory(job);
}

/* False: the step has failed. */
static bool is_reread(struct job *job, const struct unit_outcome *outcome)
{
	job->unit_job = NULL;
	if (outcome->result != RESULT_OK)
		job_fail(job, outcome->result, "%s; nothing was changed",
			 outcome->error.what);
	if (outcome->result == RESULT_OK && !job->machine.failed)
		return true;
	job_step_done(job, false);
	return false;
}

static void on_unit_state(void *userdata, int error, const struct unit_state *state);

static void on_reread_before(void *userdata, const struct unit_outcome *outcome)
{
	struct job *job = userdata;

	if (is_reread(job, outcome))
		query_unit(job, on_unit_state); /* what it is now */
}

static void on_unit_state(void *userdata, int error, const struct unit_state *state)
{
	struct job *job = userdata;
	/* Without a bus the job waits for it, too; nothing is known against the unit.
	 */
	const char *command = "";
	const char *why = error < 0 || !state ? NULL : why_not(state, &command);

	job->unit_query = NULL;
	job->unit_runs =
		error == 0 && state && strcmp(state->active_state, "active") == 0;
	if (error == 0 && must_reread(job, state)) {
		reread(job, on_reread_before);
	} else if (job->machine.failed) {
		job_step_done(job, false); /* abandoned meanwhile */
	} else if (why) {
		if (*command)
			job_fail(job, RESULT_FAILED,
				 "unit %s %s`%s %s`; nothing was changed",
				 job->settings->unit, why, command,
				 job->settings->unit);
		else
			job_fail(job, RESULT_FAILED, "unit %s %s; nothing was changed",
				 job->settings->unit, why);
		job_step_done(job, false);
	} else {
		with_copy(job);
	}
}

void job_with_unit(struct job *job, void (*go_on)(struct job *job))
{
	if (job->settings->activate_method == ACTIVATE_METHOD_NONE) {
		go_on(job);
		return;
	}
	job->with_unit = go_on;
	query_unit(job, on_unit_state);
}

static void on_reread(void *userdata, const struct unit_outcome *outcome)
{
	struct job *job = userdata;

	if (is_reread(job, outcome))
		job->with_unit(job);
}

static void on_unit_file_state(void *userdata, int error,
			       const struct unit_state *state)
{
	struct job *job = userdata;

	job->unit_query = NULL;
	if (error == 0 && must_reread(job, state))
		reread(job, on_reread);
	else
		job->with_unit(job);
}

void job_with_unit_file(struct job *job, void (*go_on)(struct job *job))
{
	if (!job->settings->daemon_reload) {
		go_on(job);
		return;
	}
	job->with_unit = go_on;
	query_unit(job, on_unit_file_state);
}
