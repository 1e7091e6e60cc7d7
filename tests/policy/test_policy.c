/*
 * What the policy must withstand. The CVEs are sudo's and polkit's, named where one of
 * theirs could have been ours; what is only about running commands, environments, paths
 * and the clock has no counterpart: a decision takes none of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/policy_rule.h"
#include "world.h"

#define NOON (12 * 60)

static const char ship[] = "[rule ship]\nallow = deploy status run:migrate\n"
			   "user = alice\napp = hello\n";

static struct policy *load_bytes(const char *text, size_t length)
{
	struct config_text file = {"p.conf", text, length};
	struct diag diag = {0};
	struct policy *policy = world_policy(&file, 1, &diag);

	assert_int_equal(policy == NULL, diag.has_errors);
	diag_deinit(&diag);
	return policy;
}

static struct policy *load(const char *text)
{
	return load_bytes(text, strlen(text));
}

static enum policy_verdict ask(const struct policy *policy, const char *who,
			       enum right right, const char *app, const char *run_name,
			       struct policy_decision *decision)
{
	struct world_peer peer;

	assert_true(world_peer(who, &peer));
	policy_check(policy, &peer.peer, right, app, run_name, NOON, decision);
	return decision->verdict;
}

static void assert_denied(const struct policy *policy, const char *who,
			  enum right right, const char *app, const char *run_name)
{
	struct policy_decision decision;

	assert_int_equal(ask(policy, who, right, app, run_name, &decision),
			 POLICY_VERDICT_DENY);
}

/* CVE-2019-14287: sudo -u#-1 ran as root. CVE-2018-19788: polkit and uids > INT_MAX. */
static void cve_2019_14287_uid_minus_one(void **context)
{
	static const char *const refused[] = {
		"uid:-1",
		"uid:4294967295",
		"uid:4294967296",
		"uid:-4294967295",
		"uid:#-1",
		"#-1",
		"#4294967295",
		"-1",
		"uid:18446744073709551615",
	};
	struct policy *policy;

	(void)context;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char text[200];

		(void)snprintf(text, sizeof(text),
			       "[rule r]\nallow = deploy\nuser = %s\napp = *\n",
			       refused[i]);
		assert_null(load(text));
	}
	policy = load("[rule r]\nallow = deploy\ngroup = ops\napp = *\n");
	assert_non_null(policy);
	assert_denied(policy, "uid:4294967295+ops", RIGHT_DEPLOY, "hello", NULL);
	assert_denied(policy, "uid:65534+ops", RIGHT_DEPLOY, "hello", NULL);
	policy_free(policy);
}

static void cve_2018_19788_uid_above_int_max(void **context)
{
	struct policy *policy = load("[rule r]\nallow = deploy\nuser = big\napp = *\n");
	struct policy_decision decision;

	(void)context;
	assert_non_null(policy);
	assert_int_equal(
		ask(policy, "uid:3000000000", RIGHT_DEPLOY, "x", NULL, &decision),
		POLICY_VERDICT_ALLOW);
	assert_denied(policy, "uid:2147483648", RIGHT_DEPLOY, "x", NULL);
	assert_denied(policy, "uid:4000000000", RIGHT_DEPLOY, "x", NULL);
	policy_free(policy);
}

