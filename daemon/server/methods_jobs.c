/*
 * The methods that start a job: deploy, stage, activate, rollback, the verbs of
 * the unit, confirm, hold and unhold, marks and pins; attach, which follows one, and
 * cancel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/replay.h"
#include "deploy/names.h"
#include "server/methods.h"
#include "server/request.h"
#include "server/session.h"

/* What a request may say beside the app; each method takes some of it. */
struct ask {
	const char *app;
	const char *release;
	const char *sha256;
	const char *version;
	const char *revision;
	const char *message;
	const char *if_current;
	const char *key;
	json_int_t archive;
	json_int_t confirm_sec;
	json_int_t until_sec;
	json_int_t strip_components; /* -1: not given */
	bool force;
	bool redeploy;
	bool wait;
};

#define TEXT_BYTES_MAX	1000		      /* of version, revision, message */
#define CONFIRM_SEC_MAX INT64_C(604800)	      /* a week */
#define UNTIL_SEC_MAX	INT64_C(253402300799) /* RFC 3339 ends with the year 9999 */

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
	if (ask->strip_components < -1 ||
	    ask->strip_components > STRIP_COMPONENTS_MAX) {
		session_refuse(session, RESULT_USAGE,
			       "strip_components must be 0 to %d",
			       STRIP_COMPONENTS_MAX);
		return false;
	}
	if (ask->key && !replay_key_is_valid(ask->key)) {
		session_refuse(session, RESULT_USAGE,
			       "an idempotency key must be 1 to %d printable ASCII "
			       "characters without a space",
			       REPLAY_KEY_BYTES_MAX);
		return false;
	}
	if (ask->release && !names_release_valid(ask->release)) {
		char shown[64];

		session_refuse(
			session, RESULT_NOT_FOUND,
			"'%s' is not a release id; `deployctl releases %s` lists "
			"them",
			names_escape(ask->release, shown, sizeof(shown)), ask->app);
		return false;
	}
	if (ask->if_current && *ask->if_current &&
	    !names_release_valid(ask->if_current)) {
		session_refuse(
			session, RESULT_USAGE,
			"--if-current must name a release; `deployctl releases %s` "
			"lists them",
			ask->app);
		return false;
	}
	return true;
}

/* The time to confirm begins with the switch, and must outlast what follows it. */
static bool confirm_is_sound(struct session *session, const struct app_config *settings,
			     json_int_t confirm_sec)
{
	json_int_t least = (json_int_t)(settings->health.min_healthy_sec +
					settings->health.bake_sec) +
			   1;

	if (confirm_sec == 0 ||
	    (confirm_sec >= least && confirm_sec <= CONFIRM_SEC_MAX))
		return true;
	session_refuse(session, RESULT_USAGE,
		       "the time to confirm must be %lld to %lld seconds: "
		       "min_healthy_sec and bake_sec must have passed",
		       (long long)least, (long long)CONFIRM_SEC_MAX);
	return false;
}

/* The policy or the app's file may want the hash that the sender expects. */
static bool sha256_is_given(struct service *service, struct session *session,
			    const struct app_config *settings, enum right right,
			    const struct ask *ask)
{
	struct policy_peer peer = peer_for_policy(&session->peer);

	if (ask->sha256)
		return true;
	if (!settings->require_sha256 &&
	    !policy_requires_sha256(service->config->set->policy, &peer, right,
				    ask->app, request_minute_of_day()))
		return true;
	session_refuse(session, RESULT_DENIED,
		       "the policy wants the archive's sha256: add "
		       "--sha256=$(sha256sum FILE | cut -c1-64)");
	return false;
}

/* What ships a release does all that its file asks for, or nothing. */
static bool is_carried_out(struct session *session, const struct app_config *settings,
			   enum job_kind kind)
{
	struct app_undone undone;

	if (job_kind(kind)->rank != QUEUE_RANK_DEPLOY ||
	    !app_config_undone(settings, 0, &undone))
		return true;
	session_refuse(session, RESULT_BAD_CONFIG,
		       "%s:%u: [%s] %s is not carried out by this version: %s",
		       undone.file, undone.line, undone.section, undone.name,
		       undone.advice);
	return false;
}

