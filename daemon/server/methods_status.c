/*
 * The methods list and status. Both wait for the service manager; status also for the
 * verification. They hold the session's id, so that a client that hung up costs
 * nothing but the answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "daemon.h"
#include "health/verification.h"
#include "server/service.h"
#include "server/session.h"
#include "server/status.h"

/* --- list ----------------------------------------------------------------------- */

struct list {
	struct daemon *daemon;
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
	session = server_find(&list->daemon->server, list->session_id);
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
		manager_app(&list->daemon->manager, item->settings->app_name);

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
	if (!units_query(list->daemon->units, settings->unit, on_list_state, item)) {
		list->n_left--;
		free(item);
	}
}

void method_list(struct daemon *daemon, struct session *session)
{
	const struct config_set *config = daemon->config;
	struct list *list;

	if (!service_params(session, NULL, 0))
		return;
	list = calloc(1, sizeof(*list));
	if (!list) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	list->daemon = daemon;
	list->session_id = session->id;
	list->config = config_set_ref(daemon->config);
	list->apps = json_array();
	list->n_left = 1; /* ours, until every query is on its way */
	for (size_t i = 0; i < config->n_apps; i++)
		if (service_knows(daemon, session, config->apps[i]->app_name))
			list_add(list, config->apps[i]);
	list_unref(list);
}

/* --- status --------------------------------------------------------------------- */

struct status {
	struct daemon *daemon;
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
		server_find(&status->daemon->server, status->session_id);
	const struct app *app =
		manager_app(&status->daemon->manager, status->settings->app_name);

	status->facts.flag_trouble =
		flags_status(status->daemon->flags, status->settings->app_name);
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
		manager_app(&status->daemon->manager, status->settings->app_name);

	status->daemon->n_verifications--;
	status->facts.verification = outcome->verdict;
	(void)snprintf(status->reason, sizeof(status->reason), "%s", outcome->reason);
	if (app) {
		app->verification.at_mono_ms = uv_now(status->daemon->loop);
		app->verification.main_pid = status->facts.unit.main_pid;
		app->verification.verdict = outcome->verdict;
		(void)memcpy(app->verification.release, status->release,
			     sizeof(app->verification.release));
		(void)memcpy(app->verification.reason, status->reason,
			     sizeof(app->verification.reason));
	}
	status_reply(status);
}

/* A process does not move from one release to another every second. */
static bool verification_is_fresh(const struct app *app, const struct status *status)
{
	return app->verification.at_mono_ms != 0 &&
	       uv_now(status->daemon->loop) - app->verification.at_mono_ms <
		       VERIFICATION_FRESH_MSEC &&
	       app->verification.main_pid == status->facts.unit.main_pid &&
	       strcmp(app->verification.release, status->release) == 0;
}

/* False: there is nothing to prove, or it is known; the answer can go. */
static bool start_verification(struct status *status)
{
	struct daemon *daemon = status->daemon;
	const struct app *app =
		manager_app(&daemon->manager, status->settings->app_name);
	const char *current = app ? manager_current(app) : NULL;

	if (!current || status->facts.unit.main_pid == 0)
		return false;
	(void)snprintf(status->release, sizeof(status->release), "%s", current);
	if (verification_is_fresh(app, status)) {
		status->facts.verification = app->verification.verdict;
		(void)memcpy(status->reason, app->verification.reason,
			     sizeof(status->reason));
		return false;
	}
	if (daemon->n_verifications >= VERIFICATION_RUNNING_MAX ||
	    !verification_start(daemon->units, status->settings, current,
				on_verification, status))
		return false;
	daemon->n_verifications++;
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

void method_status(struct daemon *daemon, struct session *session)
{
	const char *name = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &name}};
	const struct app_config *settings;
	struct status *status;

	if (!service_params(session, params, 1))
		return;
	settings = service_authorize(daemon, session, RIGHT_STATUS, name);
	if (!settings)
		return;
	status = calloc(1, sizeof(*status));
	if (!status) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	status->daemon = daemon;
	status->session_id = session->id;
	status->config = config_set_ref(daemon->config);
	status->settings = settings;
	status->facts.verification = VERIFICATION_UNKNOWN;
	status->facts.verification_reason = status->reason;
	if (!units_query(daemon->units, settings->unit, on_status_state, status))
		status_reply(status);
}
