#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/policy.h"

/*
 * A small machine for policies to be about: users, groups and apps that never change.
 * oracle.py knows the same ones.
 */

#define WORLD_GIDS_MAX 16

/* With a verb for every right; and as it is in this version. */
extern const struct policy_resolver world_resolver, world_resolver_now;

/* Parsed once; hello, world (sudo_deploy and sudo_app), foo-bar. */
struct app_config *const *world_apps(size_t *ret_n);
void world_deinit(void);

struct world_peer {
	struct policy_peer peer; /* its gids points into this struct */
	gid_t gids[WORLD_GIDS_MAX];
};

/*
 * "alice", "alice+ops+dev", "uid:1002", which has her name; "uid:77+gid:2001" has none;
 * "uid:77/alice+ops" is lent to alice; "gone:1002" had her name when the policy was
 * loaded. False: no such user or group.
 */
bool world_peer(const char *who, struct world_peer *ret_peer);

/* "deploy", "run:migrate". False: no such right. */
bool world_right(const char *verb, enum right *ret_right, const char **ret_run_name);

struct policy *world_policy(const struct config_text *texts, size_t n_texts,
			    struct diag *diag);