/* CVE-2009-0034: sudo looked at the wrong group vector. All given groups count. */
static void cve_2009_0034_group_vector(void **context)
{
	struct policy *policy = load("[rule yes]\nallow = deploy\nuser = alice\n"
				     "app = hello\n"
				     "[rule no]\ndeny = deploy\ngroup = ops\n"
				     "app = hello\n");
	gid_t *gids = calloc(POLICY_GROUPS_MAX, sizeof(*gids));
	struct policy_peer peer = {.uid = 1002,
				   .gids = gids,
				   .n_gids = POLICY_GROUPS_MAX,
				   .kind = POLICY_PEER_NAMED};
	struct policy_decision decision;

	(void)context;
	assert_non_null(policy);
	assert_non_null(gids);
	for (size_t i = 0; i < POLICY_GROUPS_MAX; i++)
		gids[i] = (gid_t)(100000 + i);
	policy_check(policy, &peer, RIGHT_DEPLOY, "hello", NULL, NOON, &decision);
	assert_int_equal(decision.verdict, POLICY_VERDICT_ALLOW);
	gids[POLICY_GROUPS_MAX - 1] = 2001;
	policy_check(policy, &peer, RIGHT_DEPLOY, "hello", NULL, NOON, &decision);
	assert_int_equal(decision.verdict, POLICY_VERDICT_DENY);
	peer.n_gids--;
	policy_check(policy, &peer, RIGHT_DEPLOY, "hello", NULL, NOON, &decision);
	assert_int_equal(decision.verdict, POLICY_VERDICT_ALLOW);
	free(gids);
	policy_free(policy);
}

/* CVE-2023-42465: one flipped bit must not turn a refusal into a permission. */
static void cve_2023_42465_bit_flips(void **context)
{
	uint32_t differ =
		(uint32_t)POLICY_VERDICT_ALLOW ^ (uint32_t)POLICY_VERDICT_DENY;

	(void)context;
	assert_true(__builtin_popcount(differ) >= 8);
	assert_true(__builtin_popcount(POLICY_VERDICT_ALLOW) >= 8);
	assert_true(__builtin_popcount(POLICY_VERDICT_DENY) >= 8);
	assert_int_not_equal(POLICY_VERDICT_ALLOW, 0);
	assert_int_not_equal(POLICY_VERDICT_DENY, 0);
	assert_int_not_equal(POLICY_VERDICT_ALLOW, 1);
}

/* CVE-2021-3156: sudo's parser copied past an escape at the end of a word. */
static void cve_2021_3156_every_cut_of_a_policy(void **context)
{
	static const char text[] = "[rule a \\]\nallow = deploy\\\nuser = al\\ ice \\\n"
				   "app = hello\\\n\n[rule b]\nhours = 09:00-1\\";
	static const char *const good = ship;

	(void)context;
	for (size_t cut = 0; cut < sizeof(text); cut++)
		policy_free(load_bytes(text, cut));
	for (size_t cut = 0; cut <= strlen(good); cut++) {
		char *copy = malloc(cut + 1); /* without a NUL to run into */
		struct policy *policy;

		assert_non_null(copy);
		memcpy(copy, good, cut);
		policy = load_bytes(copy, cut);
		if (policy)
			assert_denied(policy, "bob", RIGHT_DEPLOY, "hello", NULL);
		policy_free(policy);
		free(copy);
	}
}

/* CVE-2012-0809: sudo formatted a user's string. CVE-2023-28486: control bytes in logs.
 */
static void cve_2012_0809_and_2023_28486_names_in_reasons(void **context)
{
	struct policy *policy = load("[rule %s%n%p %100000d]\nallow = deploy\n"
				     "user = alice\napp = hello\n");
	struct policy_decision decision;

	(void)context;
	assert_non_null(policy);
	assert_int_equal(ask(policy, "alice", RIGHT_DEPLOY, "hello", NULL, &decision),
			 POLICY_VERDICT_ALLOW);
	assert_string_equal(decision.reason,
			    "allowed by rule '%s%n%p %100000d' (p.conf:1)");
	policy_free(policy);
	assert_null(load("[rule a\033[2J]\nallow = deploy\nuser = alice\napp = *\n"));
	assert_null(load("[rule a\rb]\nallow = deploy\nuser = alice\napp = *\n"));
	assert_null(load("[rule a\x7f]\nallow = deploy\nuser = alice\napp = *\n"));
	assert_null(load("[rule a\xc2\x9b]\nallow = deploy\nuser = alice\napp = *\n"));
}

