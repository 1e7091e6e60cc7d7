#include "server/service.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/config_set.h"
#include "build_config.h"
#include "daemon.h"
#include "deploy/names.h"
#include "deploy/varlink.h"
#include "server/decision.h"
#include "server/session.h"
#ifdef DEPLOYD_CERTIFICATION
#include "server/certification.h"
#endif

static const struct {
	const char *member;
	void (*method)(struct daemon *daemon, struct session *session);
} methods[] = {
	{"Deploy", method_deploy},
	{"Stage", method_stage},
	{"Activate", method_activate},
	{"Rollback", method_rollback},
	{"Confirm", method_confirm},
	{"Cancel", method_cancel},
	{"Hold", method_hold},
	{"Unhold", method_unhold},
	{"Restart", method_restart},
	{"Reload", method_reload},
	{"Start", method_start},
	{"Stop", method_stop},
	{"Enable", method_enable},
	{"Disable", method_disable},
	{"Attach", method_attach},
	{"List", method_list},
	{"Status", method_status},
	{"Releases", method_releases},
	{"Show", method_show},
	{"History", method_history},
	{"Jobs", method_jobs},
	{"Logs", method_logs},
	{"Can", method_can},
	{"PolicyList", method_policy_list},
	{"ReloadConfiguration", method_reload_configuration},
	{"DaemonStatus", method_daemon_status},
};

static const struct {
	const char *name;
	const char *text;
} interfaces[] = {
	{"org.varlink.service", varlink_interface_service},
	{"io.deployd", varlink_interface_io_deployd},
#ifdef DEPLOYD_CERTIFICATION
	{"org.varlink.certification", certification_interface},
#endif
};
#define N_INTERFACES (sizeof(interfaces) / sizeof(*interfaces))

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

bool service_params(struct session *session, const struct param *params,
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

unsigned int service_minute_of_day(void)
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
		session_refuse(session, RESULT_DENIED, "%s may not %s %s: %s",
			       session->peer.user, right_name(right), app, reason);
	else
		session_refuse(session, RESULT_DENIED,
			       "there is no app '%s', or %s has no right on it", app,
			       session->peer.user);
}

void service_refuse_missing(struct session *session, const char *app)
{
	session_refuse(session, RESULT_NOT_FOUND,
		       "there is no app '%s'; its file would be "
		       "/etc/deployd/apps.d/%s.conf",
		       app, app);
}

const struct app_config *service_authorize(struct daemon *daemon,
					   struct session *session, enum right right,
					   const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);
	const struct app_config *settings;
	struct decision_subject subject = {.what = right_name(right), .app = app};
	struct policy_decision decision;
	unsigned int minute = service_minute_of_day();

	assert(right_is_used(right));
	if (!names_app_valid(app)) {
		(void)refuse_param(session, "app");
		return NULL;
	}
	policy_check(daemon->config->policy, &peer, right, app, NULL, minute,
		     &decision);
	settings = config_set_app(daemon->config, app);
	subject.unit = settings ? settings->unit : NULL;
	if (decision.verdict != POLICY_VERDICT_ALLOW) {
		bool knows = policy_knows(daemon->config->policy, &peer, app, minute);

		decision_deny(session, &subject, decision.reason);
		refuse_denied(session, right, app, knows && settings, decision.reason);
		return NULL;
	}
	if (!settings) {
		decision_deny(session, &subject, "there is no such app");
		service_refuse_missing(session, app);
		return NULL;
	}
	if (only_reads(right))
		decision_allow_read(session, &subject, decision.reason);
	else if (!decision_allow_change(daemon, session, &subject, decision.reason))
		return NULL;
	return settings;
}

bool service_knows(const struct daemon *daemon, const struct session *session,
		   const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);

	return policy_knows(daemon->config->policy, &peer, app,
			    service_minute_of_day());
}

bool service_sees_output(const struct daemon *daemon, const struct session *session,
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
		policy_check(daemon->config->policy, &peer, rights[i], app, NULL,
			     service_minute_of_day(), &decision);
		if (decision.verdict == POLICY_VERDICT_ALLOW)
			return true;
	}
	return false;
}

json_t *service_reply_for(const struct daemon *daemon, const struct session *session,
			  const char *app, json_t *parameters)
{
	json_t *part;

	if (service_sees_output(daemon, session, app))
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

bool service_authorize_root(struct session *session, const char *what)
{
	const struct decision_subject subject = {.what = what, .app = "deployd"};

	if (!is_root(session, &subject))
		return false;
	decision_allow_read(session, &subject, ALLOWED_TO_ROOT);
	return true;
}

bool service_authorize_root_change(struct daemon *daemon, struct session *session,
				   const char *what)
{
	const struct decision_subject subject = {.what = what, .app = "deployd"};

	return is_root(session, &subject) &&
	       decision_allow_change(daemon, session, &subject, ALLOWED_TO_ROOT);
}

static void get_info(struct session *session)
{
	json_t *names = json_array();

	if (!service_params(session, NULL, 0)) {
		json_decref(names);
		return;
	}
	for (size_t i = 0; i < N_INTERFACES; i++)
		(void)json_array_append_new(names, json_string(interfaces[i].name));
	session_reply(session,
		      json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "deployd",
				"product", "deployd", "version", DEPLOYD_VERSION, "url",
				"https://varlink.org/Service", "interfaces", names),
		      false);
}

static void get_interface(struct session *session)
{
	const char *name = NULL;
	const struct param params[] = {{"interface", PARAM_STRING, true, &name}};
	char escaped[256];

	if (!service_params(session, params, 1))
		return;
	for (size_t i = 0; i < N_INTERFACES; i++) {
		if (strcmp(interfaces[i].name, name) == 0) {
			session_reply(
				session,
				json_pack("{s:s}", "description", interfaces[i].text),
				false);
			return;
		}
	}
	session_error(session, "org.varlink.service.InterfaceNotFound",
		      json_pack("{s:s}", "interface",
				names_escape(name, escaped, sizeof(escaped))));
}

static void method_not_found(struct session *session)
{
	char escaped[320];

	session_error(session, "org.varlink.service.MethodNotFound",
		      json_pack("{s:s}", "method",
				names_escape(session->call.method, escaped,
					     sizeof(escaped))));
}

void service_dispatch(struct daemon *daemon, struct session *session)
{
	const struct varlink_call *call = &session->call;
	char escaped[256];

	/* Not a denial: whoever it is may well be allowed. */
	if (session->peer.trouble[0] && strcmp(call->interface, "io.deployd") == 0) {
		session_refuse(session, RESULT_FAILED,
			       "cannot look up the user of uid %u: %s; try again",
			       (unsigned int)session->peer.uid, session->peer.trouble);
		return;
	}
	if (strcmp(call->interface, "io.deployd") == 0) {
		for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
			if (strcmp(methods[i].member, call->member) == 0) {
				methods[i].method(daemon, session);
				return;
			}
		}
		method_not_found(session);
		return;
	}
	if (strcmp(call->interface, "org.varlink.service") == 0) {
		if (strcmp(call->member, "GetInfo") == 0)
			get_info(session);
		else if (strcmp(call->member, "GetInterfaceDescription") == 0)
			get_interface(session);
		else
			method_not_found(session);
		return;
	}
#ifdef DEPLOYD_CERTIFICATION
	if (strcmp(call->interface, "org.varlink.certification") == 0) {
		certification_dispatch(session);
		return;
	}
#endif
	session_error(
		session, "org.varlink.service.InterfaceNotFound",
		json_pack("{s:s}", "interface",
			  names_escape(call->interface, escaped, sizeof(escaped))));
}
