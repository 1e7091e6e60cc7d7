#include "job/manager.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "deploy/duration.h"
#include "job/job_actions.h"
#include "job/job_guard.h"
#include "job/job_result.h"
#include "job/job_unpack.h"

static const char stopping[] = "deployd is stopping; nothing was switched, try again";

static void job_over(struct job *job);

int manager_init(struct manager *manager, const struct manager_options *options)
{
	const struct daemon_config *limits = options->config->set->daemon;

	*manager = (struct manager){
		.context = {.loop = options->loop,
			    .units = options->units,
			    .observer = options->observer,
			    .archives = options->archives,
			    .archives_userdata = options->archives_userdata,
			    .carry_out = job_carry_out,
			    .over = job_over},
		.config = options->config};
	manager->queue = queue_new(limits->jobs_max, limits->queue_max);
	return manager->queue ? 0 : -ENOMEM;
}

void manager_deinit(struct manager *manager)
{
	struct app *next;

	assert(!manager->jobs);
	for (struct app *app = manager->apps; app; app = next) {
		next = app->next;
		app_free(app);
	}
	for (unsigned int i = 0; i < manager->n_finished; i++) {
		json_decref(manager->finished[i].job);
		json_decref(manager->finished[i].outcome);
	}
	queue_free(manager->queue);
}

void manager_take_limits(struct manager *manager)
{
	const struct daemon_config *limits = manager->config->set->daemon;

	queue_set_limits(manager->queue, limits->jobs_max, limits->queue_max);
}

struct app *manager_app(struct manager *manager, const char *name)
{
	struct app *app;

	for (app = manager->apps; app; app = app->next)
		if (strcmp(app->name, name) == 0)
			return app;
	app = app_new(manager, name);
	if (!app)
		return NULL;
	app->next = manager->apps;
	manager->apps = app;
	return app;
}

/* --- jobs ----------------------------------------------------------------- */

struct job *manager_find(const struct manager *manager, const char *id)
{
	for (struct job *o = manager->jobs; o; o = o->next)
		if (strcmp(o->id, id) == 0)
			return o;
	return NULL;
}

const struct finished_job *manager_find_finished(const struct manager *manager,
						 const char *id)
{
	for (unsigned int i = 0; i < manager->n_finished; i++)
		if (strcmp(manager->finished[i].id, id) == 0)
			return &manager->finished[i];
	return NULL;
}

bool manager_is_idle(const struct manager *manager)
{
	return !manager->jobs && manager->n_recovering == 0;
}

void manager_check_idle(struct manager *manager)
{
	const struct job_observer *observer = &manager->context.observer;

	if (manager_is_idle(manager))
		observer->idle(observer->userdata);
}

static void append(struct manager *manager, struct job *job)
{
	struct job **slot = &manager->jobs;

	while (*slot)
		slot = &(*slot)->next;
	*slot = job;
}

void manager_begin(struct job *job)
{
	if (job->machine.kind != JOB_KIND_RECOVER)
		journal_event(JOURNAL_JOB_STARTED, LOG_INFO,
			      &(struct journal_context){
				      .app = job->settings->app_name,
				      .unit = job->settings->unit,
				      .job = job->id,
				      .kind = job_kind_name(job->machine.kind),
				      .uid = job->uid,
				      .user = job->user,
				      .pid = -1},
			      "%s: %s by %s begins (job %s)", job->settings->app_name,
			      job_kind_name(job->machine.kind), job->user, job->id);
	job_start(job);
}

static void start(struct job *job)
{
	const struct manager_hooks *hooks = &job->app->manager->hooks;

	job->app->running = job;
	if (!hooks->must_wait || !hooks->must_wait(hooks->userdata, job))
		manager_begin(job);
}

void manager_put_back(struct app *app)
{
	if (app->running && !app->running->running &&
	    queue_put_back(app->manager->queue, app->running->id))
		app->running = NULL;
}

void manager_recovering(struct manager *manager, bool begins)
{
	if (begins)
		manager->n_recovering++;
	else
		manager->n_recovering--;
}

void manager_run(struct manager *manager)
{
	const char *id;

	while (!manager->stopping && (id = queue_start_next(manager->queue))) {
		struct job *job = manager_find(manager, id);

		assert(job);
		start(job);
	}
}

/* --- waiting -------------------------------------------------------------------- */

static enum queue_rank rank_of(enum job_kind kind)
{
	return job_kind(kind)->rank;
}

