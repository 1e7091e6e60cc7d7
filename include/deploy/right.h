#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What the policy can grant on an app, one bit each. The names are those of deployctl's
 * verbs and of a rule's allow= and deny= lines (deployd.policy(5)). Some are reserved:
 * no verb of this version uses them, see right_is_used().
 */
enum right {
	RIGHT_DEPLOY,
	RIGHT_STAGE,
	RIGHT_ACTIVATE,
	RIGHT_ROLLBACK,
	RIGHT_CONFIRM,
	RIGHT_RESTART,
	RIGHT_RELOAD,
	RIGHT_START,
	RIGHT_STOP,
	RIGHT_ENABLE, /* enable and disable */
	RIGHT_EXEC,
	RIGHT_RUN,
	RIGHT_CONSOLE,
	RIGHT_STATUS, /* list, status, releases, show, jobs, attach */
	RIGHT_HISTORY,
	RIGHT_LOGS,
	RIGHT_HOLD,
	RIGHT_PIN,
	RIGHT_REMOVE,
	RIGHT_CANCEL,
	RIGHT_MARK,	/* mark-good and mark-bad */
	RIGHT_NO_HOOKS, /* deploy without the hooks */
	RIGHT_COUNT
};

/* "deploy", "stage", ... Never NULL. */
const char *right_name(enum right right);

/*
 * False for a right that no verb of this version needs. A policy that allows or denies
 * it would have no effect, and is refused.
 */
bool right_is_used(enum right right);

/* The right of that name; RIGHT_COUNT when there is none. "disable" is RIGHT_ENABLE. */
enum right right_from_name(const char *name) __attribute__((nonnull));
