/*
 * The methods about deployd itself, and logs: the policy's answers, reloading, and a
 * unit's journal for those who may read it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/journal.h"
#include "build_config.h"
#include "bus/output.h"
#include "bus/unit_log.h"
#include "deploy/names.h"
#include "server/methods.h"
#include "server/request.h"
#include "server/session.h"
#include "server/user_login.h"

#define LOGS_LINES_DEFAULT 100
#define LOGS_RUNNING_MAX   32

/* Another user's rights, once that user has been looked up. */
struct can {
	struct user_login login;
	struct service *service;
	struct config_set *config;
	uint64_t session_id;
	enum right right;
	char *run_name;
	char app[APP_NAME_MAX + 1];
	char user[256];
};

static void answer_can(struct session *session, const struct config_set *config,
		       const struct peer *peer, enum right right, const char *app,
		       const char *run_name)
{
	struct policy_peer who = peer_for_policy(peer);
	struct policy_decision decision;

	policy_check(config->policy, &who, right, app, run_name,
		     request_minute_of_day(), &decision);
	/* For others, a missing app looks like one that they have no rights on. */
	if (!config_set_app(config, app) &&
	    (session->peer.uid == 0 || decision.verdict == POLICY_VERDICT_ALLOW)) {
		request_refuse_missing(session, app);
		return;
	}
	if (!right_is_used(right)) {
		decision.verdict = POLICY_VERDICT_DENY;
		(void)snprintf(decision.reason, sizeof(decision.reason),
			       "no verb of this version of deployd uses the right '%s'",
			       right_name(right));
	}
	session_reply(session,
		      json_pack("{s:{s:b, s:s}}", "decision", "allowed",
				decision.verdict == POLICY_VERDICT_ALLOW, "reason",
				decision.reason),
		      false);
}

static void on_can_done(struct user_login *login, enum deploy_result result)
{
	struct can *can = login->userdata;
	struct session *session = server_find(&can->service->server, can->session_id);
	char escaped[128];

	(void)names_escape(can->user, escaped, sizeof(escaped));
	if (session && result == RESULT_NOT_FOUND)
		session_refuse(session, result, "no user '%s'", escaped);
	else if (session && result != RESULT_OK)
		session_refuse(session, result,
			       "cannot look up the user '%s': %s; try again", escaped,
			       login->error.what);
	else if (session)
		answer_can(session, can->config, &login->peer, can->right, can->app,
			   can->run_name);
	peer_deinit(&login->peer);
	config_set_unref(can->config);
	free(can->run_name);
	free(can);
}

static void look_up_user(struct service *service, struct session *session,
			 enum right right, const char *app, const char *run_name,
			 const char *user)
{
	struct can *can = calloc(1, sizeof(*can));

	if (!can || strlen(user) >= sizeof(can->user)) {
		free(can);
		session_refuse(session, RESULT_USAGE, "the user's name is too long");
		return;
	}
	can->service = service;
	can->config = config_set_ref(service->config->set);
	can->session_id = session->id;
	can->right = right;
	can->run_name = run_name ? strdup(run_name) : NULL;
	(void)strcpy(can->app, app);
	(void)strcpy(can->user, user);
	can->login.userdata = can;
	can->login.done = on_can_done;
	user_login_start(&can->login, &service->users, user);
}

void method_can(struct service *service, struct session *session,
		const struct method *method)
{
	const char *verb = NULL, *app = NULL, *user = NULL, *run_name = NULL;
	const struct param params[] = {{"verb", PARAM_STRING, true, &verb},
				       {"app", PARAM_STRING, true, &app},
				       {"user", PARAM_STRING, false, &user}};
	enum right right;

	(void)method;
	if (!request_params(session, params, 3))
		return;
	if (strncmp(verb, "run:", 4) == 0) {
		right = RIGHT_RUN;
		run_name = verb + 4;
	} else {
		right = right_from_name(verb);
	}
	if (right == RIGHT_COUNT || !names_app_valid(app)) {
		session_error(session, "org.varlink.service.InvalidParameter",
			      json_pack("{s:s}", "parameter",
					right == RIGHT_COUNT ? "verb" : "app"));
		return;
	}
	if (!user || strcmp(user, session->peer.user) == 0) {
		answer_can(session, service->config->set, &session->peer, right, app,
			   run_name);
		return;
	}
	if (request_authorize_root(session, "can --user"))
		look_up_user(service, session, right, app, run_name, user);
}

void method_policy_list(struct service *service, struct session *session,
			const struct method *method)
{
	json_t *rules;
	char **lines;

	(void)method;
	if (!request_params(session, NULL, 0) ||
	    !request_authorize_root(session, "policy list"))
		return;
	rules = json_array();
	lines = policy_list(service->config->set->policy);
	for (char **p = lines; p && *p; p++) {
		(void)json_array_append_new(rules, json_string(*p));
		free(*p);
	}
	free(lines);
	session_reply(session,
		      json_pack("{s:o, s:b}", "rules", rules, "stale",
				service->config->stale),
		      false);
}

static void on_reloaded(struct service *service, uint64_t session_id, bool ok,
			char *const *messages, size_t n_messages)
{
	struct session *session = server_find(&service->server, session_id);
	json_t *list;

	if (!session)
		return;
	list = json_array();
	for (size_t i = 0; i < n_messages; i++)
		(void)json_array_append_new(list, json_string(messages[i]));
	if (ok)
		session_reply(session, json_pack("{s:o}", "messages", list), false);
	else
		session_error(
			session, result_error_name(RESULT_BAD_CONFIG),
			json_pack("{s:s, s:o}", "message",
				  "the configuration has errors; the old one stays",
				  "messages", list));
}