static bool is_waiting(const struct job *job)
{
	return job->machine.state == JOB_STATE_QUEUED && job->app->running != job;
}

static int enqueue(struct manager *manager, const struct job *job, bool ready)
{
	return queue_add(manager->queue,
			 &(struct queue_job){.app = job->app->name,
					     .id = job->id,
					     .rank = rank_of(job->machine.kind),
					     .owner = job->owner,
					     .ready = ready});
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0 && !a == !b;
}

/* Doing it twice in a row has the same effect as doing it once. */
static bool is_twin(const struct job *job, const struct config_set *config,
		    const struct job_request *request)
{
	if (job->config != config || job->machine.kind != request->kind)
		return false;
	switch (job_kind(request->kind)->twin) {
	case JOB_TWIN_SAME_KIND:
		return true;
	case JOB_TWIN_SAME_RELEASE:
		/* One that names no release goes back one further each time. */
		return request->release && strcmp(job->target, request->release) == 0 &&
		       same_text(job->if_current, request->if_current);
	case JOB_TWIN_NEVER:
		break;
	}
	return false;
}

/*
 * The waiting job that already does what is asked for, NULL when there is none. Only
 * the latest of the jobs that go before the deploys can be it: another job stands
 * between an earlier one and this request, for example a stop between two starts.
 */
static struct job *find_twin(const struct manager *manager, const struct app *app,
			     const struct config_set *config,
			     const struct job_request *request)
{
	struct job *latest = NULL;

	for (struct job *o = manager->jobs; o; o = o->next)
		if (o->app == app && is_waiting(o) &&
		    (rank_of(o->machine.kind) != QUEUE_RANK_DEPLOY || o->uid == 0))
			latest = o;
	return latest && is_twin(latest, config, request) ? latest : NULL;
}

/* "2 of alice, 1 of bob": whose jobs occupy the places that the new one would need. */
static void name_waiting(const struct manager *manager, const struct job *job,
			 char *ret_text, size_t size)
{
	enum queue_rank rank = rank_of(job->machine.kind);
	uid_t named[16];
	size_t n_named = 0, used = 0;

	*ret_text = '\0';
	for (const struct job *o = manager->jobs; o; o = o->next) {
		unsigned int n = 0;
		bool known = false;

		if (o->app != job->app || !is_waiting(o) ||
		    rank_of(o->machine.kind) != rank ||
		    (o->uid == 0) != (job->uid == 0))
			continue;
		for (size_t i = 0; i < n_named; i++)
			known = known || named[i] == o->owner;
		if (known || n_named == sizeof(named) / sizeof(*named) || used >= size)
			continue;
		named[n_named++] = o->owner;
		for (const struct job *other = o; other; other = other->next)
			n += other->app == o->app && is_waiting(other) &&
			     other->owner == o->owner &&
			     rank_of(other->machine.kind) == rank;
		used += (size_t)snprintf(ret_text + used, size - used, "%s%u of %s",
					 used > 0 ? ", " : "", n, o->user);
	}
}

static void refuse(const struct manager *manager, const struct job *job, int r,
		   struct errinfo *error)
{
	const char *app = job->app->name;
	bool is_deploy = rank_of(job->machine.kind) == QUEUE_RANK_DEPLOY;
	const char *what = is_deploy ? "deploys" : "jobs of this kind";
	char whose[160], limit[48];

	if (r != -EBUSY && r != -EDQUOT) {
		(void)errinfo_refuse(error, RESULT_FAILED, "%s: %s", app, strerror(-r));
		return;
	}
	name_waiting(manager, job, whose, sizeof(whose));
	if (is_deploy)
		(void)snprintf(limit, sizeof(limit), "queue_max = %zu",
			       (size_t)manager->config->set->daemon->queue_max);
	else
		(void)snprintf(limit, sizeof(limit), "the limit is %d",
			       QUEUE_URGENT_WAITING_MAX);
	if (r == -EBUSY)
		(void)errinfo_refuse(error, RESULT_BUSY,
				     "%s: there is no room for more waiting %s (%s): "
				     "%s; try again later, or see `deployctl jobs`",
				     app, what, limit,
				     *whose ? whose : "none may wait");
	else
		(void)errinfo_refuse(error, RESULT_BUSY,
				     "%s: %s already has half of the places for "
				     "waiting %s (%s): %s; try again later, or see "
				     "`deployctl jobs`",
				     app, job->user, what, limit, whose);
}

