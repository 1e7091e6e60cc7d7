#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/policy.h"
#include "deploy/app_config.h"
#include "deploy/daemon_config.h"
#include "deploy/diag.h"

/* Of sysusers.d: users of programs of ours. */
#define CONFIG_USERS_USER "deployd-users"
#define CONFIG_PROBE_USER "deployd-probe"
#define CONFIG_PROC_USER  "deployd-proc"

/*
 * The whole configuration as loaded at one time: deployd.conf, the apps and the policy,
 * with every name resolved. Immutable and reference counted, so that a decision and the
 * job that follows see one and the same.
 */
struct config_set {
	unsigned int refs;
	struct daemon_config *daemon;
	struct app_config **apps; /* sorted by app_name */
	size_t n_apps;
	struct policy *policy;
	uid_t intake_uid, unpack_uid, users_uid;
	uid_t probe_uid, proc_uid; /* of transient units; -1 = no such user */
	gid_t intake_gid, unpack_gid, users_gid;
};

/* The one in use; swapped by a reload. Every room has a pointer to it. */
struct config_current {
	struct config_set *set;
	bool stale; /* the last reload failed: this is the one before */
};

/*
 * Reads the directories of DESIGN 5 and resolves names: blocks (files, NSS), so it runs
 * before the loop or in a thread. NULL on any error; every message is in diag either
 * way. An option that this version does not carry out is an error when strict (--check,
 * reload); else (start) it is a warning, and its app refuses deploys.
 */
struct config_set *config_set_load(bool strict, struct diag *diag)
	__attribute__((warn_unused_result, nonnull));

struct config_set *config_set_ref(struct config_set *set) __attribute__((nonnull));
void config_set_unref(struct config_set *set);

/* NULL when there is no such app. */
const struct app_config *config_set_app(const struct config_set *set, const char *name)
	__attribute__((nonnull));
