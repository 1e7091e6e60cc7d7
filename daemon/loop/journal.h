#pragma once

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

#include "core/policy.h"

/*
 * Structured journal entries (sd_journal_send(3)). The MESSAGE_IDs are explained in
 * units/deployd.catalog and never change. Client strings are escaped here.
 */

enum journal_event {
	JOURNAL_STARTED,
	JOURNAL_DECISION_ALLOWED,
	JOURNAL_DECISION_DENIED,
	JOURNAL_OPERATION_STARTED,
	JOURNAL_OPERATION_DONE,
	JOURNAL_OPERATION_FAILED,
	JOURNAL_SWITCHED,
	JOURNAL_RECOVERED,
	JOURNAL_CONFIG_LOADED,
	JOURNAL_CONFIG_REFUSED,
	JOURNAL_BUS_LOST,
	JOURNAL_LIMIT_REACHED,
	JOURNAL_FLAG_TOUCHED,
	JOURNAL_FLAG_TROUBLE,
	JOURNAL_SESSION_HUNG,
	JOURNAL_EVENT_COUNT
};

/* What an entry is about; NULL and -1 where it does not apply. */
struct journal_context {
	const char *app;       /* DEPLOY_APP= */
	const char *unit;      /* OBJECT_SYSTEMD_UNIT=: shows in journalctl -u UNIT */
	const char *release;   /* DEPLOY_RELEASE= */
	const char *job;       /* DEPLOY_JOB= */
	const char *operation; /* DEPLOY_OPERATION= */
	const char *result;    /* DEPLOY_RESULT= */
	const char *rule;      /* DEPLOY_RULE= */
	int64_t uid;	       /* DEPLOY_UID= */
	const char *user;      /* DEPLOY_USER= */
	int64_t pid;	       /* DEPLOY_PID= */
};

/* priority: LOG_ERR .. LOG_DEBUG (syslog.h). */
void journal_event(enum journal_event event, int priority,
		   const struct journal_context *context, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), nonnull(4)));

/* An entry without MESSAGE_ID. */
void journal_log(int priority, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));
