/*
 * What is known of an app's releases: the view that deployd-store gives, and how it
 * comes to be at start, after a crash, and when the configuration changes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/manager.h"

#define RECOVER_TIMEOUT_MSEC 300000u /* the staging left by a crash is removed, too */

static void start_recoveries(struct manager *manager);

static void forget_view(struct app *app)
{
	json_decref(app->view);
	app->view = NULL;
	free(app->view_of);
	app->view_of = NULL;
}

void manager_forget_view(struct app *app, const char *why)
{
	forget_view(app);
	(void)snprintf(app->problem, sizeof(app->problem), "%s", why);
}

static bool is_recovered(const struct app *app, const struct app_config *settings)
{
	return app->view_of && strcmp(app->view_of, settings->deploy_dir) == 0;
}

void manager_take_view(struct app *app, const struct app_config *settings,
		       const json_t *view)
{
	if (!json_is_object(view) || !is_recovered(app, settings))
		return;
	json_decref(app->view);
	app->view = json_incref((json_t *)view);
	app->problem[0] = '\0';
}

const char *manager_current(const struct app *app)
{
	return json_string_value(json_object_get(app->view, "current"));
}

const char *manager_previous(const struct app *app)
{
	return json_string_value(json_object_get(app->view, "previous"));
}

const json_t *manager_release(const struct app *app, const char *release)
{
	json_t *entry;
	size_t i;

	json_array_foreach (json_object_get(app->view, "releases"), i, entry) {
		const char *id = json_string_value(json_object_get(entry, "id"));

		if (id && strcmp(id, release) == 0)
			return entry;
	}
	return NULL;
}

const char *manager_release_state(const struct app *app, const char *release)
{
	return json_string_value(
		json_object_get(manager_release(app, release), "state"));
}

const json_t *manager_hold(const struct app *app, int64_t now_sec)
{
	const json_t *hold = json_object_get(app->view, "hold");
	json_int_t until = json_integer_value(json_object_get(hold, "until_sec"));

	return json_is_object(hold) && (until == 0 || now_sec < until) ? hold : NULL;
}

static bool is_stopped_for_good(const struct app *app, const json_t *confirm)
{
	const char *release = json_string_value(json_object_get(confirm, "release"));
	const char *state = release ? manager_release_state(app, release) : NULL;

	return !json_is_string(json_object_get(confirm, "from")) && state &&
	       strcmp(state, "bad") == 0;
}

const json_t *manager_confirm(const struct app *app)
{
	const json_t *confirm = json_object_get(app->view, "confirm");

	return json_is_object(confirm) && !is_stopped_for_good(app, confirm) ? confirm
									     : NULL;
}

/* What deployd began itself is told in the name of who asked for what it is about. */
static enum deploy_result resubmit(struct app *app, struct config_set *config,
				   const struct app_config *settings, enum op_kind kind,
				   const char *id, const char *release,
				   const json_t *by, struct operation **ret_operation)
{
	const char *user = json_string_value(json_object_get(by, "user"));
	struct operation_request request = {
		.kind = kind,
		.id = id,
		.release = release,
		.uid = (uid_t)json_integer_value(json_object_get(by, "uid")),
		.user = user ? user : "root"};
	struct errinfo error = {0};
	enum deploy_result result;

	result = manager_submit(app->manager, config, settings, &request, 0,
				ret_operation, &error);
	if (result != RESULT_OK)
		journal_log(LOG_ERR, "%s: cannot %s: %s", app->name, op_kind_name(kind),
			    error.what);
	return result;
}

static void set_way_back(struct operation *operation, const char *from)
{
	(void)snprintf(operation->from, sizeof(operation->from), "%s",
		       from ? from : "");
	operation->op.fallback = from ? OP_FALLBACK_BACK : OP_FALLBACK_STOP;
}

/* The switch was made, or was to be made back, when deployd died. */
static void resume(struct app *app, const struct app_config *settings,
		   const json_t *pending)
{
	const char *op = json_string_value(json_object_get(pending, "kind"));
	const char *to = json_string_value(json_object_get(pending, "to"));
	const char *from = json_string_value(json_object_get(pending, "from"));
	const char *job = json_string_value(json_object_get(pending, "job"));
	const json_t *by = json_object_get(pending, "by");
	const json_t *confirm = json_object_get(pending, "confirm");
	bool is_revert = op && strcmp(op, "revert") == 0;
	struct operation *operation = NULL;

	if (!to || (is_revert && !from)) {
		journal_log(LOG_ERR, "%s: deployd-store told of a switch to nowhere",
			    app->name);
		return;
	}
	if (resubmit(app, app->recovery_config, settings,
		     is_revert ? OP_KIND_REVERT : OP_KIND_RECOVER, job,
		     is_revert ? from : to, by, &operation) != RESULT_OK)
		return;
	operation->same_boot = json_is_true(json_object_get(pending, "same_boot"));
	set_way_back(operation, is_revert ? to : from);
	if (is_revert) {
		operation->release_bad = true;
		operation_fail(
			operation, RESULT_FAILED,
			"deployd was killed while it went back from this release");
		return;
	}
	if (!settings->health.auto_rollback)
		operation->op.fallback = OP_FALLBACK_NONE;
	operation->confirm_deadline_sec =
		(int64_t)json_integer_value(json_object_get(confirm, "deadline_sec"));
}