void method_reload_configuration(struct service *service, struct session *session,
				 const struct method *method)
{
	int r;

	(void)method;
	if (!request_params(session, NULL, 0) ||
	    !request_authorize_root_change(service, session, "reload"))
		return;
	r = service->reload(service, session->id, on_reloaded);
	if (r < 0)
		session_refuse(session, RESULT_BUSY, "a reload is under way already");
}

/* --- logs ----------------------------------------------------------------------- */

/*
 * The transient unit writes into a pipe of ours, and the session reads it: no fd of a
 * client gets near the service manager. It is over when both have ended.
 */
struct logs {
	struct service *service;
	uint64_t session_id;
	struct unit_log *log; /* NULL: has ended */
	struct output output;
	bool lines_sent;
	char app[APP_NAME_MAX + 1];
};

static void logs_free(struct logs *logs)
{
	output_close(&logs->output);
	logs->service->n_logs--;
	free(logs);
}

static void on_client_gone(void *userdata)
{
	struct logs *logs = userdata;

	unit_log_cancel(logs->log);
	logs_free(logs);
}

static void end_logs(struct logs *logs, int error)
{
	struct session *session = server_find(&logs->service->server, logs->session_id);

	if (session) {
		session_on_gone(session, NULL, NULL);
		if (error < 0)
			session_refuse(session, RESULT_FAILED,
				       "cannot read the journal for %s: %s", logs->app,
				       strerror(-error));
		else
			session_reply(session, json_pack("{s:[]}", "lines"), false);
	}
	logs_free(logs);
}

static void on_logs_done(void *userdata, int error)
{
	struct logs *logs = userdata;

	logs->log = NULL;
	output_end(&logs->output);
	if (error < 0 || logs->lines_sent)
		end_logs(logs, error);
}

static void on_lines_sent(void *userdata)
{
	struct logs *logs = userdata;

	logs->lines_sent = true;
	if (!logs->log)
		end_logs(logs, 0);
}

/* 0, or negative errno with nothing begun. */
static int start_logs(struct logs *logs, struct session *session, const char *unit,
		      uint64_t lines, bool follow)
{
	int r = output_open(&logs->output, OUTPUT_KIND_PIPE);

	if (r < 0)
		return r;
	logs->log = units_log(logs->service->units, unit, lines, follow,
			      logs->output.path, false, on_logs_done, logs);
	if (!logs->log)
		return -ENOMEM;
	r = session_send_lines(session, logs->output.fd, on_lines_sent, logs);
	if (r < 0)
		unit_log_cancel(logs->log);
	return r;
}

void method_logs(struct service *service, struct session *session,
		 const struct method *method)
{
	const char *app = NULL;
	json_int_t lines = LOGS_LINES_DEFAULT;
	bool follow = false;
	const struct param params[] = {{"app", PARAM_STRING, true, &app},
				       {"lines", PARAM_INT, false, &lines},
				       {"follow", PARAM_BOOL, false, &follow}};
	const struct app_config *settings;
	struct logs *logs;
	int r;

	if (!request_params(session, params, 3))
		return;
	settings = request_authorize(service, session, method->right, app);
	if (!settings)
		return;
	if (lines < 0 || lines > 1000000) {
		session_refuse(session, RESULT_USAGE,
			       "lines must be 0 (all) to 1000000");
		return;
	}
	if (!session_wants_more(session)) {
		session_refuse(session, RESULT_USAGE,
			       "Logs answers with many replies: call it with \"more\"");
		return;
	}
	if (service->n_logs >= LOGS_RUNNING_MAX) {
		session_refuse(session, RESULT_BUSY,
			       "too many clients are reading logs; try again");
		return;
	}
	logs = calloc(1, sizeof(*logs));
	if (!logs) {
		session_refuse(session, RESULT_FAILED, "out of memory");
		return;
	}
	logs->service = service;
	logs->session_id = session->id;
	logs->output = OUTPUT_NONE;
	(void)strcpy(logs->app, settings->app_name);
	service->n_logs++;
	r = start_logs(logs, session, settings->unit, (uint64_t)lines, follow);
	if (r < 0) {
		logs_free(logs);
		session_refuse(session, RESULT_FAILED,
			       "cannot read the journal for %s: %s", app, strerror(-r));
		return;
	}
	session_on_gone(session, on_client_gone, logs);
}

/* --- deployd itself --------------------------------------------------------------- */

static json_t *wire_session(const struct session *session)
{
	bool has_client = session->peer.uid != (uid_t)-1;
	char since[RFC3339_SIZE];

	names_rfc3339(session->since_sec, since);
	return json_pack(
		"{s:s?, s:o, s:o, s:s, s:s}", "user",
		has_client ? session->peer.user : NULL, "uid",
		has_client ? json_integer((json_int_t)session->peer.uid) : json_null(),
		"pid", session->pid > 0 ? json_integer(session->pid) : json_null(),
		"state", session_state_name(session), "since", since);
}

void method_daemon_status(struct service *service, struct session *session,
			  const struct method *method)
{
	json_t *sessions;

	(void)method;
	if (!request_params(session, NULL, 0) ||
	    !request_authorize_root(session, "status --daemon"))
		return;
	sessions = json_array();
	for (const struct session *s = service->server.sessions; s; s = s->next)
		(void)json_array_append_new(sessions, wire_session(s));
	session_reply(session,
		      json_pack("{s:I, s:s, s:o}", "pid", (json_int_t)getpid(),
				"version", DEPLOYD_VERSION, "sessions", sessions),
		      false);
}
