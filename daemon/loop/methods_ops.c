/*
 * The methods that start an operation: deploy, stage, activate, rollback and the verbs
 * of the unit; and attach, which follows one.
 */
#include <string.h>
#include <unistd.h>

#include "deploy/names.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/service.h"
#include "loop/session.h"

/* What a request may say beside the app; each method takes some of it. */
struct ask {
	const char *app;
	const char *release;
	const char *sha256;
	const char *version;
	const char *revision;
	const char *message;
	const char *if_current;
	json_int_t archive;
	bool wait;
};

#define TEXT_BYTES_MAX 1000 /* of version, revision, message */

static bool text_fits(struct session *session, const char *name, const char *text)
{
	if (!text || strlen(text) <= TEXT_BYTES_MAX)
		return true;
	session_refuse(session, RESULT_USAGE, "%s is longer than %d bytes", name,
		       TEXT_BYTES_MAX);
	return false;
}

static bool ask_is_sound(struct session *session, const struct ask *ask)
{
	if (!text_fits(session, "version", ask->version) ||
	    !text_fits(session, "revision", ask->revision) ||
	    !text_fits(session, "message", ask->message))
		return false;
	if (ask->sha256 && !names_sha256_valid(ask->sha256)) {
		session_refuse(session, RESULT_USAGE,
			       "sha256 must be 64 lower-case hex digits");
		return false;
	}
	if (ask->release && !names_release_valid(ask->release)) {
		session_refuse(session, RESULT_NOT_FOUND,
			       "not a release id; `deployctl releases %s` lists them",
			       ask->app);
		return false;
	}
	if (ask->if_current && *ask->if_current &&
	    !names_release_valid(ask->if_current)) {
		session_refuse(session, RESULT_USAGE, "ifCurrent is not a release id");
		return false;
	}
	return true;
}

/* The policy or the app's file may want the hash that the sender expects. */
static bool sha256_is_given(struct daemon *daemon, struct session *session,
			    const struct app_config *settings, enum right right,
			    const struct ask *ask)
{
	struct policy_peer peer = peer_for_policy(&session->peer);

	if (ask->sha256)
		return true;
	if (!settings->require_sha256 &&
	    !policy_requires_sha256(daemon->config->policy, &peer, right, ask->app,
				    service_minute_of_day()))
		return true;
	session_refuse(session, RESULT_DENIED,
		       "the policy wants the archive's sha256: add "
		       "--sha256=$(sha256sum FILE | cut -c1-64)");
	return false;
}

/* Queues it; the session hears at once (wait = false) or watches. */
static void submit(struct daemon *daemon, struct session *session,
		   const struct app_config *settings,
		   const struct operation_request *request, bool wait)
{
	struct operation *operation = NULL;
	struct errinfo error = {0};
	uint64_t id = session->id;
	enum deploy_result result;

	if (daemon->stopping) {
		session_refuse(session, RESULT_BUSY, "deployd is stopping; try again");
		result = RESULT_BUSY;
	} else {
		result = manager_submit(&daemon->manager, daemon->config, settings,
					request, wait ? id : 0, &operation, &error);
		if (result != RESULT_OK)
			session_refuse(session, result, "%s", error.what);
	}
	if (result != RESULT_OK) {
		if (request->archive_fd >= 0)
			(void)close(request->archive_fd);
		return;
	}
	if (!wait && operation)
		session_reply(session,
			      json_pack("{s:{s:s, s:s, s:s}}", "progress", "job",
					operation->id, "app", settings->app_name,
					"phase", "queued"),
			      false);
	manager_run(&daemon->manager);
}

static void take_archive(struct daemon *daemon, struct session *session,
			 enum op_kind kind, enum right right)
{
	struct ask ask = {.archive = -1, .wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"archiveFileDescriptor", PARAM_INT, true, &ask.archive},
		{"sha256", PARAM_STRING, false, &ask.sha256},
		{"version", PARAM_STRING, false, &ask.version},
		{"revision", PARAM_STRING, false, &ask.revision},
		{"message", PARAM_STRING, false, &ask.message},
		{"wait", PARAM_BOOL, false, &ask.wait},
		{"ifCurrent", PARAM_STRING, false, &ask.if_current},
	};
	size_t n_params = sizeof(params) / sizeof(*params);
	const struct app_config *settings;
	struct operation_request request;

	if (kind == OP_KIND_STAGE)
		n_params--; /* nothing is switched: ifCurrent has no meaning */
	if (!service_params(session, params, n_params))
		return;
	settings = service_authorize(daemon, session, right, ask.app);
	if (!settings || !ask_is_sound(session, &ask) ||
	    !sha256_is_given(daemon, session, settings, right, &ask))
		return;
	request = (struct operation_request){.kind = kind,
					     .sha256 = ask.sha256,
					     .version = ask.version,
					     .revision = ask.revision,
					     .message = ask.message,
					     .if_current = ask.if_current,
					     .uid = session->peer.uid,
					     .user = session->peer.user};
	request.archive_fd = session_take_fd(session, ask.archive);
	if (request.archive_fd < 0) {
		session_error(session, "org.varlink.service.InvalidParameter",
			      json_pack("{s:s}", "parameter", "archiveFileDescriptor"));
		return;
	}
	submit(daemon, session, settings, &request, ask.wait);
}

