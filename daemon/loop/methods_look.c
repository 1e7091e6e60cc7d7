/*
 * The methods that look: list, status, releases, show, history, jobs. Those that need
 * the service manager or the store's files answer later; they hold the session's id, so
 * that a client that hung up costs nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/service.h"
#include "loop/session.h"

#define HISTORY_LIMIT_DEFAULT 50
#define HISTORY_LIMIT_MAX     1000

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static const char *restart_word(const struct app_config *settings)
{
	return restart_method_name(settings->restart_method);
}

/* The store's release object (snake_case) as the wire type Release. */
static json_t *wire_release(const struct app *app, const json_t *release)
{
	const char *id = json_string_value(json_object_get(release, "id"));
	const char *current = manager_current(app);
	const char *state = json_string_value(json_object_get(release, "state"));

	if (current && id && strcmp(current, id) == 0)
		state = "current";
	return json_pack(
		"{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		copy_or_null(release, "id"), "state", state ? state : "staged",
		"sha256", copy_or_null(release, "sha256"), "version",
		copy_or_null(release, "version"), "revision",
		copy_or_null(release, "revision"), "message",
		copy_or_null(release, "message"), "bytes",
		copy_or_null(release, "bytes"), "files", copy_or_null(release, "files"),
		"deployedBy", copy_or_null(release, "deployed_by"), "deployedAt",
		copy_or_null(release, "deployed_at"), "pinned",
		copy_or_null(release, "pinned"));
}

static const char *health_word(const struct app *app, const struct unit_state *unit)
{
	if (!manager_current(app))
		return "none";
	if (strcmp(unit->active_state, "active") == 0 ||
	    strcmp(unit->active_state, "reloading") == 0)
		return "healthy";
	if (strcmp(unit->active_state, "activating") == 0)
		return "starting";
	if (strcmp(unit->active_state, "failed") == 0)
		return "failed";
	return "stopped";
}

/* live, none or degraded; *ret_reason says why degraded. */
static const char *state_word(const struct app *app, const struct unit_state *unit,
			      const char **ret_reason)
{
	const char *current = manager_current(app);
	const char *degraded =
		json_string_value(json_object_get(app->view, "degraded"));
	const char *mark = current ? manager_release_state(app, current) : NULL;

	*ret_reason = NULL;
	if (!app->view)
		*ret_reason = *app->problem ? app->problem : "not recovered yet";
	else if (degraded)
		*ret_reason = degraded;
	else if (!current)
		return "none";
	else if (mark && strcmp(mark, "bad") == 0)
		*ret_reason =
			"the current release did not come up; roll back or deploy "
			"a good one";
	else if (strcmp(unit->active_state, "failed") == 0)
		*ret_reason = "the unit has failed";
	return *ret_reason ? "degraded" : "live";
}

static json_t *text_json(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *time_json(uint64_t usec)
{
	char text[RFC3339_SIZE];

	if (usec == 0)
		return json_null();
	names_rfc3339((int64_t)(usec / 1000000), text);
	return json_string(text);
}

static json_t *wire_status(const struct app *app, const struct app_config *settings,
			   const struct unit_state *unit)
{
	const char *current = manager_current(app);
	const json_t *release = current ? manager_release(app, current) : NULL;
	const char *reason = NULL;
	const char *state = state_word(app, unit, &reason);
	json_t *status = json_pack(
		"{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:I, s:o, s:s, s:n, "
		"s:s, s:b}",
		"schema", 1, "app", settings->app_name, "unit", settings->unit, "state",
		state, "reason", text_json(reason), "release", text_json(current),
		"previous", text_json(manager_previous(app)), "unitState",
		*unit->active_state ? unit->active_state : "unknown", "unitSubState",
		*unit->sub_state ? unit->sub_state : "unknown", "mainPid",
		(json_int_t)unit->main_pid, "activeSince",
		time_json(strcmp(unit->active_state, "active") == 0
				  ? unit->active_enter_usec
				  : 0),
		"health", health_word(app, unit), "proven", "restartMethod",
		restart_word(settings), "held", 0);

	if (!status)
		return NULL;
	(void)json_object_set_new(status, "operation",
				  app->running ? operation_to_json(app->running)
					       : json_null());
	(void)json_object_set_new(status, "version", copy_or_null(release, "version"));
	(void)json_object_set_new(status, "revision",
				  copy_or_null(release, "revision"));
	(void)json_object_set_new(status, "deployedBy",
				  copy_or_null(app->view, "activated_by"));
	(void)json_object_set_new(status, "deployedAt",
				  copy_or_null(app->view, "activated_at"));
	return status;
}

/* An answer that waits for the state of one unit (status) or of several (list). */
struct look {
	struct daemon *daemon;
	uint64_t session_id;
	struct config_set *config;
	json_t *apps;	     /* list: the summaries so far, in order */
	unsigned int n_left; /* queries that have not answered */
	bool is_list;
};

struct look_item {
	struct look *look;
	const struct app_config *settings;
	size_t index;
};

static json_t *wire_summary(const struct app *app, const struct app_config *settings,
			    const struct unit_state *unit)
{
	const char *current = manager_current(app);
	const json_t *release = current ? manager_release(app, current) : NULL;
	const char *reason = NULL;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "app",
			 settings->app_name, "unit", settings->unit, "state",
			 state_word(app, unit, &reason), "release", text_json(current),
			 "version", copy_or_null(release, "version"), "unitState",
			 *unit->active_state ? unit->active_state : "unknown",
			 "operation",
			 app->running ? operation_to_json(app->running) : json_null());
}

