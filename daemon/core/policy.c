#include "core/policy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy_rule.h"
#include "core/policy_values.h"

static_assert(RIGHT_COUNT <= 32, "a right is a bit of rights");

static void words_deinit(struct words *words)
{
	for (size_t i = 0; i < words->n_words; i++)
		free(words->words[i]);
	free(words->words);
}

void policy_rule_deinit(struct policy_rule *rule)
{
	free(rule->file);
	words_deinit(&rule->runs);
	words_deinit(&rule->users);
	words_deinit(&rule->groups);
	words_deinit(&rule->apps);
	free(rule->uids);
	free(rule->gids);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->n_rules; i++)
		policy_rule_deinit(&policy->rules[i]);
	free(policy->rules);
	free(policy);
}

/*
 * A name is not a number: a uid without a name gets no right from a rule with a name,
 * not even if the name meant that uid when the policy was loaded. A denial applies in
 * any case, and also to the uids that are lent to the user it names.
 */
static bool names_peer(const struct policy_rule *rule, size_t i,
		       const struct policy_peer *peer)
{
	if (rule->deny && peer->kind == POLICY_PEER_SUBORDINATE &&
	    rule->uids[i] == peer->owner)
		return true;
	if (rule->uids[i] != peer->uid)
		return false;
	return rule->deny || peer->kind == POLICY_PEER_NAMED ||
	       policy_word_is_uid(rule->users.words[i]);
}

static bool is_for_peer(const struct policy_rule *rule, const struct policy_peer *peer)
{
	for (size_t i = 0; i < rule->users.n_words; i++)
		if (names_peer(rule, i, peer))
			return true;
	/* In a user namespace, a process keeps the groups of the user who created it.
	 */
	if (!rule->deny && peer->kind != POLICY_PEER_NAMED)
		return false;
	for (size_t i = 0; i < rule->groups.n_words; i++)
		for (size_t j = 0; j < peer->n_gids; j++)
			if (rule->gids[i] == peer->gids[j])
				return true;
	return false;
}

static bool is_in_hours(const struct policy_rule *rule, unsigned int minute)
{
	if (!rule->has_hours)
		return true;
	/* With no idea of the time, what is forbidden at times is forbidden. */
	if (minute >= POLICY_MINUTES_A_DAY)
		return rule->deny;
	if (rule->from_minute < rule->to_minute)
		return minute >= rule->from_minute && minute < rule->to_minute;
	return minute >= rule->from_minute || minute < rule->to_minute;
}

static bool concerns_at_times(const struct policy_rule *rule,
			      const struct policy_peer *peer, const char *app)
{
	bool for_peer = is_for_peer(rule, peer);
	bool for_app = policy_words_have(&rule->apps, app) || rule->every_app;

	return for_peer && for_app;
}

static bool concerns(const struct policy_rule *rule, const struct policy_peer *peer,
		     const char *app, unsigned int minute)
{
	return concerns_at_times(rule, peer, app) && is_in_hours(rule, minute);
}

static bool names_right(const struct policy_rule *rule, enum right right,
			const char *run_name)
{
	if (rule->rights & policy_right_bit(right))
		return true;
	return right == RIGHT_RUN && run_name &&
	       policy_words_have(&rule->runs, run_name);
}

/* The first rules that match; NULL for none. */
struct matches {
	const struct policy_rule *allow, *deny;
	const struct policy_rule *allow_at_times; /* at other hours than now */
	bool allow_without_sha256;
};

/* Looks at every rule, always: how long it takes must not tell which rules there are.
 */
static struct matches match_rules(const struct policy *policy,
				  const struct policy_peer *peer, enum right right,
				  const char *app, const char *run_name,
				  unsigned int minute)
{
	struct matches found = {0};

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!concerns_at_times(rule, peer, app) ||
		    !names_right(rule, right, run_name))
			continue;
		if (!is_in_hours(rule, minute)) {
			if (!rule->deny && !found.allow_at_times)
				found.allow_at_times = rule;
			continue;
		}
		if (rule->deny && !found.deny)
			found.deny = rule;
		if (!rule->deny && !found.allow)
			found.allow = rule;
		if (!rule->deny && !rule->require_sha256)
			found.allow_without_sha256 = true;
	}
	return found;
}

