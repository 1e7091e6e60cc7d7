/*
 * Runs the tables of cases/: policies, and what they must decide. A case is
 *   == title
 *   the policy; a line "-- file NAME" begins another file
 *   --
 *   WHO VERB APP @HH:MM = allow RULE | deny RULE | none | root | nobody
 *   WHO knows APP @HH:MM = yes | no
 *   WHO sha256:VERB APP @HH:MM = yes | no
 *   (- for @HH:MM is noon)
 *   error TEXT, warning TEXT (part of a message), list TEXT (a line of policy_list)
 * Without error the policy must load, and messages not named are a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define FILES_MAX 4
#define LINES_MAX 200
#define NOON	  (12 * 60)

struct block {
	char *title;
	struct config_text files[FILES_MAX];
	size_t n_files;
	char *lines[LINES_MAX];
	size_t n_lines;
};

static struct block *blocks;
static size_t n_blocks, n_cases;

static bool starts(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

static bool any_contains(char *const *lines, size_t n, const char *part)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(lines[i], part))
			return true;
	return false;
}

static void check_listed(const struct policy *policy, const char *line)
{
	char **lines = policy_list(policy);
	bool found = false;

	assert_non_null(lines);
	for (char **p = lines; *p; p++) {
		found |= strcmp(*p, line) == 0;
		free(*p);
	}
	free(lines);
	if (!found)
		fail_msg("not listed: %s", line);
}

static void check_reason(const char *line, const struct policy_decision *decision,
			 const char *want)
{
	bool allow = starts(want, "allow ") || strcmp(want, "root") == 0;
	char part[300];

	assert_int_equal(decision->verdict,
			 allow ? POLICY_VERDICT_ALLOW : POLICY_VERDICT_DENY);
	if (starts(want, "allow "))
		(void)snprintf(part, sizeof(part), "allowed by rule '%s' (", want + 6);
	else if (starts(want, "deny "))
		(void)snprintf(part, sizeof(part), "denied by rule '%s' (", want + 5);
	else if (strcmp(want, "root") == 0)
		(void)snprintf(part, sizeof(part), "allowed by rule 'root' (built in)");
	else if (strcmp(want, "nobody") == 0)
		(void)snprintf(part, sizeof(part), "is nobody's, no rule can allow it");
	else if (starts(want, "later "))
		(void)snprintf(part, sizeof(part), "rule '%s' (", want + 6);
	else if (strcmp(want, "none") == 0)
		(void)snprintf(part, sizeof(part), "no rule allows it");
	else
		fail_msg("%s: what is '%s'?", line, want);
	assert_int_equal(decision->at_other_hours, starts(want, "later "));
	if (!strstr(decision->reason, part))
		fail_msg("%s: reason is: %s", line, decision->reason);
}

static void check_yes(const char *line, bool is, const char *want)
{
	if (strcmp(want, is ? "yes" : "no") != 0)
		fail_msg("%s: it is not", line);
}

static void check_decision(const struct policy *policy, const char *line)
{
	char who[200], verb[100], app[100], when[20] = "";
	unsigned int hour, minute = NOON;
	const char *want = strstr(line, " = ");
	struct policy_decision decision;
	struct world_peer peer;
	const char *run_name;
	enum right right = RIGHT_COUNT;

	assert_non_null(want);
	want += 3;
	assert_true(sscanf(line, "%199s %99s %99s %19s", who, verb, app, when) == 4);
	if (sscanf(when, "@%u:%u", &hour, &minute) == 2)
		minute += hour * 60;
	if (!world_peer(who, &peer))
		fail_msg("%s: who is that?", line);
	if (strcmp(verb, "knows") == 0) {
		check_yes(line, policy_knows(policy, &peer.peer, app, minute), want);
	} else if (starts(verb, "sha256:")) {
		assert_true(world_right(verb + 7, &right, &run_name));
		check_yes(
			line,
			policy_requires_sha256(policy, &peer.peer, right, app, minute),
			want);
	} else {
		if (!world_right(verb, &right, &run_name))
			fail_msg("%s: no such right", line);
		policy_check(policy, &peer.peer, right, app, run_name, minute,
			     &decision);
		if ((decision.verdict == POLICY_VERDICT_ALLOW) !=
		    (starts(want, "allow ") || strcmp(want, "root") == 0))
			fail_msg("%s: it is: %s", line, decision.reason);
		check_reason(line, &decision, want);
	}
}

static void run_block(void **context)
{
	const struct block *block = *context;
	struct diag diag = {0};
	struct policy *policy = world_policy(block->files, block->n_files, &diag);
	size_t n_messages = 0;

	assert_int_equal(policy == NULL, diag.has_errors);
	for (size_t i = 0; i < block->n_lines; i++) {
		const char *line = block->lines[i];
		bool error = starts(line, "error ");

		if (!error && !starts(line, "warning ")) {
			if (!policy)
				fail_msg("not loaded: %s", diag.messages[0]);
			if (starts(line, "list "))
				check_listed(policy, line + 5);
			else
				check_decision(policy, line);
			continue;
		}
		n_messages++;
		if (error)
			assert_null(policy);
		if (!any_contains(diag.messages, diag.n_messages,
				  strchr(line, ' ') + 1))
			fail_msg("no such message: %s; the first is: %s", line,
				 diag.n_messages ? diag.messages[0] : "none");
	}
	if (diag.n_messages != n_messages)
		fail_msg("%zu messages instead of %zu; the last is: %s",
			 diag.n_messages, n_messages,
			 diag.messages[diag.n_messages - 1]);
	diag_deinit(&diag);
	policy_free(policy);
}

static struct block *add_block(const char *title)
{
	blocks = realloc(blocks, (n_blocks + 1) * sizeof(*blocks));
	assert_non_null(blocks);
	blocks[n_blocks] = (struct block){.title = strdup(title)};
	return &blocks[n_blocks++];
}

static void begin_file(struct block *block, const char *name)
{
	assert_true(block->n_files < FILES_MAX);
	block->files[block->n_files].file = strdup(name);
	block->files[block->n_files++].text = strdup("");
}

static void add_text(struct block *block, const char *line)
{
	struct config_text *file = &block->files[block->n_files - 1];
	char *text = NULL;
	int n = asprintf(&text, "%s%s\n", file->text, line);

	assert_true(n >= 0);
	free((char *)file->text);
	file->text = text;
	file->length = (size_t)n;
}

static void read_cases(const char *path)
{
	FILE *file = fopen(path, "r");
	struct block *block = NULL;
	bool in_policy = false;
	char line[4096];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (starts(line, "== ")) {
			block = add_block(line + 3);
			begin_file(block, "a.conf");
			in_policy = true;
		} else if (starts(line, "-- file ")) {
			begin_file(block, line + 8);
		} else if (strcmp(line, "--") == 0) {
			in_policy = false;
		} else if (in_policy) {
			add_text(block, line);
		} else if (block && *line && *line != '#') {
			assert_true(block->n_lines < LINES_MAX);
			block->lines[block->n_lines++] = strdup(line);
			n_cases++;
		}
	}
	(void)fclose(file);
}

static void free_blocks(void)
{
	for (size_t i = 0; i < n_blocks; i++) {
		for (size_t j = 0; j < blocks[i].n_lines; j++)
			free(blocks[i].lines[j]);
		for (size_t j = 0; j < blocks[i].n_files; j++) {
			free((char *)blocks[i].files[j].file);
			free((char *)blocks[i].files[j].text);
		}
		free(blocks[i].title);
	}
	free(blocks);
}

int main(int argc, char **argv)
{
	struct CMUnitTest *tests;
	int failed;

	for (int i = 1; i < argc; i++)
		read_cases(argv[i]);
	tests = calloc(n_blocks + 1, sizeof(*tests));
	assert_non_null(tests);
	for (size_t i = 0; i < n_blocks; i++)
		tests[i] = (struct CMUnitTest){.name = blocks[i].title,
					       .test_func = run_block,
					       .initial_state = &blocks[i]};
	failed = _cmocka_run_group_tests("policy cases", tests, n_blocks, NULL, NULL);
	printf("%zu cases of %zu policies\n", n_cases, n_blocks);
	free(tests);
	free_blocks();
	world_deinit();
	return failed;
}