/* What is in the file comes back in messages; a terminal must survive it. */
static void messages_are_escaped(void **context)
{
	static const char text[] = "[rule a]\nallow = \033[2J\nuser = \033]0;x\007\n"
				   "app = \x9b\n\033 = 1\n[\033c]\na = b\n";
	struct config_text file = {"p.conf", text, sizeof(text) - 1};
	struct diag diag = {0};

	(void)context;
	assert_null(world_policy(&file, 1, &diag));
	assert_true(diag.n_messages >= 4);
	for (size_t i = 0; i < diag.n_messages; i++)
		for (const char *p = diag.messages[i]; *p; p++)
			assert_in_range((unsigned char)*p, ' ', '~');
	diag_deinit(&diag);
}

/* CVE-1999-1496, CVE-2021-23239: a refusal must not tell what exists. */
static void cve_2021_23239_a_refusal_tells_nothing(void **context)
{
	struct policy *policy = load(ship);
	struct policy_decision exists, missing;
	struct world_peer bob;

	(void)context;
	assert_non_null(policy);
	for (unsigned int right = 0; right < RIGHT_COUNT; right++) {
		(void)ask(policy, "bob", (enum right)right, "hello", NULL, &exists);
		(void)ask(policy, "bob", (enum right)right, "no-such", NULL, &missing);
		assert_int_equal(exists.verdict, POLICY_VERDICT_DENY);
		assert_int_equal(missing.verdict, POLICY_VERDICT_DENY);
		assert_string_equal(exists.reason, missing.reason);
	}
	assert_true(world_peer("bob", &bob));
	assert_false(policy_knows(policy, &bob.peer, "hello", NOON));
	assert_false(policy_knows(policy, &bob.peer, "no-such", NOON));
	policy_free(policy);
}

/* CVE-1999-0958 `..`, CVE-2015-5602 wildcards: names match byte by byte or not at all.
 */
static void cve_1999_0958_and_2015_5602_no_patterns(void **context)
{
	static const char *const apps[] = {
		"..",	 "hello/..", "./hello", "hello/", "hello\n", "*",
		"hell?", "h*",	     "",	" hello", "[rule",   "hello\x01"};
	struct policy *policy = load(ship);

	(void)context;
	assert_non_null(policy);
	for (size_t i = 0; i < sizeof(apps) / sizeof(*apps); i++)
		assert_denied(policy, "alice", RIGHT_DEPLOY, apps[i], NULL);
	assert_null(load("[rule r]\nallow = deploy\nuser = alice\napp = /srv/*/x\n"));
	assert_null(load("[rule r]\nallow = deploy\nuser = alice\napp = ?ello\n"));
	policy_free(policy);
}

/* CVE-2023-22809: what is asked for cannot bring a second thing along. */
static void cve_2023_22809_no_smuggled_arguments(void **context)
{
	static const char *const runs[] = {
		"migrate --", "migrate seed", "migrate\nseed", " migrate", "--migrate",
		"",	      "run:migrate"};
	struct policy *policy = load(ship);

	(void)context;
	assert_non_null(policy);
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		assert_denied(policy, "alice", RIGHT_RUN, "hello", runs[i]);
	/* A name that is no run's does not count for another right either. */
	assert_denied(policy, "alice", RIGHT_STOP, "hello", "migrate");
	assert_denied(policy, "alice", RIGHT_EXEC, "hello", "migrate");
	policy_free(policy);
}

/* CVE-2025-32462: a rule for another host was honoured. There are no such selectors. */
static void cve_2025_32462_no_other_selectors(void **context)
{
	static const char *const keys[] = {"host",     "runas",	   "uid",
					   "env_keep", "tag",	   "chroot",
					   "cwd",      "nopasswd", "option"};

	(void)context;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		char text[200];

		(void)snprintf(text, sizeof(text), "%s%s = x\n", ship, keys[i]);
		assert_null(load(text));
	}
}