static void decide(struct policy_decision *decision, enum policy_verdict verdict,
		   const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void decide(struct policy_decision *decision, enum policy_verdict verdict,
		   const char *fmt, ...)
{
	va_list ap;

	decision->verdict = verdict;
	va_start(ap, fmt);
	(void)vsnprintf(decision->reason, sizeof(decision->reason), fmt, ap);
	va_end(ap);
}

/* No rule matches; for a uid without a name, say why its groups do not help. */
static void decide_unmatched(struct policy_decision *decision,
			     const struct policy_peer *peer)
{
	unsigned int uid = peer->uid;

	if (peer->kind == POLICY_PEER_SUBORDINATE && peer->owner_name)
		decide(decision, POLICY_VERDICT_DENY,
		       "no rule allows it: uid %u is subordinate to user %s "
		       "(/etc/subuid), so only a rule with user = uid:%u can allow it",
		       uid, peer->owner_name, uid);
	else if (peer->kind != POLICY_PEER_NAMED)
		decide(decision, POLICY_VERDICT_DENY,
		       "no rule allows it: uid %u has no name, so only a rule with "
		       "user = uid:%u can allow it",
		       uid, uid);
	else
		decide(decision, POLICY_VERDICT_DENY, "no rule allows it");
}

static void decide_at_times(struct policy_decision *decision,
			    const struct policy_rule *rule)
{
	decision->at_other_hours = true;
	decide(decision, POLICY_VERDICT_DENY,
	       "rule '%s' (%s:%u) allows it only from %02u:%02u to %02u:%02u",
	       rule->name, rule->file, rule->line, rule->from_minute / 60,
	       rule->from_minute % 60, rule->to_minute / 60, rule->to_minute % 60);
}

void policy_check(const struct policy *policy, const struct policy_peer *peer,
		  enum right right, const char *app, const char *run_name,
		  unsigned int minute_of_day, struct policy_decision *ret_decision)
{
	struct matches found;

	assert(right < RIGHT_COUNT);
	ret_decision->at_other_hours = false;
	found = match_rules(policy, peer, right, app, run_name, minute_of_day);
	if (peer->uid == 0)
		decide(ret_decision, POLICY_VERDICT_ALLOW,
		       "allowed by rule 'root' (built in)");
	else if (policy_id_is_nobody(peer->uid))
		decide(ret_decision, POLICY_VERDICT_DENY,
		       "uid %u is nobody's, no rule can allow it",
		       (unsigned int)peer->uid);
	else if (found.deny)
		decide(ret_decision, POLICY_VERDICT_DENY, "denied by rule '%s' (%s:%u)",
		       found.deny->name, found.deny->file, found.deny->line);
	else if (found.allow)
		decide(ret_decision, POLICY_VERDICT_ALLOW,
		       "allowed by rule '%s' (%s:%u)", found.allow->name,
		       found.allow->file, found.allow->line);
	else if (found.allow_at_times)
		decide_at_times(ret_decision, found.allow_at_times);
	else
		decide_unmatched(ret_decision, peer);
}

/* True when a run:NAME of the rule is allowed and no other rule denies it. */
static bool may_run_some(const struct policy *policy, const struct policy_rule *rule,
			 const struct policy_peer *peer, const char *app,
			 unsigned int minute)
{
	bool may = false;

	for (size_t i = 0; i < rule->runs.n_words; i++) {
		struct matches found = match_rules(policy, peer, RIGHT_RUN, app,
						   rule->runs.words[i], minute);

		may |= found.allow && !found.deny;
	}
	return may;
}

bool policy_knows(const struct policy *policy, const struct policy_peer *peer,
		  const char *app, unsigned int minute_of_day)
{
	uint32_t allowed = 0, denied = 0;
	bool knows = false;

	for (size_t i = 0; i < policy->n_rules; i++) {
		const struct policy_rule *rule = &policy->rules[i];

		if (!concerns(rule, peer, app, minute_of_day))
			continue;
		if (rule->deny)
			denied |= rule->rights;
		else
			allowed |= rule->rights;
		if (!rule->deny)
			knows |= may_run_some(policy, rule, peer, app, minute_of_day);
	}
	knows |= (allowed & ~denied) != 0;
	return peer->uid == 0 || (knows && !policy_id_is_nobody(peer->uid));
}

bool policy_requires_sha256(const struct policy *policy, const struct policy_peer *peer,
			    enum right right, const char *app,
			    unsigned int minute_of_day)
{
	struct matches found;

	assert(right < RIGHT_COUNT);
	found = match_rules(policy, peer, right, app, NULL, minute_of_day);
	return peer->uid != 0 && !found.allow_without_sha256;
}
