/*
 * Brings what is known of each app's releases up to date: at start, after a crash, and
 * when the configuration changes. Also what deployd does of its own accord: the end of
 * an interrupted switch, and the way back from what nobody confirmed.
 */
#include "job/recovery.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "job/app_view_json.h"

#define RECOVER_TIMEOUT_MSEC 300000u /* the staging left by a crash is removed, too */

static void start_recoveries(struct recovery *recovery);

/* What deployd began itself is told in the name of who asked for what it is about. */
static struct job *resubmit(struct app *app, struct config_set *config,
			    const struct app_config *settings,
			    const struct job_request *wanted, const struct person *by)
{
	struct job_request request = *wanted;
	struct errinfo error = {0};
	struct job *job = NULL;

	request.uid = by->uid;
	request.user = by->known ? by->user : "root";
	if (manager_submit(app->manager, config, settings, &request, 0, &job, &error) !=
	    RESULT_OK) {
		journal_log(LOG_ERR, "%s: cannot %s: %s", app->name,
			    job_kind_name(request.kind), error.what);
		return NULL;
	}
	return job;
}

static void set_way_back(struct job *job, const char *from, enum job_fallback fallback)
{
	(void)snprintf(job->from, sizeof(job->from), "%s", from ? from : "");
	(void)snprintf(job->back, sizeof(job->back), "%s", job->from);
	job->machine.fallback = fallback;
}

/* What nobody wrote down is held against no release. */
static void take_up(struct job *job, const struct way_back *way)
{
	static_assert(sizeof(way->tried) == sizeof(job->tried), "as many of both");

	job->goes_on = true;
	job->release_failed = way->release_failed;
	job->failure = way->failure;
	job->stop_failed = way->stop_failed;
	(void)memcpy(job->tried, way->tried, sizeof(job->tried));
	job->n_tried = way->n_tried;
	job_fail(job, RESULT_FAILED, "%s",
		 *way->reason
			 ? way->reason
			 : "deployd was killed while it went back from this release");
}

/* The switch was made, or was to be made back, when deployd died. */
static void resume(struct app *app, const struct app_config *settings,
		   const struct pending_switch *pending)
{
	struct resume_plan plan;
	struct job *job;

	if (!resume_plan(pending, settings->health.auto_rollback, &plan)) {
		journal_log(LOG_ERR,
			    "%s: deployd-store reported a switch to no release",
			    app->name);
		return;
	}
	job = resubmit(app, app->recovery.config, settings,
		       &(struct job_request){.kind = plan.kind,
					     .id = *pending->job ? pending->job : NULL,
					     .key = *pending->key ? pending->key : NULL,
					     .release = plan.release},
		       &pending->by);
	if (!job)
		return;
	job->same_boot = pending->same_boot;
	job->confirm_deadline_sec = plan.confirm_deadline_sec;
	set_way_back(job, plan.back, plan.fallback);
	(void)snprintf(job->from, sizeof(job->from), "%s", plan.live ? plan.live : "");
	if (plan.kind == JOB_KIND_REVERT)
		take_up(job, &pending->way_back);
}

void recovery_revert_unconfirmed(struct recovery *recovery, struct app *app,
				 const struct app_config *settings)
{
	const struct app_confirm *confirm = app_view_confirm(app->view);
	struct job *job;

	job = resubmit(app, recovery->config->set, settings,
		       &(struct job_request){.kind = JOB_KIND_REVERT,
					     .release = confirm->release},
		       &confirm->by);
	if (!job)
		return;
	set_way_back(job, *confirm->from ? confirm->from : NULL,
		     *confirm->from ? JOB_FALLBACK_BACK : JOB_FALLBACK_STOP);
	job->same_boot = true;
	job->release_failed = true;
	job_fail(job, RESULT_FAILED, "release %s was not confirmed in time",
		 job->target);
	manager_run(app->manager);
}

static void take_recovered(struct app *app, const struct app_config *settings,
			   const json_t *reply)
{
	struct pending_switch pending;
	json_t *line;
	size_t i;

	app_set_recovered(app, settings);
	app_take_view(app, settings, json_object_get(reply, "view"));
	json_array_foreach (json_object_get(reply, "recovered"), i, line)
		journal_event(JOURNAL_RECOVERED, LOG_NOTICE,
			      &(struct journal_context){.app = app->name,
							.unit = settings->unit,
							.uid = -1,
							.pid = -1},
			      "%s: %s", app->name, json_string_value(line));
	if (pending_from_json(json_object_get(reply, "pending"), &pending) &&
	    !app->manager->stopping) {
		manager_put_back(app); /* what is to be resumed comes first */
		resume(app, settings, &pending);
	}
}