static void look_unref(struct look *look)
{
	struct session *session;

	if (--look->n_left > 0)
		return;
	session = server_find(&look->daemon->server, look->session_id);
	if (session && look->is_list)
		session_reply(session, json_pack("{s:O}", "apps", look->apps), false);
	json_decref(look->apps);
	config_set_unref(look->config);
	free(look);
}

static void on_state(void *userdata, int error, const struct unit_state *state)
{
	static const struct unit_state unknown;
	struct look_item *item = userdata;
	struct look *look = item->look;
	const struct app *app =
		manager_app(&look->daemon->manager, item->settings->app_name);
	const struct unit_state *unit = error < 0 || !state ? &unknown : state;

	if (app && look->is_list) {
		(void)json_array_set_new(look->apps, item->index,
					 wire_summary(app, item->settings, unit));
	} else if (app) {
		struct session *session =
			server_find(&look->daemon->server, look->session_id);

		if (session)
			session_reply(session,
				      json_pack("{s:o}", "status",
						wire_status(app, item->settings, unit)),
				      false);
	}
	free(item);
	look_unref(look);
}

static void ask_unit(struct look *look, const struct app_config *settings)
{
	struct look_item *item = malloc(sizeof(*item));

	if (!item)
		return;
	*item = (struct look_item){look, settings, json_array_size(look->apps)};
	(void)json_array_append_new(look->apps, json_null());
	look->n_left++;
	if (!units_query(look->daemon->units, settings->unit, on_state, item)) {
		look->n_left--;
		free(item);
	}
}

static struct look *look_new(struct daemon *daemon, const struct session *session,
			     bool is_list)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	look->daemon = daemon;
	look->session_id = session->id;
	look->config = config_set_ref(daemon->config);
	look->apps = json_array();
	look->n_left = 1; /* ours, until every query is on its way */
	look->is_list = is_list;
	return look;
}

void method_status(struct daemon *daemon, struct session *session)
{
	const char *name = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name}};
	const struct app_config *settings;
	struct look *look;

	if (!service_params(session, params, 1))
		return;
	settings = service_authorize(daemon, session, RIGHT_STATUS, name);
	if (!settings)
		return;
	look = look_new(daemon, session, false);
	if (!look) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	ask_unit(look, settings);
	look_unref(look);
}

static bool may_see(const struct daemon *daemon, const struct session *session,
		    const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);

	return policy_knows(daemon->config->policy, &peer, app,
			    service_minute_of_day());
}

void method_list(struct daemon *daemon, struct session *session)
{
	const struct config_set *config = daemon->config;
	struct look *look;

	if (!service_params(session, NULL, 0))
		return;
	look = look_new(daemon, session, true);
	if (!look) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	for (size_t i = 0; i < config->n_apps; i++)
		if (may_see(daemon, session, config->apps[i]->app_name))
			ask_unit(look, config->apps[i]);
	look_unref(look);
}

/* The app's entry when its releases are known; else the request is answered. */
static const struct app *recovered_app(struct daemon *daemon, struct session *session,
				       const struct app_config *settings)
{
	const struct app *app = manager_app(&daemon->manager, settings->app_name);

	if (app && app->view)
		return app;
	session_refuse(session, RESULT_FAILED, "the releases of %s are not known: %s",
		       settings->app_name,
		       app && *app->problem ? app->problem : "recovery is under way");
	return NULL;
}

void method_releases(struct daemon *daemon, struct session *session)
{
	const char *name = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name}};
	const struct app_config *settings;
	const struct app *app;
	json_t *releases, *release;
	size_t i;

	if (!service_params(session, params, 1))
		return;
	settings = service_authorize(daemon, session, RIGHT_STATUS, name);
	app = settings ? recovered_app(daemon, session, settings) : NULL;
	if (!app)
		return;
	releases = json_array();
	json_array_foreach (json_object_get(app->view, "releases"), i, release)
		(void)json_array_append_new(releases, wire_release(app, release));
	session_reply(session, json_pack("{s:o}", "releases", releases), false);
}

