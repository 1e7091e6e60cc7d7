#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "deploy/app_config.h"
#include "deploy/right.h"

/*
 * The methods of io.deployd and org.varlink.service: checks a request's form, asks the
 * policy, records the decision, and calls the method.
 */

struct daemon;
struct session;

/* Answers the session's request, now or later; never leaves it without an answer. */
void service_dispatch(struct daemon *daemon, struct session *session)
	__attribute__((nonnull));

enum param_type {
	PARAM_STRING, /* const char ** */
	PARAM_INT,    /* json_int_t * */
	PARAM_BOOL,   /* bool * */
};

struct param {
	const char *name;
	enum param_type type;
	bool required;
	void *ret; /* untouched when absent or null */
};

/*
 * Reads the request's parameters; a missing, mistyped or unknown one is answered with
 * org.varlink.service.InvalidParameter and false: a misspelt field must not be ignored.
 */
bool service_params(struct session *session, const struct param *params,
		    size_t n_params) __attribute__((warn_unused_result, nonnull(1)));

/*
 * Asks the policy for the right on the app and records the decision
 * (server/decision.h). NULL: either the request was refused and answered, or the
 * decision is not recorded yet and the method will be called again. A method must
 * therefore not change anything before it calls this. A user without any right on an
 * app cannot tell it from one that does not exist.
 */
const struct app_config *service_authorize(struct daemon *daemon,
					   struct session *session, enum right right,
					   const char *app)
	__attribute__((warn_unused_result, nonnull));

/* Replies that there is no such app: only to users who may know. */
void service_refuse_missing(struct session *session, const char *app)
	__attribute__((nonnull));

/* Like service_authorize(), for reads that are reserved to root. */
bool service_authorize_root(struct session *session, const char *what)
	__attribute__((warn_unused_result, nonnull));

/* The same for changes that are reserved to root; false as NULL above. */
bool service_authorize_root_change(struct daemon *daemon, struct session *session,
				   const char *what)
	__attribute__((warn_unused_result, nonnull));

/* True when the peer has any right on the app: others are not to hear of it. */
bool service_knows(const struct daemon *daemon, const struct session *session,
		   const char *app) __attribute__((nonnull));

/*
 * True when the peer may read what the app writes: its journal, the output of its
 * checks. To see how the app is doing is another right.
 */
bool service_sees_output(const struct daemon *daemon, const struct session *session,
			 const char *app) __attribute__((nonnull));

/* The parameters of a job's last reply, as far as the peer may see them. */
json_t *service_reply_for(const struct daemon *daemon, const struct session *session,
			  const char *app, json_t *parameters)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* Minutes since midnight by the local clock, for rules with hours. */
unsigned int service_minute_of_day(void);

/* The methods; each reads its parameters from session->call and answers. */
void method_deploy(struct daemon *daemon, struct session *session);
void method_stage(struct daemon *daemon, struct session *session);
void method_activate(struct daemon *daemon, struct session *session);
void method_rollback(struct daemon *daemon, struct session *session);
void method_confirm(struct daemon *daemon, struct session *session);
void method_cancel(struct daemon *daemon, struct session *session);
void method_hold(struct daemon *daemon, struct session *session);
void method_unhold(struct daemon *daemon, struct session *session);
void method_restart(struct daemon *daemon, struct session *session);
void method_reload(struct daemon *daemon, struct session *session);
void method_start(struct daemon *daemon, struct session *session);
void method_stop(struct daemon *daemon, struct session *session);
void method_enable(struct daemon *daemon, struct session *session);
void method_disable(struct daemon *daemon, struct session *session);
void method_attach(struct daemon *daemon, struct session *session);
void method_list(struct daemon *daemon, struct session *session);
void method_status(struct daemon *daemon, struct session *session);
void method_releases(struct daemon *daemon, struct session *session);
void method_show(struct daemon *daemon, struct session *session);
void method_history(struct daemon *daemon, struct session *session);
void method_jobs(struct daemon *daemon, struct session *session);
void method_logs(struct daemon *daemon, struct session *session);
void method_can(struct daemon *daemon, struct session *session);
void method_policy_list(struct daemon *daemon, struct session *session);
void method_reload_configuration(struct daemon *daemon, struct session *session);
void method_daemon_status(struct daemon *daemon, struct session *session);