static unsigned int n_lookups;

static bool count_user(const char *name, uid_t *ret_uid, void *userdata)
{
	n_lookups++;
	return world_resolver.user(name, ret_uid, userdata);
}

static bool count_group(const char *name, gid_t *ret_gid, void *userdata)
{
	n_lookups++;
	return world_resolver.group(name, ret_gid, userdata);
}

/* CVE-2025-32463: NSS under a caller's control. Names are looked up at load, only. */
static void cve_2025_32463_no_lookup_per_request(void **context)
{
	static const struct policy_resolver counting = {
		.user = count_user,
		.group = count_group,
	};
	static const char text[] = "[rule r]\nallow = deploy\nuser = alice bob\n"
				   "group = ops\napp = *\n";
	struct config_text file = {"p.conf", text, sizeof(text) - 1};
	struct policy_decision decision;
	struct diag diag = {0};
	struct policy *policy = policy_parse(&file, 1, NULL, 0, &counting, &diag);

	(void)context;
	assert_non_null(policy);
	assert_int_equal(n_lookups, 3);
	for (int i = 0; i < 100; i++)
		(void)ask(policy, "carol+dev", RIGHT_DEPLOY, "hello", NULL, &decision);
	assert_int_equal(n_lookups, 3);
	diag_deinit(&diag);
	policy_free(policy);
}

/* CVE-2021-3560 and its kind: with no answer there is no permission. */
static void no_file_denies_everything(void **context)
{
	struct diag diag = {0};
	struct policy *policy = policy_parse(NULL, 0, NULL, 0, &world_resolver, &diag);

	(void)context;
	assert_non_null(policy);
	for (unsigned int right = 0; right < RIGHT_COUNT; right++)
		assert_denied(policy, "alice+ops", (enum right)right, "hello", NULL);
	diag_deinit(&diag);
	policy_free(policy);
}

/* A rule about what nothing asks for would be a promise that is not kept. */
static void a_right_that_no_verb_uses_is_refused(void **context)
{
	static const char *const keys[] = {"allow", "deny"};

	(void)context;
	for (unsigned int i = 0; i < 2 * (RIGHT_COUNT + 1); i++) {
		unsigned int right = i / 2;
		const char *name = right == RIGHT_COUNT ? "run:migrate"
							: right_name((enum right)right);
		bool used = right_is_used(right == RIGHT_COUNT ? RIGHT_RUN
							       : (enum right)right);
		struct diag diag = {0};
		struct policy *policy;
		char text[200], want[200];
		struct config_text file = {"p.conf", text, 0};

		(void)snprintf(text, sizeof(text),
			       "[rule r]\nuser = alice\n%s = status %s\napp = *\n",
			       keys[i % 2], name);
		(void)snprintf(want, sizeof(want),
			       "p.conf:3: no verb of this version of deployd uses the "
			       "right '%s': remove it from %s",
			       name, keys[i % 2]);
		file.length = strlen(text);
		policy = policy_parse(&file, 1, NULL, 0, &world_resolver_now, &diag);
		assert_int_equal(policy != NULL, used);
		for (size_t j = 0; !used && j < diag.n_messages; j++)
			assert_string_equal(diag.messages[j], want);
		assert_int_equal(diag.has_errors, !used);
		diag_deinit(&diag);
		policy_free(policy);
	}
}

/* It is not suggested either. */
static void an_unused_right_is_nobodys_guess(void **context)
{
	static const char text[] =
		"[rule r]\nallow = exek\nuser = alice\napp = hello\n";
	struct config_text file = {"p.conf", text, sizeof(text) - 1};
	struct diag diag = {0};

	(void)context;
	assert_null(policy_parse(&file, 1, NULL, 0, &world_resolver_now, &diag));
	assert_null(strstr(diag.messages[0], "'exec'"));
	diag_deinit(&diag);
}

