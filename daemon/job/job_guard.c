/* What must hold before a job changes anything. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/journal.h"
#include "bus/clone.h"
#include "bus/clone_review.h"
#include "daemon.h"
#include "job/job.h"

static int64_t number_of(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* "" stands for none. */
static bool is_current(struct job *job)
{
	const char *current = manager_current(job->app);

	if (!job->if_current || strcmp(job->if_current, current ? current : "") == 0)
		return true;
	job_fail(job, RESULT_IF_CURRENT,
		 "the current release is %s, not %s; nothing was changed",
		 current ? current : "none",
		 *job->if_current ? job->if_current : "none");
	return false;
}

static bool is_not_held(struct job *job)
{
	const json_t *hold = manager_hold(job->app, (int64_t)time(NULL));
	const char *reason = text_of(hold, "reason");
	const char *user = text_of(json_object_get(hold, "by"), "user");
	char until[RFC3339_SIZE];

	if (!hold)
		return true;
	names_rfc3339(number_of(hold, "until_sec"), until);
	job_fail(job, RESULT_BUSY,
		 "%s is held by %s%s%s: %s; `deployctl unhold %s` lifts that",
		 job->settings->app_name, user ? user : "somebody",
		 number_of(hold, "until_sec") > 0 ? " until " : "",
		 number_of(hold, "until_sec") > 0 ? until : "",
		 reason && *reason ? reason : "no reason was given",
		 job->settings->app_name);
	return false;
}

/* Going back is one of the two answers that it waits for. */
static bool awaits_no_confirmation(struct job *job)
{
	const json_t *confirm = manager_confirm(job->app);
	const char *release = text_of(confirm, "release");
	const char *app = job->settings->app_name;

	if (!confirm || job->machine.kind == JOB_KIND_ROLLBACK)
		return true;
	job_fail(job, RESULT_BUSY,
		 "release %s awaits its confirmation: `deployctl confirm %s` "
		 "keeps it, `deployctl rollback %s` goes back",
		 release ? release : "", app, app);
	return false;
}

/* A crash may have left something to be done first. */
static bool is_known(struct job *job)
{
	const struct app *app = job->app;

	if (app->view)
		return true;
	job_fail(job, RESULT_FAILED,
		 "the releases of %s are not known, nothing was changed: %s",
		 job->settings->app_name,
		 *app->problem ? app->problem : "not recovered yet");
	return false;
}

bool job_may_switch(struct job *job)
{
	return is_known(job) && is_current(job) && is_not_held(job) &&
	       awaits_no_confirmation(job);
}

bool job_archive_is_welcome(struct job *job, const char *sha256)
{
	const json_t *releases = json_object_get(job->app->view, "releases");
	json_t *release;
	size_t i;

	if (job->force || job->machine.kind != JOB_KIND_DEPLOY)
		return true;
	json_array_foreach (releases, i, release) {
		const char *hash = text_of(release, "sha256");
		const char *state = text_of(release, "state");
		const char *reason =
			text_of(json_object_get(release, "evidence"), "reason");

		if (!hash || strcmp(hash, sha256) != 0 || !state ||
		    strcmp(state, "bad") != 0)
			continue;
		job_fail(job, RESULT_REJECTED,
			 "this archive was release %s, which is bad (%.200s); "
			 "--force deploys it all the same",
			 text_of(release, "id"), reason ? reason : "no word why");
		return false;
	}
	return true;
}

/* NULL when a job can be asked of the unit. */
static const char *why_not(const struct unit_state *state)
{
	if (strcmp(state->load_state, "not-found") == 0)
		return "does not exist; install it and run `systemctl daemon-reload`";
	if (strcmp(state->load_state, "masked") == 0)
		return "is masked; `systemctl unmask` it";
	if (strcmp(state->load_state, "bad-setting") == 0 ||
	    strcmp(state->load_state, "error") == 0)
		return "cannot be loaded; `systemctl status` says why";
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
	} else if (!clone_query(job->daemon->units, settings->unit, on_clone, job)) {
		out_of_memory(job);
	}
}

static void query_unit(struct job *job, unit_state_fn done)
{
	job->unit_query =
		units_query(job->daemon->units, job->settings->unit, done, job);
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
		units_act(job->daemon->units, UNIT_ACTION_REREAD, job->settings->unit,
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
	const char *why = error < 0 || !state ? NULL : why_not(state);

	job->unit_query = NULL;
	if (error == 0 && must_reread(job, state)) {
		reread(job, on_reread_before);
	} else if (job->machine.failed) {
		job_step_done(job, false); /* abandoned meanwhile */
	} else if (why) {
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
