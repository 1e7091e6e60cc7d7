#include "loop/manager.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/duration.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/service.h"
#include "loop/session.h"

static const char stopping[] = "deployd is stopping; nothing was switched, try again";

int manager_init(struct manager *manager, struct daemon *daemon)
{
	const struct daemon_config *limits = daemon->config->daemon;

	*manager = (struct manager){.daemon = daemon};
	manager->queue = queue_new(limits->jobs_max, limits->queue_max);
	return manager->queue ? 0 : -ENOMEM;
}

void manager_deinit(struct manager *manager)
{
	struct app *next;

	assert(!manager->operations);
	for (struct app *app = manager->apps; app; app = next) {
		next = app->next;
		json_decref(app->view);
		free(app->view_of);
		free(app);
	}
	for (unsigned int i = 0; i < manager->n_finished; i++) {
		json_decref(manager->finished[i].job);
		json_decref(manager->finished[i].outcome);
	}
	queue_free(manager->queue);
}

struct app *manager_app(struct manager *manager, const char *name)
{
	struct app *app;

	for (app = manager->apps; app; app = app->next)
		if (strcmp(app->name, name) == 0)
			return app;
	app = calloc(1, sizeof(*app));
	if (!app)
		return NULL;
	app->manager = manager;
	(void)snprintf(app->name, sizeof(app->name), "%s", name);
	app->next = manager->apps;
	manager->apps = app;
	return app;
}

/* --- operations ----------------------------------------------------------------- */

struct operation *manager_find(const struct manager *manager, const char *id)
{
	for (struct operation *o = manager->operations; o; o = o->next)
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
	return !manager->operations && manager->n_recovering == 0;
}

static void check_idle(struct manager *manager)
{
	if (manager_is_idle(manager) && manager->on_idle)
		manager->on_idle(manager->daemon);
}

static void append(struct manager *manager, struct operation *operation)
{
	struct operation **slot = &manager->operations;

	while (*slot)
		slot = &(*slot)->next;
	*slot = operation;
}

void manager_begin(struct operation *operation)
{
	if (operation->op.kind != OP_KIND_RECOVER)
		journal_event(JOURNAL_OPERATION_STARTED, LOG_INFO,
			      &(struct journal_context){
				      .app = operation->settings->app_name,
				      .unit = operation->settings->unit,
				      .job = operation->id,
				      .operation = op_kind_name(operation->op.kind),
				      .uid = operation->uid,
				      .user = operation->user,
				      .pid = -1},
			      "%s: %s by %s begins (job %s)",
			      operation->settings->app_name,
			      op_kind_name(operation->op.kind), operation->user,
			      operation->id);
	operation_start(operation);
}

static void start(struct operation *operation)
{
	operation->app->running = operation;
	/* Else it is begun when that is over. */
	if (!operation->app->recovering && !manager_recover_first(operation))
		manager_begin(operation);
}

void manager_run(struct manager *manager)
{
	const char *id;

	while (!manager->daemon->stopping && (id = queue_start_next(manager->queue))) {
		struct operation *operation = manager_find(manager, id);

		assert(operation);
		start(operation);
	}
}

/* --- waiting -------------------------------------------------------------------- */

static enum queue_rank rank_of(enum op_kind kind)
{
	switch (kind) {
	case OP_KIND_DEPLOY:
	case OP_KIND_STAGE:
	case OP_KIND_ACTIVATE:
		break;
	case OP_KIND_ROLLBACK:
	case OP_KIND_CONFIRM:
		return QUEUE_RANK_ROLLBACK;
	case OP_KIND_RESTART:
	case OP_KIND_RELOAD:
	case OP_KIND_START:
	case OP_KIND_STOP:
	case OP_KIND_ENABLE:
	case OP_KIND_DISABLE:
	case OP_KIND_FLAG:
	case OP_KIND_HOLD:
	case OP_KIND_UNHOLD:
		return QUEUE_RANK_URGENT;
	case OP_KIND_RECOVER:
	case OP_KIND_REVERT:
		return QUEUE_RANK_OWED;
	case OP_KIND_COUNT:
		break;
	}
	return QUEUE_RANK_DEPLOY;
}

static bool is_waiting(const struct operation *operation)
{
	return operation->op.state == OP_STATE_QUEUED &&
	       operation->app->running != operation;
}

