#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "deploy/app_config.h"
#include "deploy/right.h"
#include "server/service.h"
#include "server/session.h"

/*
 * What every method does with its request: reads the parameters, asks the policy, has
 * the decision recorded.
 */

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
bool request_params(struct session *session, const struct param *params,
		    size_t n_params) __attribute__((warn_unused_result, nonnull(1)));

/*
 * Asks the policy for the right on the app and records the decision
 * (server/decision.h). NULL: either the request was refused and answered, or the
 * decision is not recorded yet and the method will be called again. A method must
 * therefore not change anything before it calls this. A user without any right on an
 * app cannot tell it from one that does not exist.
 */
const struct app_config *request_authorize(struct service *service,
					   struct session *session, enum right right,
					   const char *app)
	__attribute__((warn_unused_result, nonnull));

/* Replies that there is no such app: only to users who may know. */
void request_refuse_missing(struct session *session, const char *app)
	__attribute__((nonnull));

/* Like request_authorize(), for reads that are reserved to root. */
bool request_authorize_root(struct session *session, const char *what)
	__attribute__((warn_unused_result, nonnull));

/* The same for changes that are reserved to root; false as NULL above. */
bool request_authorize_root_change(struct service *service, struct session *session,
				   const char *what)
	__attribute__((warn_unused_result, nonnull));

/* True when the peer has any right on the app: others are not to hear of it. */
bool request_knows(const struct service *service, const struct session *session,
		   const char *app) __attribute__((nonnull));

/*
 * True when the peer may read what the app writes: its journal, the output of its
 * checks. To see how the app is doing is another right.
 */
bool request_sees_output(const struct service *service, const struct session *session,
			 const char *app) __attribute__((nonnull));

/* The parameters of a job's last reply, as far as the peer may see them. */
json_t *request_reply_for(const struct service *service, const struct session *session,
			  const char *app, json_t *parameters)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* Minutes since midnight by the local clock, for rules with hours. */
unsigned int request_minute_of_day(void);
