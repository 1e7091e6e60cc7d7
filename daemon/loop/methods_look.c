/*
 * The methods that look at what was done: releases, show, history, jobs. History is in
 * a file that only deployd-store reads: it answers later, and holds the session's id,
 * so that a client that hung up costs nothing.
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

static json_t *wire_evidence(const json_t *evidence, bool sees_output)
{
	if (!json_is_object(evidence))
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "reason", copy_or_null(evidence, "reason"),
		"unitResult", copy_or_null(evidence, "unit_result"), "checkOutput",
		sees_output ? copy_or_null(evidence, "check_output") : json_null(),
		"journal",
		sees_output ? copy_or_null(evidence, "journal") : json_array());
}

/* The store's release object (snake_case) as the wire type Release. */
static json_t *wire_release(const struct app *app, const json_t *release,
			    bool sees_output)
{
	const char *id = json_string_value(json_object_get(release, "id"));
	const char *current = manager_current(app);
	const char *state = json_string_value(json_object_get(release, "state"));

	if (current && id && strcmp(current, id) == 0)
		state = "current";
	return json_pack(
		"{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
		copy_or_null(release, "id"), "state", state ? state : "staged",
		"sha256", copy_or_null(release, "sha256"), "version",
		copy_or_null(release, "version"), "revision",
		copy_or_null(release, "revision"), "message",
		copy_or_null(release, "message"), "bytes",
		copy_or_null(release, "bytes"), "files", copy_or_null(release, "files"),
		"deployedBy", copy_or_null(release, "deployed_by"), "deployedAt",
		copy_or_null(release, "deployed_at"), "pinned",
		copy_or_null(release, "pinned"), "evidence",
		wire_evidence(json_object_get(release, "evidence"), sees_output));
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
	/* What speaks against each at length would be too long for one message. */
	json_array_foreach (json_object_get(app->view, "releases"), i, release)
		(void)json_array_append_new(releases,
					    wire_release(app, release, false));
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
	session_reply(
		session,
		json_pack("{s:o, s:b}", "release",
			  wire_release(app, release,
				       service_sees_output(daemon, session, name)),
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
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time",
		copy_or_null(entry, "time"), "id", copy_or_null(entry, "id"), "app",
		copy_or_null(entry, "app"), "operation", copy_or_null(entry, "kind"),
		"from", copy_or_null(entry, "from"), "to", copy_or_null(entry, "to"),
		"result", copy_or_null(entry, "result"), "by",
		copy_or_null(entry, "by"), "tookMs", copy_or_null(entry, "took_ms"),
		"restartGapMs", copy_or_null(entry, "restart_gap_ms"), "message",
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
		if (service_knows(daemon, session, o->settings->app_name))
			(void)json_array_append_new(jobs, manager_job(o));
	for (unsigned int i = 0; i < manager->n_finished; i++) {
		unsigned int at =
			(manager->next_finished + MANAGER_FINISHED_MAX - 1 - i) %
			MANAGER_FINISHED_MAX;
		const struct finished_job *job = &manager->finished[at];

		if (service_knows(daemon, session, job->app))
			(void)json_array_append(jobs, job->job);
	}
	session_reply(session, json_pack("{s:o}", "jobs", jobs), false);
}
