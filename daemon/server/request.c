
#include "server/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deploy/names.h"
#include "server/decision.h"

static bool type_fits(const struct param *param, const json_t *value)
{
	switch (param->type) {
	case PARAM_STRING:
		return json_is_string(value);
	case PARAM_INT:
		return json_is_integer(value);
	case PARAM_BOOL:
		return json_is_boolean(value);
	}
	return false;
}

static void store(const struct param *param, const json_t *value)
{
	switch (param->type) {
	case PARAM_STRING:
		*(const char **)param->ret = json_string_value(value);
		break;
	case PARAM_INT:
		*(json_int_t *)param->ret = json_integer_value(value);
		break;
	case PARAM_BOOL:
		*(bool *)param->ret = json_is_true(value);
		break;
	}
}

static const struct param *find_param(const struct param *params, size_t n_params,
				      const char *name)
{
	for (size_t i = 0; i < n_params; i++)
		if (strcmp(params[i].name, name) == 0)
			return &params[i];
	return NULL;
}

static bool refuse_param(struct session *session, const char *name)
{
	session_error(session, "org.varlink.service.InvalidParameter",
		      json_pack("{s:s}", "parameter", name));
	return false;
}

bool request_params(struct session *session, const struct param *params,
		    size_t n_params)
{
	json_t *given = session->call.parameters;
	const char *key;
	json_t *value;

	json_object_foreach (given, key, value) {
		const struct param *param = find_param(params, n_params, key);

		if (!param || (!json_is_null(value) && !type_fits(param, value))) {
			char name[128];

			return refuse_param(session,
					    names_escape(key, name, sizeof(name)));
		}
	}
	for (size_t i = 0; i < n_params; i++) {
		value = json_object_get(given, params[i].name);
		if (value && !json_is_null(value))
			store(&params[i], value);
		else if (params[i].required)
			return refuse_param(session, params[i].name);
	}
	return true;
}

unsigned int request_minute_of_day(void)
{
	time_t now = time(NULL);
	struct tm local;

	if (!localtime_r(&now, &local))
		return 0;
	return (unsigned int)(local.tm_hour * 60 + local.tm_min);
}

/* True for rights that permit no change. */
static bool only_reads(enum right right)
{
	return right == RIGHT_STATUS || right == RIGHT_HISTORY || right == RIGHT_LOGS;
}

static void refuse_denied(struct session *session, enum right right, const char *app,
			  bool knows, const char *reason)
{
	if (knows)
		session_refuse(session, RESULT_DENIED,
			       "user '%s' has no right '%s' on %s: %s; root can allow "
			       "it in /etc/deployd/policy.d",
			       session->peer.user, right_name(right), app, reason);
	else
		session_refuse(session, RESULT_DENIED,
			       "no app '%s', or user '%s' has no rights on it; root "
			       "sees which: `deployctl can %s %s --user %s`",
			       app, session->peer.user, right_name(right), app,
			       session->peer.user);
}

void request_refuse_missing(struct session *session, const char *app)
{
	session_refuse(session, RESULT_NOT_FOUND,
		       "no app '%s'; its file would be "
		       "/etc/deployd/apps.d/%s.conf, and `systemctl reload deployd` "
		       "loads it",
		       app, app);
}

const struct app_config *request_authorize(struct service *service,
					   struct session *session, enum right right,
					   const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);
	const struct app_config *settings;
	struct decision_subject subject = {.what = right_name(right), .app = app};
	struct policy_decision decision;
	unsigned int minute = request_minute_of_day();

	assert(right_is_used(right));
	if (!names_app_valid(app)) {
		(void)refuse_param(session, "app");
		return NULL;
	}
	policy_check(service->config->set->policy, &peer, right, app, NULL, minute,
		     &decision);
	settings = config_set_app(service->config->set, app);
	subject.unit = settings ? settings->unit : NULL;
	if (decision.verdict != POLICY_VERDICT_ALLOW) {
		/* Who may at another hour knows the app by then. */
		bool knows =
			decision.at_other_hours ||
			policy_knows(service->config->set->policy, &peer, app, minute);

		decision_deny(session, &subject, decision.reason);
		refuse_denied(session, right, app, knows && settings, decision.reason);
		return NULL;
	}
	if (!settings) {
		decision_deny(session, &subject, "there is no such app");
		request_refuse_missing(session, app);
		return NULL;
	}
	if (only_reads(right))
		decision_allow_read(session, &subject, decision.reason);
	else if (!decision_allow_change(&service->decisions, session, &subject,
					decision.reason))
		return NULL;
	return settings;
}

bool request_knows(const struct service *service, const struct session *session,
		   const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);

	return policy_knows(service->config->set->policy, &peer, app,
			    request_minute_of_day());
}

bool request_sees_output(const struct service *service, const struct session *session,
			 const char *app)
{
	/* Beside logs: who may start what fails is shown why it did. */
	static const enum right rights[] = {
		RIGHT_LOGS,    RIGHT_DEPLOY, RIGHT_ACTIVATE, RIGHT_ROLLBACK,
		RIGHT_RESTART, RIGHT_RELOAD, RIGHT_START,
	};
	struct policy_peer peer = peer_for_policy(&session->peer);
	struct policy_decision decision;

	for (size_t i = 0; i < sizeof(rights) / sizeof(*rights); i++) {
		policy_check(service->config->set->policy, &peer, rights[i], app, NULL,
			     request_minute_of_day(), &decision);
		if (decision.verdict == POLICY_VERDICT_ALLOW)
			return true;
	}
	return false;
}

json_t *request_reply_for(const struct service *service, const struct session *session,
			  const char *app, json_t *parameters)
{
	json_t *part;

	if (request_sees_output(service, session, app))
		return json_incref(parameters);
	part = json_copy(parameters);
	(void)json_object_del(part, "unitLog");
	(void)json_object_del(part, "checkOutput");
	return part;
}

#define ALLOWED_TO_ROOT "allowed by rule 'root' (built in)"

/* If not, the session is answered. */
static bool is_root(struct session *session, const struct decision_subject *subject)
{
	if (session->peer.uid == 0)
		return true;
	decision_deny(session, subject, "only root may");
	session_refuse(session, RESULT_DENIED, "only root may do this: %s",
		       subject->what);
	return false;
}

bool request_authorize_root(struct session *session, const char *what)
{
	const struct decision_subject subject = {.what = what, .app = "deployd"};

	if (!is_root(session, &subject))
		return false;
	decision_allow_read(session, &subject, ALLOWED_TO_ROOT);
	return true;
}

bool request_authorize_root_change(struct service *service, struct session *session,
				   const char *what)
{
	const struct decision_subject subject = {.what = what, .app = "deployd"};

	return is_root(session, &subject) &&
	       decision_allow_change(&service->decisions, session, &subject,
				     ALLOWED_TO_ROOT);
}