/* Queues it; the session hears at once (wait = false) or watches. */
static void submit(struct service *service, struct session *session,
		   const struct app_config *settings, const struct job_request *request,
		   bool wait)
{
	struct job *job = NULL;
	struct errinfo error = {0};
	uint64_t id = session->id;
	enum deploy_result result;

	if (service->stopping) {
		session_refuse(session, RESULT_BUSY, "deployd is stopping; try again");
		result = RESULT_BUSY;
	} else if (!is_carried_out(session, settings, request->kind)) {
		result = RESULT_BAD_CONFIG;
	} else {
		result = manager_submit(service->manager, service->config->set,
					settings, request, wait ? id : 0, &job, &error);
		if (result != RESULT_OK)
			session_refuse(session, result, "%s", error.what);
	}
	if (result != RESULT_OK) {
		if (request->archive_reader != 0)
			session_archive_drop(session);
		return;
	}
	if (!wait && job)
		session_reply(session,
			      json_pack("{s:{s:s, s:s, s:s}}", "progress", "job",
					job->id, "app", settings->app_name, "phase",
					"queued"),
			      false);
	else if (job)
		job_tell(job); /* its id, should it have to wait */
	manager_run(service->manager);
}

/* The session begins to read it now, so that it flows when the job has its turn. */
static bool archive_is_there(struct session *session, json_int_t index)
{
	int r = session_archive_open(session, index);

	if (r == 0)
		return true;
	if (r == -EINVAL)
		session_error(session, "org.varlink.service.InvalidParameter",
			      json_pack("{s:s}", "parameter", "archiveFileDescriptor"));
	else if (r == -EBUSY)
		session_refuse(session, RESULT_BUSY,
			       "a connection takes one archive: send the next one over "
			       "another connection");
	else
		session_refuse(session, RESULT_FAILED, "cannot take the archive: %s",
			       strerror(-r));
	return false;
}

void method_take_archive(struct service *service, struct session *session,
			 const struct method *method)
{
	enum job_kind kind = method->kind;
	struct ask ask = {.archive = -1, .strip_components = -1, .wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"archiveFileDescriptor", PARAM_INT, true, &ask.archive},
		{"sha256", PARAM_STRING, false, &ask.sha256},
		{"version", PARAM_STRING, false, &ask.version},
		{"revision", PARAM_STRING, false, &ask.revision},
		{"message", PARAM_STRING, false, &ask.message},
		{"idempotencyKey", PARAM_STRING, false, &ask.key},
		{"stripComponents", PARAM_INT, false, &ask.strip_components},
		{"wait", PARAM_BOOL, false, &ask.wait},
		/* Of a switch, so not for stage: */
		{"ifCurrent", PARAM_STRING, false, &ask.if_current},
		{"confirmSec", PARAM_INT, false, &ask.confirm_sec},
		{"force", PARAM_BOOL, false, &ask.force},
		{"redeploy", PARAM_BOOL, false, &ask.redeploy},
	};
	size_t n_params = sizeof(params) / sizeof(*params);
	const struct app_config *settings;
	struct job_request request;

	if (kind == JOB_KIND_STAGE)
		n_params -= 4;
	if (!request_params(session, params, n_params))
		return;
	settings = request_authorize(service, session, method->right, ask.app);
	if (!settings || !ask_is_sound(session, &ask) ||
	    !confirm_is_sound(session, settings, ask.confirm_sec) ||
	    !sha256_is_given(service, session, settings, method->right, &ask))
		return;
	request = (struct job_request){.kind = kind,
				       .force = ask.force,
				       .redeploy = ask.redeploy,
				       .key = ask.key,
				       .strip_components = (int)ask.strip_components,
				       .confirm_sec = (uint64_t)ask.confirm_sec,
				       .sha256 = ask.sha256,
				       .version = ask.version,
				       .revision = ask.revision,
				       .message = ask.message,
				       .if_current = ask.if_current,
				       .archive_reader = session->id,
				       .uid = session->peer.uid,
				       .owner = session->peer.owner,
				       .user = session->peer.user};
	if (archive_is_there(session, ask.archive))
		submit(service, session, settings, &request, ask.wait);
}

