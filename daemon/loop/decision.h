#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "loop/store_call.h"

/*
 * Who was allowed or denied what, written down. A change waits until that it is allowed
 * is written: the kernel has taken the journal's entry, or, after DECISION_WAIT_MSEC or
 * without a journald, deployd-store has synced a line of the audit file. Nothing else
 * waits: not a denial, not a request that only reads, nothing that deployd does by
 * itself.
 */

#define DECISION_WAIT_MSEC 2000u
#define DECISION_LINES_MAX 100u /* in one call of deployd-store */

struct daemon;
struct decision;
struct session;

struct decisions {
	struct daemon *daemon;
	struct decision *first, **last; /* requests that wait, the oldest first */
	uv_timer_t timer;
	bool open;
	struct store_call store;
	bool storing;
	bool file_in_use; /* said in the journal */
};

/* app is "deployd" for what is nobody's; unit is NULL where there is none. */
struct decision_subject {
	const char *what, *app, *unit;
};

int decisions_init(struct decisions *decisions, struct daemon *daemon)
	__attribute__((warn_unused_result, nonnull));

/* Gives up what waits; when no session has a client any more. Idempotent. */
void decisions_close(struct decisions *decisions) __attribute__((nonnull));

/*
 * True: it is written that the session's request, which changes something, is allowed;
 * go on. False: leave the request as it is. The method is called again once it is
 * written, or the client is told that it is not done.
 */
bool decision_allow_change(struct daemon *daemon, struct session *session,
			   const struct decision_subject *subject, const char *reason)
	__attribute__((warn_unused_result, nonnull));

/* The same for a request that only reads: in the journal once a user and minute. */
void decision_allow_read(const struct session *session,
			 const struct decision_subject *subject, const char *reason)
	__attribute__((nonnull));

/* Within the user's budget of lines; beyond it merged. */
void decision_deny(const struct session *session,
		   const struct decision_subject *subject, const char *reason)
	__attribute__((nonnull));
