/*
 * The methods list and status. Both wait for the service manager; status also for the
 * verification. They hold the session's id, so that a client that hung up costs
 * nothing but the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/verification.h"
#include "server/methods.h"
#include "server/request.h"
#include "server/session.h"
#include "server/status.h"

/* --- list ----------------------------------------------------------------------- */

struct list {
	struct service *service;
	uint64_t session_id;
	struct config_set *config;
	json_t *apps;	     /* the summaries so far, in order */
	unsigned int n_left; /* queries that have not answered */
};

struct list_item {
	struct list *list;
	const struct app_config *settings;
	size_t index;
};

static void list_unref(struct list *list)
{
	struct session *session;

	if (--list->n_left > 0)
		return;
	session = server_find(&list->service->server, list->session_id);
	if (session)
		session_reply(session, json_pack("{s:O}", "apps", list->apps), false);
	json_decref(list->apps);
	config_set_unref(list->config);
	free(list);
}

static void on_list_state(void *userdata, int error, const struct unit_state *state)
{
	static const struct unit_state unknown;
	struct list_item *item = userdata;
	struct list *list = item->list;
	const struct app *app =
		manager_app(list->service->manager, item->settings->app_name);

	if (app)
		(void)json_array_set_new(
			list->apps, item->index,
			status_summary(app, item->settings,
				       error < 0 || !state ? &unknown : state));
	free(item);
	list_unref(list);
}

static void list_add(struct list *list, const struct app_config *settings)
{
	struct list_item *item = malloc(sizeof(*item));

	if (!item)
		return;
	*item = (struct list_item){list, settings, json_array_size(list->apps)};
	(void)json_array_append_new(list->apps, json_null());
	list->n_left++;
	if (!units_query_patiently(list->service->units, settings->unit, on_list_state,
				   item)) {
		list->n_left--;
		free(item);
	}
}

void method_list(struct service *service, struct session *session,
		 const struct method *method)
{
	const struct config_set *config = service->config->set;
	struct list *list;

	(void)method;
	if (!request_params(session, NULL, 0))
		return;
	list = calloc(1, sizeof(*list));
	if (!list) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	list->service = service;
	list->session_id = session->id;
	list->config = config_set_ref(service->config->set);
	list->apps = json_array();
	list->n_left = 1; /* ours, until every query is on its way */
	for (size_t i = 0; i < config->n_apps; i++)
		if (request_knows(service, session, config->apps[i]->app_name))
			list_add(list, config->apps[i]);
	list_unref(list);
}

/* --- status --------------------------------------------------------------------- */

struct status {
	struct service *service;
	uint64_t session_id;
	struct config_set *config;
	const struct app_config *settings;
	struct status_facts facts;
	char reason[256];
	char release[RELEASE_ID_SIZE]; /* that the verification is about */
};

static void status_reply(struct status *status)
{
	struct session *session =
		server_find(&status->service->server, status->session_id);
	const struct app *app =
		manager_app(status->service->manager, status->settings->app_name);

	status->facts.flag_trouble =
		flags_status(status->service->flags, status->settings->app_name);
	if (session && app)
		session_reply(
			session,
			json_pack("{s:o}", "status",
				  status_make(app, status->settings, &status->facts)),
			false);
	config_set_unref(status->config);
	free(status);
}

static void on_verification(void *userdata, const struct verification_outcome *outcome)
{
	struct status *status = userdata;
	struct app *app =
		manager_app(status->service->manager, status->settings->app_name);

	status->service->n_verifying--;
	status->facts.verification = outcome->verdict;
	(void)snprintf(status->reason, sizeof(status->reason), "%s", outcome->reason);
	if (app) {
		app->verified.at_mono_ms = uv_now(status->service->loop);
		app->verified.main_pid = status->facts.unit.main_pid;
		app->verified.verdict = outcome->verdict;
		(void)memcpy(app->verified.release, status->release,
			     sizeof(app->verified.release));
		(void)memcpy(app->verified.reason, status->reason,
			     sizeof(app->verified.reason));
	}
	status_reply(status);
}

/* A process does not move from one release to another every second. */
static bool verification_is_fresh(const struct app *app, const struct status *status)
{
	return app->verified.at_mono_ms != 0 &&
	       uv_now(status->service->loop) - app->verified.at_mono_ms <
		       STATUS_VERIFIED_FRESH_MSEC &&
	       app->verified.main_pid == status->facts.unit.main_pid &&
	       strcmp(app->verified.release, status->release) == 0;
}

/* False: there is nothing to prove, or it is known; the answer can go. */
static bool start_verification(struct status *status)
{
	struct service *service = status->service;
	const struct app *app =
		manager_app(service->manager, status->settings->app_name);
	const char *current = app ? app_view_current(app->view) : NULL;

	if (!current || status->facts.unit.main_pid == 0)
		return false;
	(void)snprintf(status->release, sizeof(status->release), "%s", current);
	if (verification_is_fresh(app, status)) {
		status->facts.verification = app->verified.verdict;
		(void)memcpy(status->reason, app->verified.reason,
			     sizeof(status->reason));
		return false;
	}
	if (service->n_verifying >= STATUS_VERIFYING_MAX ||
	    !verification_start(service->units, status->settings, current,
				on_verification, status))
		return false;
	service->n_verifying++;
	return true;
}

static void on_status_state(void *userdata, int error, const struct unit_state *state)
{
	struct status *status = userdata;

	if (error == 0 && state)
		status->facts.unit = *state;
	if (!start_verification(status))
		status_reply(status);
}

void method_status(struct service *service, struct session *session,
		   const struct method *method)
{
	const char *name = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name}};
	const struct app_config *settings;
	struct status *status;

	if (!request_params(session, params, 1))
		return;
	settings = request_authorize(service, session, method->right, name);
	if (!settings)
		return;
	status = calloc(1, sizeof(*status));
	if (!status) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	status->service = service;
	status->session_id = session->id;
	status->config = config_set_ref(service->config->set);
	status->settings = settings;
	status->facts.verification = VERIFICATION_UNKNOWN;
	status->facts.verification_reason = status->reason;
	if (!units_query(service->units, settings->unit, on_status_state, status))
		status_reply(status);
}