void method_go_to_release(struct service *service, struct session *session,
			  const struct method *method)
{
	enum job_kind kind = method->kind;
	bool needs_release = kind == JOB_KIND_ACTIVATE;
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"release", PARAM_STRING, needs_release, &ask.release},
		{"ifCurrent", PARAM_STRING, false, &ask.if_current},
		{"wait", PARAM_BOOL, false, &ask.wait},
		{"force", PARAM_BOOL, false, &ask.force},
		/* Of activate only: */
		{"confirmSec", PARAM_INT, false, &ask.confirm_sec},
	};
	size_t n_params = sizeof(params) / sizeof(*params);
	const struct app_config *settings;
	struct job_request request;

	if (kind == JOB_KIND_ROLLBACK)
		n_params -= 1;
	if (!request_params(session, params, n_params))
		return;
	settings = request_authorize(service, session, method->right, ask.app);
	if (!settings || !ask_is_sound(session, &ask) ||
	    !confirm_is_sound(session, settings, ask.confirm_sec))
		return;
	request = (struct job_request){.kind = kind,
				       .release = ask.release,
				       .force = ask.force,
				       .confirm_sec = (uint64_t)ask.confirm_sec,
				       .if_current = ask.if_current,
				       .uid = session->peer.uid,
				       .owner = session->peer.owner,
				       .user = session->peer.user};
	submit(service, session, settings, &request, ask.wait);
}

/* The methods that need nothing but the app. */
void method_start_job(struct service *service, struct session *session,
		      const struct method *method)
{
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"wait", PARAM_BOOL, false, &ask.wait},
	};
	const struct app_config *settings;
	struct job_request request;

	if (!request_params(session, params, sizeof(params) / sizeof(*params)))
		return;
	settings = request_authorize(service, session, method->right, ask.app);
	if (!settings)
		return;
	request = (struct job_request){.kind = method->kind,
				       .uid = session->peer.uid,
				       .owner = session->peer.owner,
				       .user = session->peer.user};
	submit(service, session, settings, &request, ask.wait);
}

void method_hold(struct service *service, struct session *session,
		 const struct method *method)
{
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"message", PARAM_STRING, true, &ask.message},
		{"untilSec", PARAM_INT, false, &ask.until_sec},
		{"wait", PARAM_BOOL, false, &ask.wait},
	};
	const struct app_config *settings;
	struct job_request request;

	if (!request_params(session, params, sizeof(params) / sizeof(*params)))
		return;
	settings = request_authorize(service, session, method->right, ask.app);
	if (!settings || !ask_is_sound(session, &ask))
		return;
	if (ask.until_sec < 0 || ask.until_sec > UNTIL_SEC_MAX ||
	    (ask.until_sec > 0 && ask.until_sec <= (json_int_t)time(NULL))) {
		session_refuse(
			session, RESULT_USAGE,
			"the end of a hold must be a time to come, before the year "
			"10000");
		return;
	}
	request = (struct job_request){.kind = method->kind,
				       .message = ask.message,
				       .until_sec = (int64_t)ask.until_sec,
				       .uid = session->peer.uid,
				       .owner = session->peer.owner,
				       .user = session->peer.user};
	submit(service, session, settings, &request, ask.wait);
}

void method_mark(struct service *service, struct session *session,
		 const struct method *method)
{
	struct ask ask = {.wait = true};
	const struct param params[] = {
		{"app", PARAM_STRING, true, &ask.app},
		{"release", PARAM_STRING, true, &ask.release},
		{"wait", PARAM_BOOL, false, &ask.wait},
		/* Of a mark only: */
		{"message", PARAM_STRING, false, &ask.message},
	};
	size_t n_params = sizeof(params) / sizeof(*params);
	const struct app_config *settings;
	struct job_request request;

	if (method->kind != JOB_KIND_MARK_BAD)
		n_params -= 1;
	if (!request_params(session, params, n_params))
		return;
	settings = request_authorize(service, session, method->right, ask.app);
	if (!settings || !ask_is_sound(session, &ask))
		return;
	request = (struct job_request){.kind = method->kind,
				       .release = ask.release,
				       .message = ask.message,
				       .uid = session->peer.uid,
				       .owner = session->peer.owner,
				       .user = session->peer.user};
	submit(service, session, settings, &request, ask.wait);
}