static int enqueue(struct manager *manager, const struct operation *operation,
		   bool ready)
{
	return queue_add(manager->queue,
			 &(struct queue_job){.app = operation->app->name,
					     .id = operation->id,
					     .rank = rank_of(operation->op.kind),
					     .owner = operation->owner,
					     .ready = ready});
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0 && !a == !b;
}

/* Doing it twice in a row has the same effect as doing it once. */
static bool is_twin(const struct operation *operation, const struct config_set *config,
		    const struct operation_request *request)
{
	if (operation->config != config || operation->op.kind != request->kind)
		return false;
	switch (request->kind) {
	case OP_KIND_RESTART:
	case OP_KIND_RELOAD:
	case OP_KIND_START:
	case OP_KIND_STOP:
	case OP_KIND_ENABLE:
	case OP_KIND_DISABLE:
		return true;
	case OP_KIND_ROLLBACK:
		/* One that names no release goes back one further each time. */
		return request->release &&
		       strcmp(operation->target, request->release) == 0 &&
		       same_text(operation->if_current, request->if_current);
	case OP_KIND_DEPLOY:
	case OP_KIND_STAGE:
	case OP_KIND_ACTIVATE:
	case OP_KIND_FLAG:
	case OP_KIND_CONFIRM:
	case OP_KIND_HOLD:
	case OP_KIND_UNHOLD:
	case OP_KIND_RECOVER:
	case OP_KIND_REVERT:
	case OP_KIND_COUNT:
		break;
	}
	return false;
}

/*
 * The waiting job that already does what is asked for, NULL when there is none. Only
 * the latest of the jobs that go before the deploys can be it: another job stands
 * between an earlier one and this request, for example a stop between two starts.
 */
static struct operation *find_twin(const struct manager *manager, const struct app *app,
				   const struct config_set *config,
				   const struct operation_request *request)
{
	struct operation *latest = NULL;

	for (struct operation *o = manager->operations; o; o = o->next)
		if (o->app == app && is_waiting(o) &&
		    (rank_of(o->op.kind) != QUEUE_RANK_DEPLOY || o->uid == 0))
			latest = o;
	return latest && is_twin(latest, config, request) ? latest : NULL;
}

/* "2 of alice, 1 of bob": whose jobs occupy the places that the new one would need. */
static void name_waiting(const struct manager *manager,
			 const struct operation *operation, char *ret_text, size_t size)
{
	enum queue_rank rank = rank_of(operation->op.kind);
	uid_t named[16];
	size_t n_named = 0, used = 0;

	*ret_text = '\0';
	for (const struct operation *o = manager->operations; o; o = o->next) {
		unsigned int n = 0;
		bool known = false;

		if (o->app != operation->app || !is_waiting(o) ||
		    rank_of(o->op.kind) != rank ||
		    (o->uid == 0) != (operation->uid == 0))
			continue;
		for (size_t i = 0; i < n_named; i++)
			known = known || named[i] == o->owner;
		if (known || n_named == sizeof(named) / sizeof(*named) || used >= size)
			continue;
		named[n_named++] = o->owner;
		for (const struct operation *other = o; other; other = other->next)
			n += other->app == o->app && is_waiting(other) &&
			     other->owner == o->owner &&
			     rank_of(other->op.kind) == rank;
		used += (size_t)snprintf(ret_text + used, size - used, "%s%u of %s",
					 used > 0 ? ", " : "", n, o->user);
	}
}

static void refuse(const struct manager *manager, const struct operation *operation,
		   int r, struct errinfo *error)
{
	const char *app = operation->app->name;
	bool is_deploy = rank_of(operation->op.kind) == QUEUE_RANK_DEPLOY;
	const char *what = is_deploy ? "deploys" : "jobs of this kind";
	char whose[160], limit[48];

	if (r != -EBUSY && r != -EDQUOT) {
		(void)errinfo_refuse(error, RESULT_FAILED, "%s: %s", app, strerror(-r));
		return;
	}
	name_waiting(manager, operation, whose, sizeof(whose));
	if (is_deploy)
		(void)snprintf(limit, sizeof(limit), "queue_max = %zu",
			       (size_t)manager->daemon->config->daemon->queue_max);
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
				     app, operation->user, what, limit, whose);
}

