#pragma once

#include <stdint.h>
#include <syslog.h>
#include <uv.h>

#include "base/journal_socket.h"
#include "core/log_budget.h"

/*
 * deployd's journal entries. Sending never blocks: base/journal_socket.h queues what
 * journald does not accept, and a later entry tells how many were lost. The MESSAGE_IDs
 * are explained in units/deployd.catalog and never change. Client strings are escaped
 * here.
 */

enum journal_event {
	JOURNAL_STARTED,
	JOURNAL_DECISION_ALLOWED,
	JOURNAL_DECISION_DENIED,
	JOURNAL_JOB_STARTED,
	JOURNAL_JOB_DONE,
	JOURNAL_JOB_FAILED,
	JOURNAL_SWITCHED,
	JOURNAL_RECOVERED,
	JOURNAL_CONFIG_LOADED,
	JOURNAL_CONFIG_REFUSED,
	JOURNAL_BUS_LOST,
	JOURNAL_LIMIT_REACHED,
	JOURNAL_FLAG_TOUCHED,
	JOURNAL_FLAG_TROUBLE,
	JOURNAL_SESSION_HUNG,
	JOURNAL_MERGED,
	JOURNAL_DROPPED,
	JOURNAL_AUDIT_FILE,
	JOURNAL_EVENT_COUNT
};

/* What an entry is about; NULL and -1 where it does not apply. */
struct journal_context {
	const char *app;     /* DEPLOY_APP= */
	const char *unit;    /* OBJECT_SYSTEMD_UNIT=: shows in journalctl -u UNIT */
	const char *release; /* DEPLOY_RELEASE= */
	const char *job;     /* DEPLOY_JOB= */
	const char *kind;    /* DEPLOY_OPERATION= */
	const char *result;  /* DEPLOY_RESULT= */
	const char *rule;    /* DEPLOY_RULE= */
	int64_t uid;	     /* DEPLOY_UID= */
	const char *user;    /* DEPLOY_USER= */
	int64_t pid;	     /* DEPLOY_PID= */
	/*
	 * Whose budget an entry uses (core/log_budget.h), if not that of uid: a user
	 * with subordinate uids has one budget for all of them. 0: that of uid.
	 */
	int64_t owner;
	const char *owner_name;
	int64_t count; /* DEPLOY_COUNT=; 0 where it does not apply */
};

/*
 * Puts the journal on the loop; path is journald's socket. Before that, and in programs
 * that never call it, entries go through sd_journal_sendv(3), which may block.
 */
int journal_init(uv_loop_t *loop, const char *path)
	__attribute__((warn_unused_result, nonnull));

/* Reports what was merged and closes the handles; later entries are tried once. */
void journal_close(void);

/* Call after the loop has closed the handles. */
void journal_deinit(void);

/* priority: LOG_ERR .. LOG_DEBUG (syslog.h). */
void journal_event(enum journal_event event, int priority,
		   const struct journal_context *context, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), nonnull(4)));

/* An entry without MESSAGE_ID. */
void journal_log(int priority, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));

/*
 * Records that a client may change something (JOURNAL_DECISION_ALLOWED). If this
 * returns JOURNAL_SENT_WAITS, on_taken is called as described in base/journal_socket.h
 * unless journal_forget() is called first.
 */
enum journal_sent journal_decision(const struct journal_context *context,
				   journal_taken_fn on_taken, void *userdata,
				   const char *fmt, ...)
	__attribute__((format(printf, 4, 5), warn_unused_result, nonnull(1, 4)));
void journal_forget(const void *userdata) __attribute__((nonnull));

/*
 * An entry that a client can cause at will: beyond the user's budget
 * (core/log_budget.h) it is only counted, and the count is reported later. event is
 * JOURNAL_EVENT_COUNT for an entry without a MESSAGE_ID.
 */
void journal_client(enum log_kind kind, enum journal_event event, int priority,
		    const struct journal_context *context, const char *fmt, ...)
	__attribute__((format(printf, 5, 6), nonnull(4, 5)));

/* Records a read: at most one line per user and minute. */
void journal_read(const struct journal_context *context, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