/* The one named, or the one that runs. */
static struct job *find_to_cancel(struct service *service, const char *app,
				  const char *id)
{
	const struct app *entry = manager_app(service->manager, app);
	struct job *job;

	if (!id)
		return entry ? entry->running : NULL;
	job = manager_find(service->manager, id);
	return job && strcmp(job->settings->app_name, app) == 0 ? job : NULL;
}

/* Else the session is answered. */
static bool may_be_cancelled(struct session *session, const struct job *job)
{
	const struct job_machine *machine = &job->machine;
	const char *kind = job_kind_name(machine->kind),
		   *phase = job_phase_name(machine);
	const char *app = job->settings->app_name;

	/* What deployd began by itself is nobody's to call off. */
	if (job_kind(machine->kind)->of_deployd)
		session_refuse(session, RESULT_BUSY,
			       "job %s, a %s of deployd's own, cannot be cancelled",
			       job->id, kind);
	else if (job_machine_is_before_switch(machine))
		return true;
	else if (job_kind_switches(machine->kind) && !machine->failed)
		session_refuse(
			session, RESULT_BUSY,
			"job %s is past its switch (%s); `deployctl rollback %s` "
			"goes back",
			job->id, phase, app);
	else
		session_refuse(session, RESULT_BUSY,
			       "job %s, a %s, can no longer be cancelled (%s)", job->id,
			       kind, phase);
	return false;
}

void method_cancel(struct service *service, struct session *session,
		   const struct method *method)
{
	const char *app = NULL, *id = NULL;
	const struct param params[] = {{"app", PARAM_STRING, true, &app},
				       {"job", PARAM_STRING, false, &id}};
	struct job *job;
	char why[128];

	if (!request_params(session, params, 2) ||
	    !request_authorize(service, session, method->right, app))
		return;
	job = find_to_cancel(service, app, id);
	if (!job) {
		session_refuse(session, RESULT_NOT_FOUND,
			       "no such job of %s is running or waiting; see "
			       "`deployctl jobs`",
			       app);
		return;
	}
	if (!may_be_cancelled(session, job))
		return;
	(void)snprintf(why, sizeof(why), "cancelled by %s; nothing was switched",
		       session->peer.user);
	session_reply(session, json_pack("{s:s}", "job", job->id), false);
	job_abandon(job, RESULT_CANCELLED, why);
}

/*
 * The id alone is no right: it is 64 random bits, yet it stands in the journal. Who may
 * not see the app's status is told the same as for an id that never was.
 */
static bool may_see(struct service *service, struct session *session, const char *app)
{
	struct policy_peer peer = peer_for_policy(&session->peer);
	struct policy_decision decision;

	policy_check(service->config->set->policy, &peer, RIGHT_STATUS, app, NULL,
		     request_minute_of_day(), &decision);
	return decision.verdict == POLICY_VERDICT_ALLOW;
}

void method_attach(struct service *service, struct session *session,
		   const struct method *method)
{
	const char *id = NULL;
	const struct param params[] = {{"job", PARAM_STRING, true, &id}};
	const struct finished_job *finished;
	struct job *job;
	char escaped[64];

	(void)method;
	if (!request_params(session, params, 1))
		return;
	job = manager_find(service->manager, id);
	if (job && may_see(service, session, job->settings->app_name)) {
		if (job_watch(job, session->id) < 0)
			session_refuse(session, RESULT_BUSY,
				       "too many clients follow this job");
		else
			job_tell(job);
		return;
	}
	finished = manager_find_finished(service->manager, id);
	if (finished && may_see(service, session, finished->app)) {
		json_t *seen = request_reply_for(service, session, finished->app,
						 finished->outcome);

		if (finished->result == RESULT_OK)
			session_reply(session, seen, false);
		else
			session_error(session, result_error_name(finished->result),
				      seen);
		return;
	}
	session_refuse(session, RESULT_NOT_FOUND,
		       "no job %s; `deployctl jobs` lists those deployd remembers, "
		       "`deployctl history APP` the earlier ones",
		       names_escape(id, escaped, sizeof(escaped)));
}