void method_deploy(struct daemon *daemon, struct session *session)
{
	take_archive(daemon, session, OP_KIND_DEPLOY, RIGHT_DEPLOY);
}

void method_stage(struct daemon *daemon, struct session *session)
{
	take_archive(daemon, session, OP_KIND_STAGE, RIGHT_STAGE);
}

static void go_to_release(struct daemon *daemon, struct session *session,
			  enum op_kind kind, enum right right, bool needs_release)
{
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"release", PARAM_STRING, needs_release, &ask.release},
		{"ifCurrent", PARAM_STRING, false, &ask.if_current},
		{"wait", PARAM_BOOL, false, &ask.wait},
	};
	const struct app_config *settings;
	struct operation_request request;

	if (!service_params(session, params, sizeof(params) / sizeof(*params)))
		return;
	settings = service_authorize(daemon, session, right, ask.app);
	if (!settings || !ask_is_sound(session, &ask))
		return;
	request = (struct operation_request){.kind = kind,
					     .release = ask.release,
					     .if_current = ask.if_current,
					     .archive_fd = -1,
					     .uid = session->peer.uid,
					     .user = session->peer.user};
	submit(daemon, session, settings, &request, ask.wait);
}

void method_activate(struct daemon *daemon, struct session *session)
{
	go_to_release(daemon, session, OP_KIND_ACTIVATE, RIGHT_ACTIVATE, true);
}

void method_rollback(struct daemon *daemon, struct session *session)
{
	go_to_release(daemon, session, OP_KIND_ROLLBACK, RIGHT_ROLLBACK, false);
}

static void act_on_unit(struct daemon *daemon, struct session *session,
			enum op_kind kind, enum right right)
{
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"wait", PARAM_BOOL, false, &ask.wait},
	};
	const struct app_config *settings;
	struct operation_request request;

	if (!service_params(session, params, sizeof(params) / sizeof(*params)))
		return;
	settings = service_authorize(daemon, session, right, ask.app);
	if (!settings)
		return;
	request = (struct operation_request){.kind = kind,
					     .archive_fd = -1,
					     .uid = session->peer.uid,
					     .user = session->peer.user};
	submit(daemon, session, settings, &request, ask.wait);
}

void method_restart(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_RESTART, RIGHT_RESTART);
}

void method_reload(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_RELOAD, RIGHT_RELOAD);
}

void method_start(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_START, RIGHT_START);
}

void method_stop(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_STOP, RIGHT_STOP);
}

void method_enable(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_ENABLE, RIGHT_ENABLE);
}

void method_disable(struct daemon *daemon, struct session *session)
{
	act_on_unit(daemon, session, OP_KIND_DISABLE, RIGHT_ENABLE);
}

/*
 * The id alone is no right: it is 64 random bits, yet it stands in the journal. Who may
 * not see the app's status is told the same as for an id that never was.
 */
static bool may_see(struct daemon *daemon, struct session *session, const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);
	struct policy_decision decision;

	policy_check(daemon->config->policy, &peer, RIGHT_STATUS, app, NULL,
		     service_minute_of_day(), &decision);
	return decision.verdict == POLICY_VERDICT_ALLOW;
}

void method_attach(struct daemon *daemon, struct session *session)
{
	const char *job = NULL;
	const struct param params[] = {{"job", PARAM_STRING, true, &job}};
	const struct finished_job *finished;
	struct operation *operation;
	char escaped[64];

	if (!service_params(session, params, 1))
		return;
	operation = manager_find(&daemon->manager, job);
	if (operation && may_see(daemon, session, operation->settings->app_name)) {
		if (operation_watch(operation, session->id) < 0)
			session_refuse(session, RESULT_BUSY,
				       "too many clients follow this job");
		else
			operation_tell(operation);
		return;
	}
	finished = manager_find_finished(&daemon->manager, job);
	if (finished && may_see(daemon, session, finished->app)) {
		if (finished->result == RESULT_OK)
			session_reply(session, json_incref(finished->outcome), false);
		else
			session_error(session, result_error_name(finished->result),
				      json_incref(finished->outcome));
		return;
	}
	session_refuse(
		session, RESULT_NOT_FOUND,
		"there is no job %s; `deployctl jobs` lists those deployd remembers, "
		"`deployctl history APP` the earlier ones",
		names_escape(job, escaped, sizeof(escaped)));
}
