#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/app_config.h"
#include "deploy/diag.h"
#include "deploy/right.h"

/*
 * Who may do what to which app (deployd.policy(5)). Default deny; any matching deny
 * wins; otherwise any matching allow grants; the order of rules does not matter.
 * Immutable once parsed.
 */

/* Far apart, so that a flipped bit or an error code is never an allow (CVE-2023-42465).
 */
enum policy_verdict {
	POLICY_VERDICT_DENY = 0x0ad5d6da,
	POLICY_VERDICT_ALLOW = 0x52a2925,
};

#define POLICY_GROUPS_MAX 65536 /* NGROUPS_MAX, and the primary group */

/* What the name service says about a uid. Zero-initialised: a uid without a name. */
enum policy_peer_kind {
	POLICY_PEER_UNNAMED = 0, /* definitely not known */
	POLICY_PEER_NAMED,
	POLICY_PEER_SUBORDINATE, /* lent to another user by /etc/subuid */
};

/* The caller as the kernel named him at accept; nothing the client says. */
struct policy_peer {
	uid_t uid;
	const gid_t *gids; /* supplementary and primary */
	size_t n_gids;
	enum policy_peer_kind kind;
	uid_t owner;		/* of a subordinate uid */
	const char *owner_name; /* for reasons; may be NULL */
};

/* Why: "allowed by rule 'deployers' (/etc/deployd/policy.d/hello.conf:3)". */
struct policy_decision {
	enum policy_verdict verdict;
	bool at_other_hours; /* denied now, and a rule allows it at other hours */
	char reason[400];
};

/*
 * What the words of a policy mean on this machine. user and group turn names into
 * numbers when the policy is loaded; at the edge, since NSS blocks. They return false
 * for an unknown name. used tells whether any verb needs the right (NULL:
 * right_is_used()); using any other right in a rule is an error.
 */
struct policy_resolver {
	bool (*user)(const char *name, uid_t *ret_uid, void *userdata);
	bool (*group)(const char *name, gid_t *ret_gid, void *userdata);
	void *userdata;
	bool (*used)(enum right right);
	/* An app whose file has errors is there, and not in apps. NULL: none. */
	bool (*is_refused)(const char *app, void *userdata);
};

struct policy;

/*
 * Parses policy files, and adds the rules that sudo_deploy and sudo_app of the apps
 * stand for. apps is also the list that app = must name from (unknown app: a warning).
 * Any error: NULL, everything in diag.
 */
struct policy *policy_parse(const struct config_text *texts, size_t n_texts,
			    struct app_config *const *apps, size_t n_apps,
			    const struct policy_resolver *resolver, struct diag *diag)
	__attribute__((warn_unused_result, nonnull(5, 6)));

void policy_free(struct policy *policy);

/*
 * Decides. app need not exist. run_name is the NAME of run:NAME, else NULL.
 * minute_of_day is the local clock's, 0-1439; any other value is no known time: rules
 * with hours then never allow, and always deny.
 */
void policy_check(const struct policy *policy, const struct policy_peer *peer,
		  enum right right, const char *app, const char *run_name,
		  unsigned int minute_of_day, struct policy_decision *ret_decision)
	__attribute__((nonnull(1, 2, 4, 7)));

/* True when the peer has at least one right on the app: others see no app at all. */
bool policy_knows(const struct policy *policy, const struct policy_peer *peer,
		  const char *app, unsigned int minute_of_day) __attribute__((nonnull));

/*
 * True when the peer's allow rules for the right on the app all say require_sha256,
 * also when there is none.
 */
bool policy_requires_sha256(const struct policy *policy, const struct policy_peer *peer,
			    enum right right, const char *app,
			    unsigned int minute_of_day) __attribute__((nonnull));

/* The rules as lines for people, with file:line; NULL-terminated, caller frees each. */
char **policy_list(const struct policy *policy)
	__attribute__((nonnull, warn_unused_result));