/* A deploy that has not begun waits again; one that has, but can be undone, ends. */
static void make_way(struct job *rollback)
{
	struct app *app = rollback->app;
	struct job *running = app->running;
	const char *kind;
	char why[200];

	if (!running || rank_of(running->machine.kind) != QUEUE_RANK_DEPLOY ||
	    running->machine.failed || !job_machine_is_before_switch(&running->machine))
		return;
	if (!running->running) {
		manager_put_back(app);
		return;
	}
	/* A rollback that will be refused must not end anything. */
	if (!job_would_switch(rollback))
		return;
	kind = job_kind_name(running->machine.kind);
	(void)snprintf(rollback->note, sizeof(rollback->note),
		       "cancelled the %s of %s (job %s)", kind, running->user,
		       running->id);
	(void)snprintf(why, sizeof(why),
		       "%s's %s was cancelled by a rollback of %s; nothing was "
		       "switched",
		       running->user, kind, rollback->user);
	job_abandon(running, RESULT_CANCELLED, why);
}

/* Joins the twin. False: it has all the watchers that it may have. */
static bool join(struct job *twin, const struct job_request *request, uint64_t watcher)
{
	if (watcher != 0 && job_watch(twin, watcher) < 0)
		return false;
	journal_log(LOG_INFO, "%s: the %s of %s joins that of %s, which waits (job %s)",
		    twin->app->name, job_kind_name(twin->machine.kind), request->user,
		    twin->user, twin->id);
	return true;
}

enum deploy_result manager_submit(struct manager *manager, struct config_set *config,
				  const struct app_config *settings,
				  const struct job_request *request, uint64_t watcher,
				  struct job **ret_job, struct errinfo *error)
{
	struct app *app = manager_app(manager, settings->app_name);
	struct job *job = NULL, *twin;
	int r;

	twin = app ? find_twin(manager, app, config, request) : NULL;
	if (twin && join(twin, request, watcher)) {
		*ret_job = twin;
		return RESULT_OK;
	}
	if (app)
		job = job_new(&manager->context, app, config, settings, request);
	if (!job) {
		(void)errinfo_refuse(error, RESULT_FAILED, "out of memory");
		return RESULT_FAILED;
	}
	r = enqueue(manager, job, request->archive_reader == 0);
	if (r < 0) {
		refuse(manager, job, r, error);
		job->archive_reader = 0; /* stays the caller's */
		job_free(job);
		return error->result;
	}
	append(manager, job);
	if (watcher != 0)
		(void)!job_watch(job, watcher);
	if (job->machine.kind == JOB_KIND_ROLLBACK)
		make_way(job);
	*ret_job = job;
	return RESULT_OK;
}

bool manager_waits_for(const struct job *job, char *ret_text, size_t size)
{
	const struct app *app = job->app;
	const struct job *running = app->running;

	if (!is_waiting(job))
		return false;
	if (!queue_is_ready(app->manager->queue, job->id))
		(void)snprintf(ret_text, size, "its archive");
	else if (running)
		(void)snprintf(ret_text, size, "job %s of %s (%s)", running->id,
			       running->user, job_kind_name(running->machine.kind));
	else
		return false;
	return true;
}

static json_t *waits_for(const struct job *job)
{
	char text[160];

	if (!is_waiting(job))
		return json_null();
	if (!manager_waits_for(job, text, sizeof(text)))
		(void)snprintf(text, sizeof(text), "jobs of other apps");
	return json_string(text);
}

void manager_archive_changed(struct manager *manager, uint64_t reader,
			     const struct archive *archive)
{
	struct job *job = manager->jobs;

	while (job && job->archive_reader != reader)
		job = job->next;
	if (!job)
		return;
	if (archive->state == ARCHIVE_STATE_FLOWS ||
	    archive->state == ARCHIVE_STATE_COMPLETE)
		(void)queue_set_ready(manager->queue, job->id);
	job_archive_changed(job, archive); /* may free it */
	manager_run(manager);
}

json_t *manager_progress(const struct job *job)
{
	json_t *progress = job_progress(job);
	char waits_for[160], text[192] = "";

	if (job->machine.state != JOB_STATE_QUEUED)
		return progress;
	if (*job->note) /* which job it has cancelled to start sooner */
		(void)snprintf(text, sizeof(text), "%s", job->note);
	else if (manager_waits_for(job, waits_for, sizeof(waits_for)))
		(void)snprintf(text, sizeof(text), "waits for %s", waits_for);
	if (*text)
		(void)json_object_set_new(progress, "message", json_string(text));
	return progress;
}

