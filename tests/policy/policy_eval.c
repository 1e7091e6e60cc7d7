/*
 * Decides what standard input asks, for oracle.py to compare:
 *   policy        then the text of a policy up to a line of one dot: prints ok or bad
 *   check WHO VERB APP MINUTE: prints the verdict, "known", "sha256" (or -)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static struct policy *read_policy(void)
{
	char *text = NULL, line[4096];
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	struct config_text file = {.file = "x.conf"};
	struct diag diag = {0};
	struct policy *policy;

	if (!out)
		abort();
	while (fgets(line, sizeof(line), stdin) && strcmp(line, ".\n") != 0)
		(void)fputs(line, out);
	(void)fclose(out);
	file.text = text;
	file.length = length;
	policy = world_policy(&file, 1, &diag);
	if ((policy == NULL) != diag.has_errors)
		abort();
	printf("%s\n", policy ? "ok" : "bad");
	diag_deinit(&diag);
	free(text);
	return policy;
}

static void check(const struct policy *policy, const char *who, const char *verb,
		  const char *app, unsigned int minute)
{
	struct policy_decision decision;
	struct world_peer peer;
	const char *run_name;
	enum right right;

	if (!policy || !world_peer(who, &peer) || !world_right(verb, &right, &run_name))
		abort();
	policy_check(policy, &peer.peer, right, app, run_name, minute, &decision);
	printf("%s %s %s\n",
	       decision.verdict == POLICY_VERDICT_ALLOW ? "allow" : "deny",
	       policy_knows(policy, &peer.peer, app, minute) ? "known" : "-",
	       policy_requires_sha256(policy, &peer.peer, right, app, minute) ? "sha256"
									      : "-");
}

int main(void)
{
	struct policy *policy = NULL;
	char line[4096], who[512], verb[128], app[128];
	unsigned int minute;

	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "policy\n") == 0) {
			policy_free(policy);
			policy = read_policy();
		} else if (sscanf(line, "check %511s %127s %127s %u", who, verb, app,
				  &minute) == 4) {
			check(policy, who, verb, app, minute);
		} else {
			(void)fprintf(stderr, "what is %s", line);
			return 2;
		}
	}
	policy_free(policy);
	world_deinit();
	return 0;
}