/* A fault that another module found already does not spoil the policy's own result. */
static void earlier_errors_are_not_the_policys(void **context)
{
	struct config_text file = {"p.conf", ship, sizeof(ship) - 1};
	struct diag diag = {0};
	struct policy *policy;

	(void)context;
	diag_error(&diag, "x.conf", 1, "something else");
	policy = world_policy(&file, 1, &diag);
	assert_non_null(policy);
	assert_true(diag.has_errors);
	diag_deinit(&diag);
	policy_free(policy);
}

static char *many_rules(unsigned int n)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	for (unsigned int i = 0; i < n; i++)
		(void)fprintf(out,
			      "[rule %u]\nallow = deploy\nuser = alice\n"
			      "app = hello\n",
			      i);
	(void)fclose(out);
	return text;
}

static void number_of_rules_is_bounded(void **context)
{
	char *text = many_rules(POLICY_RULES_MAX);
	struct policy *policy = load(text);

	(void)context;
	assert_non_null(policy);
	policy_free(policy);
	free(text);
	text = many_rules(POLICY_RULES_MAX + 1);
	assert_null(load(text));
	free(text);
}

static void number_of_words_is_bounded(void **context)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)context;
	assert_non_null(out);
	(void)fputs("[rule a]\nallow = deploy\napp = hello\nuser =", out);
	for (int i = 0; i <= POLICY_WORDS_MAX; i++)
		(void)fprintf(out, " uid:%d", 5000 + i);
	(void)fputs("\n", out);
	(void)fclose(out);
	assert_null(load(text));
	free(text);
}

/* The longest names still give a whole reason. */
static void reasons_fit(void **context)
{
	char name[POLICY_RULE_NAME_SIZE], path[200], want[400], text[400];
	struct config_text file = {path, text, 0};
	struct policy_decision decision;
	struct diag diag = {0};
	struct policy *policy;

	(void)context;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	(void)snprintf(text, sizeof(text),
		       "[rule %s]\nallow = deploy\nuser = alice\napp = hello\n", name);
	file.length = strlen(text);
	policy = world_policy(&file, 1, &diag);
	assert_non_null(policy);
	(void)ask(policy, "alice", RIGHT_DEPLOY, "hello", NULL, &decision);
	(void)snprintf(want, sizeof(want), "allowed by rule '%s' (%s:1)", name, path);
	assert_string_equal(decision.reason, want);
	diag_deinit(&diag);
	policy_free(policy);
}

static int teardown(void **context)
{
	(void)context;
	world_deinit();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cve_2019_14287_uid_minus_one),
		cmocka_unit_test(cve_2018_19788_uid_above_int_max),
		cmocka_unit_test(cve_2009_0034_group_vector),
		cmocka_unit_test(cve_2023_42465_bit_flips),
		cmocka_unit_test(cve_2021_3156_every_cut_of_a_policy),
		cmocka_unit_test(cve_2012_0809_and_2023_28486_names_in_reasons),
		cmocka_unit_test(messages_are_escaped),
		cmocka_unit_test(cve_2021_23239_a_refusal_tells_nothing),
		cmocka_unit_test(cve_1999_0958_and_2015_5602_no_patterns),
		cmocka_unit_test(cve_2023_22809_no_smuggled_arguments),
		cmocka_unit_test(cve_2025_32462_no_other_selectors),
		cmocka_unit_test(cve_2025_32463_no_lookup_per_request),
		cmocka_unit_test(no_file_denies_everything),
		cmocka_unit_test(a_right_that_no_verb_uses_is_refused),
		cmocka_unit_test(an_unused_right_is_nobodys_guess),
		cmocka_unit_test(earlier_errors_are_not_the_policys),
		cmocka_unit_test(number_of_rules_is_bounded),
		cmocka_unit_test(number_of_words_is_bounded),
		cmocka_unit_test(reasons_fit),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