json_t *manager_job(const struct job *job)
{
	char started[RFC3339_SIZE];
	int percent = job_percent(job);

	names_rfc3339(job->created_sec, started);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:I, s:s}, s:s, s:o, s:o, s:o}",
			 "id", job->id, "app", job->settings->app_name, "kind",
			 job_kind_name(job->machine.kind), "phase",
			 job_phase_name(&job->machine), "percent",
			 percent < 0 ? json_null() : json_integer(percent), "by", "uid",
			 (json_int_t)job->uid, "user", job->user, "startedAt", started,
			 "waitsFor", waits_for(job), "result",
			 job->machine.state == JOB_STATE_DONE
				 ? json_string(result_name(job->result))
				 : json_null(),
			 "release",
			 job->target[0] ? json_string(job->target) : json_null());
}

static json_t *last_reply(const struct job *job)
{
	if (job->result != RESULT_OK)
		return job_failure(job);
	return json_pack("{s:o}", "outcome", job_outcome(job));
}

static void remember(struct manager *manager, const struct job *job, json_t *reply)
{
	struct finished_job *finished = &manager->finished[manager->next_finished];

	json_decref(finished->job);
	json_decref(finished->outcome);
	manager->next_finished = (manager->next_finished + 1) % MANAGER_FINISHED_MAX;
	if (manager->n_finished < MANAGER_FINISHED_MAX)
		manager->n_finished++;
	(void)memcpy(finished->id, job->id, sizeof(finished->id));
	(void)snprintf(finished->app, sizeof(finished->app), "%s",
		       job->settings->app_name);
	finished->job = manager_job(job);
	finished->outcome = json_incref(reply);
	finished->result = job->result;
}

static void log_end(const struct job *job)
{
	char duration[DURATION_TEXT_SIZE];
	bool ok = job->result == RESULT_OK;
	struct journal_context context = {.app = job->settings->app_name,
					  .unit = job->settings->unit,
					  .release =
						  job->target[0] ? job->target : NULL,
					  .job = job->id,
					  .kind = job_kind_name(job->machine.kind),
					  .result = result_name(job->result),
					  .uid = job->uid,
					  .user = job->user,
					  .pid = -1};

	if (ok)
		journal_event(JOURNAL_JOB_DONE, LOG_NOTICE, &context,
			      "%s: %s by %s done%s%s in %s (job %s)",
			      job->settings->app_name, job_kind_name(job->machine.kind),
			      job->user, job->target[0] ? ": " : "", job->target,
			      duration_text((int64_t)job->took_ms, duration), job->id);
	else
		journal_event(JOURNAL_JOB_FAILED, LOG_ERR, &context,
			      "%s: %s by %s failed (%s): %s (job %s)",
			      job->settings->app_name, job_kind_name(job->machine.kind),
			      job->user, result_name(job->result), job->error.what,
			      job->id);
}

static void job_over(struct job *job)
{
	struct app *app = job->app;
	struct manager *manager = app->manager;
	const struct job_observer *observer = &manager->context.observer;
	struct job **slot = &manager->jobs;
	json_t *reply;

	while (*slot && *slot != job)
		slot = &(*slot)->next;
	assert(*slot == job);
	*slot = job->next;
	(void)queue_remove(manager->queue, job->id);
	if (app->running == job)
		app->running = NULL;

	log_end(job);
	reply = last_reply(job);
	remember(manager, job, reply);
	observer->ended(observer->userdata, job, reply);
	json_decref(reply);
	job_free(job);
	if (manager->hooks.job_gone)
		manager->hooks.job_gone(manager->hooks.userdata, app);
	manager_run(manager);
	manager_check_idle(manager);
}

void manager_stop(struct manager *manager)
{
	struct job *job = manager->jobs, *next;

	manager->stopping = true;
	/*
	 * Jobs that wait end at once; jobs that run, have not switched and lack a part
	 * of their archive end when their helpers are dead. The others go on. Each
	 * leaves the list by itself.
	 */
	for (; job; job = next) {
		next = job->next;
		if (!job_has_archive(job))
			job_abandon(job, RESULT_FAILED, stopping);
	}
	manager_check_idle(manager);
}
