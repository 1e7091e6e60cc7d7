/*
 * The methods that look at what was done: releases, show, history, jobs. History is in
 * a file that only deployd-store reads: it answers later, and holds the session's id,
 * so that a client that hung up costs nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "job/app_view_json.h"
#include "server/methods.h"
#include "server/request.h"
#include "server/session.h"

#define HISTORY_LIMIT_DEFAULT 50
#define HISTORY_LIMIT_MAX     1000

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *wire_evidence(const struct release_evidence *evidence, bool sees_output)
{
	json_t *journal;

	if (!evidence)
		return json_null();
	journal = json_array();
	for (size_t i = 0; sees_output && i < evidence->n_journal; i++)
		(void)json_array_append_new(journal, json_string(evidence->journal[i]));
	return json_pack("{s:o, s:o, s:o, s:o}", "reason",
			 text_or_null(evidence->reason), "unitResult",
			 text_or_null(evidence->unit_result), "checkOutput",
			 text_or_null(sees_output ? evidence->check_output : NULL),
			 "journal", journal);
}

/* The wire type Release. */
static json_t *wire_release(const struct app *app, const struct release *release,
			    bool sees_output)
{
	const char *current = app_view_current(app->view);
	bool is_current = current && strcmp(current, release->id) == 0;

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:b, s:o}",
			 "id", release->id, "state",
			 is_current ? "current" : release_state_name(release->state),
			 "sha256", text_or_null(release->sha256), "version",
			 text_or_null(release->version), "revision",
			 text_or_null(release->revision), "message",
			 text_or_null(release->message), "bytes",
			 (json_int_t)release->bytes, "files",
			 (json_int_t)release->files, "deployedBy",
			 person_to_json(&release->deployed_by), "deployedAt",
			 text_or_null(release->deployed_at), "pinned", release->pinned,
			 "evidence", wire_evidence(release->evidence, sees_output));
}

/* The app's entry when its releases are known; else the request is answered. */
static const struct app *recovered_app(struct service *service, struct session *session,
				       const struct app_config *settings)
{
	const struct app *app = manager_app(service->manager, settings->app_name);

	if (app && app->view)
		return app;
	session_refuse(session, RESULT_FAILED, "the releases of %s are not known: %s",
		       settings->app_name, app ? app_problem(app) : "out of memory");
	return NULL;
}

void method_releases(struct service *service, struct session *session,
		     const struct method *method)
{
	const char *name = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name}};
	const struct app_config *settings;
	const struct app *app;
	json_t *releases;

	if (!request_params(session, params, 1))
		return;
	settings = request_authorize(service, session, method->right, name);
	app = settings ? recovered_app(service, session, settings) : NULL;
	if (!app)
		return;
	releases = json_array();
	/* What speaks against each at length would be too long for one message. */
	for (size_t i = 0; i < app->view->n_releases; i++)
		(void)json_array_append_new(
			releases, wire_release(app, &app->view->releases[i], false));
	session_reply(session, json_pack("{s:o}", "releases", releases), false);
}

void method_show(struct service *service, struct session *session,
		 const struct method *method)
{
	const char *name = NULL, *id = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name},
				       {"release", PARAM_STRING, false, &id}};
	const struct app_config *settings;
	const struct release *release;
	const struct app *app;
	const char *current;
	bool is_current;

	if (!request_params(session, params, 2))
		return;
	settings = request_authorize(service, session, method->right, name);
	app = settings ? recovered_app(service, session, settings) : NULL;
	if (!app)
		return;
	current = app_view_current(app->view);
	if (!id && !current) {
		session_refuse(
			session, RESULT_NOT_FOUND,
			"nothing is deployed of %s; `deployctl releases %s` lists "
			"what is staged",
			name, name);
		return;
	}
	release = id || current ? app_view_release(app->view, id ? id : current) : NULL;
	if (!release) {
		char escaped[64];

		session_refuse(
			session, RESULT_NOT_FOUND,
			"no release %s of %s; `deployctl releases %s` "
			"lists them",
			names_escape(id ? id : current, escaped, sizeof(escaped)), name,
			name);
		return;
	}
	is_current = current && (!id || strcmp(current, id) == 0);
	session_reply(
		session,
		json_pack("{s:o, s:b}", "release",
			  wire_release(app, release,
				       request_sees_output(service, session, name)),
			  "current", is_current),
		false);
}

/* history: the entries are in a file that only deployd-store reads. */
struct history {
	struct store_call store;
	struct service *service;
	struct config_set *config;
	uint64_t session_id;
};

static json_t *wire_entry(const json_t *entry)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time",
		copy_or_null(entry, "time"), "id", copy_or_null(entry, "id"), "app",
		copy_or_null(entry, "app"), "kind", copy_or_null(entry, "kind"), "from",
		copy_or_null(entry, "from"), "to", copy_or_null(entry, "to"), "result",
		copy_or_null(entry, "result"), "by", copy_or_null(entry, "by"),
		"tookMs", copy_or_null(entry, "took_ms"), "restartGapMs",
		copy_or_null(entry, "restart_gap_ms"), "message",
		copy_or_null(entry, "message"));
}

static void on_history(struct store_call *call, enum deploy_result result,
		       const json_t *reply, const struct errinfo *error)
{
	struct history *history = call->userdata;
	struct session *session =
		server_find(&history->service->server, history->session_id);
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

void method_history(struct service *service, struct session *session,
		    const struct method *method)
{
	const char *name = NULL;
	json_int_t limit = HISTORY_LIMIT_DEFAULT;
	const struct param params[] = {{"app", PARAM_STRING, true, &name},
				       {"limit", PARAM_INT, false, &limit}};
	const struct app_config *settings;
	struct history *history;
	int r;

	if (!request_params(session, params, 2))
		return;
	settings = request_authorize(service, session, method->right, name);
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
	history->service = service;
	history->config = config_set_ref(service->config->set);
	history->session_id = session->id;
	history->store.userdata = history;
	history->store.done = on_history;
	r = store_call_start(&history->store, service->loop, history->config, settings,
			     "history", json_pack("{s:I}", "limit", limit),
			     STORE_TIMEOUT_MSEC);
	if (r < 0) {
		session_refuse(session, RESULT_FAILED, "cannot start deployd-store: %s",
			       strerror(-r));
		config_set_unref(history->config);
		free(history);
	}
}

void method_jobs(struct service *service, struct session *session,
		 const struct method *method)
{
	const struct manager *manager = service->manager;
	json_t *jobs;

	(void)method;
	if (!request_params(session, NULL, 0))
		return;
	jobs = json_array();
	for (const struct job *o = manager->jobs; o; o = o->next)
		if (request_knows(service, session, o->settings->app_name))
			(void)json_array_append_new(jobs, manager_job(o));
	for (unsigned int i = 0; i < manager->n_finished; i++) {
		unsigned int at =
			(manager->next_finished + MANAGER_FINISHED_MAX - 1 - i) %
			MANAGER_FINISHED_MAX;
		const struct finished_job *finished = &manager->finished[at];

		if (request_knows(service, session, finished->app))
			(void)json_array_append(jobs, finished->job);
	}
	session_reply(session, json_pack("{s:o}", "jobs", jobs), false);
}
