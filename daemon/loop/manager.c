#include "loop/manager.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	manager->queue = queue_new(limits->operations_max, limits->queue_max);
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

/* What deployd owes an app: nobody who fills its line puts that off. */
static int enqueue(struct manager *manager, const struct operation *operation)
{
	const char *app = operation->app->name;

	if (operation->op.kind == OP_KIND_RECOVER ||
	    operation->op.kind == OP_KIND_REVERT)
		return queue_add_first(manager->queue, app, operation->id);
	return queue_add(manager->queue, app, operation->id);
}

enum deploy_result manager_submit(struct manager *manager, struct config_set *config,
				  const struct app_config *settings,
				  const struct operation_request *request,
				  uint64_t session_id, struct operation **ret_operation,
				  struct errinfo *error)
{
	struct app *app = manager_app(manager, settings->app_name);
	struct operation *operation = NULL;
	int r;

	if (app)
		operation =
			operation_new(manager->daemon, app, config, settings, request);
	if (!operation) {
		(void)errinfo_refuse(error, RESULT_FAILED, "out of memory");
		return RESULT_FAILED;
	}
	r = enqueue(manager, operation);
	if (r < 0) {
		operation->archive_session = 0; /* stays the caller's */
		operation_free(operation);
		(void)errinfo_refuse(error, r == -EBUSY ? RESULT_BUSY : RESULT_FAILED,
				     "%s: %s", app->name,
				     r == -EBUSY
					     ? "too many operations are waiting; see "
					       "`deployctl jobs`"
					     : strerror(-r));
		return error->result;
	}
	append(manager, operation);
	if (session_id != 0)
		(void)!operation_watch(operation, session_id);
	*ret_operation = operation;
	return RESULT_OK;
}

void manager_archive_changed(struct manager *manager, const struct session *session)
{
	for (struct operation *o = manager->operations; o; o = o->next) {
		if (o->archive_session == session->id) {
			operation_archive_changed(o, session); /* may free it */
			return;
		}
	}
}

json_t *manager_job(const struct operation *operation)
{
	char started[RFC3339_SIZE];
	int percent = operation_percent(operation);

	names_rfc3339(operation->created_sec, started);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:I, s:s}, s:s, s:o, s:o}", "id",
			 operation->id, "app", operation->settings->app_name, "kind",
			 op_kind_name(operation->op.kind), "phase",
			 op_state_name(operation->op.state), "percent",
			 percent < 0 ? json_null() : json_integer(percent), "by", "uid",
			 (json_int_t)operation->uid, "user", operation->user,
			 "startedAt", started, "result",
			 operation->op.state == OP_STATE_DONE
				 ? json_string(result_name(operation->result))
				 : json_null(),
			 "release",
			 operation->target[0] ? json_string(operation->target)
					      : json_null());
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
			      "%s: %s by %s done%s%s in %llu ms (job %s)",
			      operation->settings->app_name,
			      op_kind_name(operation->op.kind), operation->user,
			      operation->target[0] ? ": " : "", operation->target,
			      (unsigned long long)operation->took_ms, operation->id);
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
	 * Those that wait end at once; those that run before their switch and lack a
	 * part of their archive end when their helpers are dead. The rest goes on. Each
	 * leaves the list by itself.
	 */
	for (; operation; operation = next) {
		next = operation->next;
		if (!operation_has_archive(operation))
			operation_abandon(operation, RESULT_FAILED, stopping);
	}
	check_idle(manager);
}
