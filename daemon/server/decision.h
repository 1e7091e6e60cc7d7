#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/store_call.h"

/*
 * Records who was allowed or denied what. A change starts only once its decision is
 * recorded: the kernel has taken the journal entry or, after DECISION_WAIT_MSEC or
 * without a journald, deployd-store has synced a line of the audit file. Nothing else
 * waits: no denial, no request that only reads, nothing that deployd does on its own.
 */

#define DECISION_WAIT_MSEC 2000u
#define DECISION_LINES_MAX 100u /* in one call of deployd-store */

struct decision;
struct session;

struct decisions {
	uv_loop_t *loop;
	struct decision *first, **last; /* held requests, the oldest first */
	uv_timer_t timer;
	bool open;
	struct store_call store;
	bool storing;
	bool file_in_use; /* and the journal says so */
};

/* app is "deployd" for the daemon itself; unit may be NULL. */
struct decision_subject {
	const char *what, *app, *unit;
};

int decisions_init(struct decisions *decisions, uv_loop_t *loop)
	__attribute__((warn_unused_result, nonnull));

/* Gives up held requests. Call once no session has a client. Idempotent. */
void decisions_close(struct decisions *decisions) __attribute__((nonnull));

/*
 * True: the decision to allow this change is recorded; go on. False: return without
 * answering. The method is called again once the decision is recorded; if that fails,
 * the client gets an error.
 */
bool decision_allow_change(struct decisions *decisions, struct session *session,
			   const struct decision_subject *subject, const char *reason)
	__attribute__((warn_unused_result, nonnull));

/* Allows a request that only reads: at most one line per user and minute. */
void decision_allow_read(const struct session *session,
			 const struct decision_subject *subject, const char *reason)
	__attribute__((nonnull));

/* Logged within the user's budget, merged beyond it. */
void decision_deny(const struct session *session,
		   const struct decision_subject *subject, const char *reason)
	__attribute__((nonnull));