/* A deploy that has not begun waits again; one that has, but can be undone, ends. */
static void make_way(struct operation *rollback)
{
	struct app *app = rollback->app;
	struct operation *running = app->running;
	const char *kind;
	char why[200];

	if (!running || rank_of(running->op.kind) != QUEUE_RANK_DEPLOY ||
	    running->op.failed || !op_is_before_switch(&running->op))
		return;
	if (!running->running) {
		if (queue_put_back(app->manager->queue, running->id))
			app->running = NULL;
		return;
	}
	/* A rollback that will be refused must not end anything. */
	if (!operation_would_switch(rollback))
		return;
	kind = op_kind_name(running->op.kind);
	(void)snprintf(rollback->note, sizeof(rollback->note),
		       "cancelled the %s of %s (job %s)", kind, running->user,
		       running->id);
	(void)snprintf(why, sizeof(why),
		       "%s's %s was cancelled by a rollback of %s; nothing was "
		       "switched",
		       running->user, kind, rollback->user);
	operation_abandon(running, RESULT_CANCELLED, why);
}

/* Joins the twin. False: it has all the watchers that it may have. */
static bool join(struct operation *twin, const struct operation_request *request,
		 uint64_t session_id)
{
	if (session_id != 0 && operation_watch(twin, session_id) < 0)
		return false;
	journal_log(LOG_INFO, "%s: the %s of %s joins that of %s, which waits (job %s)",
		    twin->app->name, op_kind_name(twin->op.kind), request->user,
		    twin->user, twin->id);
	return true;
}

enum deploy_result manager_submit(struct manager *manager, struct config_set *config,
				  const struct app_config *settings,
				  const struct operation_request *request,
				  uint64_t session_id, struct operation **ret_operation,
				  struct errinfo *error)
{
	struct app *app = manager_app(manager, settings->app_name);
	struct operation *operation = NULL, *twin;
	int r;

	twin = app ? find_twin(manager, app, config, request) : NULL;
	if (twin && join(twin, request, session_id)) {
		*ret_operation = twin;
		return RESULT_OK;
	}
	if (app)
		operation =
			operation_new(manager->daemon, app, config, settings, request);
	if (!operation) {
		(void)errinfo_refuse(error, RESULT_FAILED, "out of memory");
		return RESULT_FAILED;
	}
	r = enqueue(manager, operation, request->archive_session == 0);
	if (r < 0) {
		refuse(manager, operation, r, error);
		operation->archive_session = 0; /* stays the caller's */
		operation_free(operation);
		return error->result;
	}
	append(manager, operation);
	if (session_id != 0)
		(void)!operation_watch(operation, session_id);
	if (operation->op.kind == OP_KIND_ROLLBACK)
		make_way(operation);
	*ret_operation = operation;
	return RESULT_OK;
}

bool manager_waits_for(const struct operation *operation, char *ret_text, size_t size)
{
	const struct app *app = operation->app;
	const struct operation *running = app->running;

	if (!is_waiting(operation))
		return false;
	if (!queue_is_ready(app->manager->queue, operation->id))
		(void)snprintf(ret_text, size, "its archive");
	else if (running)
		(void)snprintf(ret_text, size, "job %s of %s (%s)", running->id,
			       running->user, op_kind_name(running->op.kind));
	else
		return false;
	return true;
}

static json_t *waits_for(const struct operation *operation)
{
	char text[160];

	if (!is_waiting(operation))
		return json_null();
	if (!manager_waits_for(operation, text, sizeof(text)))
		(void)snprintf(text, sizeof(text), "jobs of other apps");
	return json_string(text);
}

void manager_archive_changed(struct manager *manager, const struct session *session)
{
	enum archive_state state = session->archive.state;
	struct operation *operation = manager->operations;

	while (operation && operation->archive_session != session->id)
		operation = operation->next;
	if (!operation)
		return;
	if (state == ARCHIVE_STATE_FLOWS || state == ARCHIVE_STATE_COMPLETE)
		(void)queue_set_ready(manager->queue, operation->id);
	operation_archive_changed(operation, session); /* may free it */
	manager_run(manager);
}