void manager_revert_unconfirmed(struct app *app, const struct app_config *settings)
{
	const json_t *confirm = manager_confirm(app);
	struct operation *operation = NULL;

	if (resubmit(app, app->manager->daemon->config, settings, OP_KIND_REVERT, NULL,
		     json_string_value(json_object_get(confirm, "release")),
		     json_object_get(confirm, "by"), &operation) != RESULT_OK)
		return;
	set_way_back(operation, json_string_value(json_object_get(confirm, "from")));
	operation->same_boot = true;
	operation->release_bad = true;
	operation_fail(operation, RESULT_FAILED, "release %s was not confirmed in time",
		       operation->target);
	manager_run(app->manager);
}

/* What has its turn but has not begun comes after what is to be resumed. */
static void put_back(struct app *app)
{
	if (app->running && !app->running->running &&
	    queue_put_back(app->manager->queue, app->running->id))
		app->running = NULL;
}

static void take_recovered(struct app *app, const struct app_config *settings,
			   const json_t *reply)
{
	const json_t *pending = json_object_get(reply, "pending");
	json_t *line;
	size_t i;

	free(app->view_of);
	app->view_of = strdup(settings->deploy_dir);
	manager_take_view(app, settings, json_object_get(reply, "view"));
	json_array_foreach (json_object_get(reply, "recovered"), i, line)
		journal_event(JOURNAL_RECOVERED, LOG_NOTICE,
			      &(struct journal_context){.app = app->name,
							.unit = settings->unit,
							.uid = -1,
							.pid = -1},
			      "%s: %s", app->name, json_string_value(line));
	if (json_is_object(pending) && !app->manager->daemon->stopping) {
		put_back(app);
		resume(app, settings, pending);
	}
}

static void on_recovered(struct store_call *call, enum deploy_result result,
			 const json_t *reply, const struct errinfo *error)
{
	struct app *app = call->userdata;
	struct manager *manager = app->manager;
	struct config_set *config = app->recovery_config;
	const struct app_config *settings = config_set_app(config, app->name);

	app->recovering = false;
	manager->n_recovering--;
	if (result != RESULT_OK) {
		forget_view(app);
		(void)snprintf(app->problem, sizeof(app->problem), "%s", error->what);
		journal_log(LOG_ERR, "%s: cannot recover: %s", app->name, error->what);
	} else {
		take_recovered(app, settings, reply);
	}
	app->recovery_config = NULL;
	config_set_unref(config);
	/* One that was submitted meanwhile has its turn, but could not begin. */
	if (app->running && !app->running->running)
		manager_begin(app->running);
	start_recoveries(manager);
}

static bool needs_recovery(const struct app *app, const struct app_config *settings)
{
	return !app->recovering && !app->running && !is_recovered(app, settings);
}

/* At a reload: where something is wrong, or nothing is yet, root may have mended it. */
static bool is_worth_a_look(const struct app *app)
{
	return !app->recovering && !app->running &&
	       (!app->view || !manager_current(app) ||
		!json_is_null(json_object_get(app->view, "degraded")));
}

static bool start_recovery(struct app *app, struct config_set *config,
			   const struct app_config *settings)
{
	struct manager *manager = app->manager;
	int r;

	if (!is_recovered(app, settings))
		forget_view(app);
	app->recovery.userdata = app;
	app->recovery.done = on_recovered;
	r = store_call_start(&app->recovery, manager->daemon->loop, config, settings,
			     "recover", NULL, RECOVER_TIMEOUT_MSEC);
	if (r < 0) {
		(void)snprintf(app->problem, sizeof(app->problem),
			       "cannot start deployd-store: %s", strerror(-r));
		return false;
	}
	(void)snprintf(app->problem, sizeof(app->problem), "recovery is under way");
	app->recovery_config = config_set_ref(config);
	app->recovering = true;
	manager->n_recovering++;
	return true;
}

/* A unit's job waits for no disk. */
static bool is_about_releases(enum op_kind kind)
{
	return op_kind_switches(kind) || kind == OP_KIND_STAGE ||
	       kind == OP_KIND_CONFIRM;
}

bool manager_recover_first(struct operation *operation)
{
	return is_about_releases(operation->op.kind) &&
	       !is_recovered(operation->app, operation->settings) &&
	       start_recovery(operation->app, operation->config, operation->settings);
}

void manager_follow_config(struct app *app)
{
	const struct daemon *daemon = app->manager->daemon;
	const struct app_config *settings = config_set_app(daemon->config, app->name);

	if (settings && app->view_of && !daemon->stopping &&
	    needs_recovery(app, settings))
		(void)start_recovery(app, daemon->config, settings);
}

/* A few at a time; each that ends starts the next. */
static void start_recoveries(struct manager *manager)
{
	struct config_set *config = manager->daemon->config;

	while (manager->next_recovery < config->n_apps && !manager->daemon->stopping &&
	       manager->n_recovering < config->daemon->jobs_max) {
		const struct app_config *settings =
			config->apps[manager->next_recovery++];
		struct app *app = manager_app(manager, settings->app_name);

		if (app && (needs_recovery(app, settings) || is_worth_a_look(app)))
			(void)start_recovery(app, config, settings);
	}
	if (manager->n_recovering > 0)
		return;
	if (manager->on_recovered)
		manager->on_recovered(manager->daemon);
	manager_run(manager);
	if (manager_is_idle(manager) && manager->on_idle)
		manager->on_idle(manager->daemon);
}

void manager_take_config(struct manager *manager)
{
	const struct daemon_config *limits = manager->daemon->config->daemon;

	queue_set_limits(manager->queue, limits->jobs_max, limits->queue_max);
	manager->next_recovery = 0;
	if (manager->n_recovering == 0)
		start_recoveries(manager);
}