void method_show(struct daemon *daemon, struct session *session)
{
	const char *name = NULL, *id = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name},
				       {"release", PARAM_STRING, false, &id}};
	const struct app_config *settings;
	const json_t *release;
	const struct app *app;
	const char *current;
	bool is_current;

	if (!service_params(session, params, 2))
		return;
	settings = service_authorize(daemon, session, RIGHT_STATUS, name);
	app = settings ? recovered_app(daemon, session, settings) : NULL;
	if (!app)
		return;
	current = manager_current(app);
	release = id || current ? manager_release(app, id ? id : current) : NULL;
	if (!release) {
		char escaped[64];

		session_refuse(session, RESULT_NOT_FOUND,
			       "there is no release %s of %s; `deployctl releases %s` "
			       "lists them",
			       id ? names_escape(id, escaped, sizeof(escaped))
				  : "current",
			       name, name);
		return;
	}
	is_current = current && (!id || strcmp(current, id) == 0);
	session_reply(session,
		      json_pack("{s:o, s:b}", "release", wire_release(app, release),
				"current", is_current),
		      false);
}

/* history: the entries are in a file that only deployd-store reads. */
struct history {
	struct store_call store;
	struct daemon *daemon;
	struct config_set *config;
	uint64_t session_id;
};

static json_t *wire_entry(const json_t *entry)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "time", copy_or_null(entry, "time"), "id",
			 copy_or_null(entry, "id"), "app", copy_or_null(entry, "app"),
			 "operation", copy_or_null(entry, "operation"), "from",
			 copy_or_null(entry, "from"), "to", copy_or_null(entry, "to"),
			 "result", copy_or_null(entry, "result"), "by",
			 copy_or_null(entry, "by"), "tookMs",
			 copy_or_null(entry, "took_ms"), "restartGapMs",
			 copy_or_null(entry, "restart_gap_ms"), "message",
			 copy_or_null(entry, "message"));
}

static void on_history(struct store_call *call, enum deploy_result result,
		       const json_t *reply, const struct errinfo *error)
{
	struct history *history = call->userdata;
	struct session *session =
		server_find(&history->daemon->server, history->session_id);
	json_t *entries = json_array(), *entry;
	size_t i;

	json_array_foreach (json_object_get(reply, "entries"), i, entry)
		(void)json_array_append_new(entries, wire_entry(entry));
	if (session && result == RESULT_OK)
		session_reply(session, json_pack("{s:O}", "entries", entries), false);
	else if (session)
		session_refuse(session, result, "%s", error->what);
	json_decref(entries);
	config_set_unref(history->config);
	free(history);
}

void method_history(struct daemon *daemon, struct session *session)
{
	const char *name = NULL;
	json_int_t limit = HISTORY_LIMIT_DEFAULT;
	const struct param params[] = {{"app", PARAM_STRING, true, &name},
				       {"limit", PARAM_INT, false, &limit}};
	const struct app_config *settings;
	struct history *history;
	int r;

	if (!service_params(session, params, 2))
		return;
	settings = service_authorize(daemon, session, RIGHT_HISTORY, name);
	if (!settings)
		return;
	if (limit < 1 || limit > HISTORY_LIMIT_MAX) {
		session_refuse(session, RESULT_USAGE, "limit must be 1 to %d",
			       HISTORY_LIMIT_MAX);
		return;
	}
	history = calloc(1, sizeof(*history));
	if (!history) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	history->daemon = daemon;
	history->config = config_set_ref(daemon->config);
	history->session_id = session->id;
	history->store.userdata = history;
	history->store.done = on_history;
	r = store_call_start(&history->store, daemon->loop, history->config, settings,
			     "history", json_pack("{s:I}", "limit", limit),
			     STORE_TIMEOUT_MSEC);
	if (r < 0) {
		session_refuse(session, RESULT_FAILED, "cannot start deployd-store: %s",
			       strerror(-r));
		config_set_unref(history->config);
		free(history);
	}
}

void method_jobs(struct daemon *daemon, struct session *session)
{
	const struct manager *manager = &daemon->manager;
	json_t *jobs;

	if (!service_params(session, NULL, 0))
		return;
	jobs = json_array();
	for (const struct operation *o = manager->operations; o; o = o->next)
		if (may_see(daemon, session, o->settings->app_name))
			(void)json_array_append_new(jobs, manager_job(o));
	for (unsigned int i = 0; i < manager->n_finished; i++) {
		unsigned int at =
			(manager->next_finished + MANAGER_FINISHED_MAX - 1 - i) %
			MANAGER_FINISHED_MAX;
		const struct finished_job *job = &manager->finished[at];

		if (may_see(daemon, session, job->app))
			(void)json_array_append(jobs, job->job);
	}
	session_reply(session, json_pack("{s:o}", "jobs", jobs), false);
}