json_t *manager_job(const struct operation *operation)
{
	char started[RFC3339_SIZE];
	int percent = operation_percent(operation);

	names_rfc3339(operation->created_sec, started);
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:{s:I, s:s}, s:s, s:o, s:o, s:o}", "id",
		operation->id, "app", operation->settings->app_name, "kind",
		op_kind_name(operation->op.kind), "phase",
		op_state_name(operation->op.state), "percent",
		percent < 0 ? json_null() : json_integer(percent), "by", "uid",
		(json_int_t)operation->uid, "user", operation->user, "startedAt",
		started, "waitsFor", waits_for(operation), "result",
		operation->op.state == OP_STATE_DONE
			? json_string(result_name(operation->result))
			: json_null(),
		"release",
		operation->target[0] ? json_string(operation->target) : json_null());
}

static json_t *last_reply(const struct operation *operation)
{
	if (operation->result != RESULT_OK)
		return operation_failure(operation);
	return json_pack("{s:o}", "outcome", operation_outcome(operation));
}

static void remember(struct manager *manager, const struct operation *operation,
		     json_t *reply)
{
	struct finished_job *job = &manager->finished[manager->next_finished];

	json_decref(job->job);
	json_decref(job->outcome);
	manager->next_finished = (manager->next_finished + 1) % MANAGER_FINISHED_MAX;
	if (manager->n_finished < MANAGER_FINISHED_MAX)
		manager->n_finished++;
	(void)memcpy(job->id, operation->id, sizeof(job->id));
	(void)snprintf(job->app, sizeof(job->app), "%s", operation->settings->app_name);
	job->job = manager_job(operation);
	job->outcome = json_incref(reply);
	job->result = operation->result;
}

static void log_end(const struct operation *operation)
{
	char duration[DURATION_TEXT_SIZE];
	bool ok = operation->result == RESULT_OK;
	struct journal_context context = {
		.app = operation->settings->app_name,
		.unit = operation->settings->unit,
		.release = operation->target[0] ? operation->target : NULL,
		.job = operation->id,
		.operation = op_kind_name(operation->op.kind),
		.result = result_name(operation->result),
		.uid = operation->uid,
		.user = operation->user,
		.pid = -1};

	if (ok)
		journal_event(JOURNAL_OPERATION_DONE, LOG_NOTICE, &context,
			      "%s: %s by %s done%s%s in %s (job %s)",
			      operation->settings->app_name,
			      op_kind_name(operation->op.kind), operation->user,
			      operation->target[0] ? ": " : "", operation->target,
			      duration_text((int64_t)operation->took_ms, duration),
			      operation->id);
	else
		journal_event(JOURNAL_OPERATION_FAILED, LOG_ERR, &context,
			      "%s: %s by %s failed (%s): %s (job %s)",
			      operation->settings->app_name,
			      op_kind_name(operation->op.kind), operation->user,
			      result_name(operation->result), operation->error.what,
			      operation->id);
}

static void answer(const struct operation *operation, json_t *reply)
{
	for (size_t i = 0; i < operation->n_watchers; i++) {
		struct session *session =
			server_find(&operation->daemon->server, operation->watchers[i]);
		json_t *seen;

		if (!session)
			continue;
		seen = service_reply_for(operation->daemon, session,
					 operation->settings->app_name, reply);
		if (operation->result == RESULT_OK)
			session_reply(session, seen, false);
		else
			session_error(session, result_error_name(operation->result),
				      seen);
	}
}

void manager_operation_over(struct manager *manager, struct operation *operation)
{
	struct operation **slot = &manager->operations;
	struct app *app = operation->app;
	json_t *reply;

	while (*slot && *slot != operation)
		slot = &(*slot)->next;
	assert(*slot == operation);
	*slot = operation->next;
	(void)queue_remove(manager->queue, operation->id);
	if (app->running == operation)
		app->running = NULL;

	log_end(operation);
	reply = last_reply(operation);
	remember(manager, operation, reply);
	answer(operation, reply);
	json_decref(reply);
	if (manager->on_operation_over)
		manager->on_operation_over(manager->daemon, operation);
	operation_free(operation);
	manager_follow_config(app);
	manager_run(manager);
	check_idle(manager);
}

void manager_stop(struct manager *manager)
{
	struct operation *operation = manager->operations, *next;

	/*
	 * Jobs that wait end at once; jobs that run, have not switched and lack a part
	 * of their archive end when their helpers are dead. The others go on. Each
	 * leaves the list by itself.
	 */
	for (; operation; operation = next) {
		next = operation->next;
		if (!operation_has_archive(operation))
			operation_abandon(operation, RESULT_FAILED, stopping);
	}
	check_idle(manager);
}
