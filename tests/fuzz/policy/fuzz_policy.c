/*
 * Any bytes as policy files (split at form feeds): what loads must decide, a caller
 * that no rule can name gets nothing, and whoever may do something knows the app.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"

#define FILES_MAX 4
#define NOON	  (12 * 60)

/* As in a version with a verb for every right: there is more to be parsed. */
static bool every_right(enum right right)
{
	(void)right;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool find_user(const char *name, uid_t *ret_uid, void *userdata)
{
	(void)userdata;
	*ret_uid = 1000 + (unsigned char)name[0];
	return name[0] != 'z';
}

static bool find_group(const char *name, gid_t *ret_gid, void *userdata)
{
	(void)userdata;
	*ret_gid = 2000 + (unsigned char)name[0];
	return name[0] != 'z';
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct policy *policy, const struct policy_peer *peer,
		  const char *app, unsigned int minute)
{
	bool knows = policy_knows(policy, peer, app, minute);

	for (unsigned int right = 0; right < RIGHT_COUNT; right++) {
		struct policy_decision decision;

		policy_check(policy, peer, (enum right)right, app, "migrate", minute,
			     &decision);
		require(decision.verdict == POLICY_VERDICT_ALLOW ||
			decision.verdict == POLICY_VERDICT_DENY);
		require(strlen(decision.reason) > 0);
		require(knows || decision.verdict == POLICY_VERDICT_DENY);
		require((peer->uid != UINT32_MAX && peer->uid != 65534) ||
			decision.verdict == POLICY_VERDICT_DENY);
		require(peer->uid != 0 || decision.verdict == POLICY_VERDICT_ALLOW);
		(void)policy_requires_sha256(policy, peer, (enum right)right, app,
					     minute);
	}
}

static void use(const struct policy *policy)
{
	static const uid_t uids[] = {0, 1000 + 'a', 1000 + 'd', 65534, UINT32_MAX, 77};
	static const gid_t gids[] = {2000 + 'o', 77};
	char **lines = policy_list(policy);

	for (size_t i = 0; i < sizeof(uids) / sizeof(*uids); i++) {
		struct policy_peer peer = {.uid = uids[i],
					   .gids = gids,
					   .n_gids = 2,
					   .kind = POLICY_PEER_NAMED};

		check(policy, &peer, "hello", NOON);
		check(policy, &peer, "*", UINT32_MAX);
		peer.kind = POLICY_PEER_UNNAMED;
		check(policy, &peer, "hello", NOON);
		peer.kind = POLICY_PEER_SUBORDINATE;
		peer.owner = 1000 + 'a';
		check(policy, &peer, "hello", NOON);
	}
	for (char **line = lines; line && *line; line++)
		free(*line);
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_resolver resolver = {
		.user = find_user,
		.group = find_group,
		.used = every_right,
	};
	struct config_text files[FILES_MAX];
	const char *text = (const char *)data, *end = text + size, *cut;
	struct diag diag = {0};
	struct policy *policy;
	size_t n = 0;

	if (size == 0)
		return 0;
	do {
		cut = memchr(text, '\f', (size_t)(end - text));
		if (n == FILES_MAX - 1 || !cut)
			cut = end;
		files[n++] = (struct config_text){"p.conf", text, (size_t)(cut - text)};
		text = cut + 1;
	} while (cut < end);
	policy = policy_parse(files, n, NULL, 0, &resolver, &diag);
	require((policy == NULL) == diag.has_errors);
	if (policy)
		use(policy);
	policy_free(policy);
	diag_deinit(&diag);
	return 0;
}