static void on_recovered(struct store_call *call, enum deploy_result result,
			 const json_t *reply, const struct errinfo *error)
{
	struct app *app = call->userdata;
	struct recovery *recovery = app->recovery.owner;
	struct config_set *config = app->recovery.config;
	const struct app_config *settings = config_set_app(config, app->name);

	app->recovery.running = false;
	manager_recovering(recovery->manager, false);
	if (result != RESULT_OK) {
		app_forget_view(app, error->what);
		journal_log(LOG_ERR, "%s: cannot recover: %s", app->name, error->what);
	} else {
		take_recovered(app, settings, reply);
	}
	app->recovery.config = NULL;
	config_set_unref(config);
	/* One that was submitted meanwhile has its turn, but could not begin. */
	if (app->running && !app->running->running)
		manager_begin(app->running);
	start_recoveries(recovery);
}

static bool needs_recovery(const struct app *app, const struct app_config *settings)
{
	return !app->recovery.running && !app->running &&
	       !app_is_recovered(app, settings);
}

/* At a reload: where something is wrong, or nothing is yet, root may have mended it. */
static bool is_worth_a_refresh(const struct app *app)
{
	return !app->recovery.running && !app->running &&
	       (!app_view_current(app->view) || app->view->degraded);
}

static bool start_recovery(struct recovery *recovery, struct app *app,
			   struct config_set *config, const struct app_config *settings)
{
	int r;

	if (!app_is_recovered(app, settings))
		app_forget_view(app, "");
	app->recovery.owner = recovery;
	app->recovery.call.userdata = app;
	app->recovery.call.done = on_recovered;
	r = store_call_start(&app->recovery.call, recovery->manager->context.loop,
			     config, settings, "recover", NULL, RECOVER_TIMEOUT_MSEC);
	if (r < 0) {
		(void)snprintf(app->problem, sizeof(app->problem),
			       "cannot start deployd-store: %s", strerror(-r));
		return false;
	}
	(void)snprintf(app->problem, sizeof(app->problem), "recovery is under way");
	app->recovery.config = config_set_ref(config);
	app->recovery.running = true;
	manager_recovering(recovery->manager, true);
	return true;
}

/* What a crash left undone comes before anything that would hide it. */
static bool must_wait(void *userdata, struct job *job)
{
	struct app *app = job->app;

	if (app->recovery.running)
		return true;
	return job_kind(job->machine.kind)->about_releases &&
	       !app_is_recovered(app, job->settings) &&
	       start_recovery(userdata, app, job->config, job->settings);
}

/* A reload may have moved the app's directory while a job was under way. */
static void on_job_gone(void *userdata, struct app *app)
{
	struct recovery *recovery = userdata;
	struct config_set *config = recovery->config->set;
	const struct app_config *settings = config_set_app(config, app->name);

	if (settings && app->view_of && !recovery->manager->stopping &&
	    needs_recovery(app, settings))
		(void)start_recovery(recovery, app, config, settings);
}

/* A few at a time; each that ends starts the next. */
static void start_recoveries(struct recovery *recovery)
{
	struct manager *manager = recovery->manager;
	struct config_set *config = recovery->config->set;

	while (recovery->next < config->n_apps && !manager->stopping &&
	       manager->n_recovering < config->daemon->jobs_max) {
		const struct app_config *settings = config->apps[recovery->next++];
		struct app *app = manager_app(manager, settings->app_name);

		if (app && (needs_recovery(app, settings) || is_worth_a_refresh(app)))
			(void)start_recovery(recovery, app, config, settings);
	}
	if (manager->n_recovering > 0)
		return;
	recovery->all_recovered(recovery->userdata);
	manager_run(manager);
	manager_check_idle(manager);
}

void recovery_take_config(struct recovery *recovery)
{
	manager_take_limits(recovery->manager);
	recovery->next = 0;
	if (recovery->manager->n_recovering == 0)
		start_recoveries(recovery);
}

void recovery_init(struct recovery *recovery, struct manager *manager,
		   const struct config_current *config,
		   void (*all_recovered)(void *userdata), void *userdata)
{
	*recovery = (struct recovery){.manager = manager,
				      .config = config,
				      .all_recovered = all_recovered,
				      .userdata = userdata};
	manager->hooks = (struct manager_hooks){
		.userdata = recovery, .must_wait = must_wait, .job_gone = on_job_gone};
}
