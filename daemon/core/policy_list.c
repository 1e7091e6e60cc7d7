#include "core/policy.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/policy_rule.h"

static void put_words(FILE *out, const char *before, const struct words *words)
{
	for (size_t i = 0; i < words->n_words; i++)
		(void)fprintf(out, "%s%s", before, words->words[i]);
}

static void put_rule(FILE *out, const struct policy_rule *rule)
{
	(void)fputs(rule->deny ? "deny" : "allow", out);
	for (unsigned int right = 0; right < RIGHT_COUNT; right++)
		if (rule->rights & policy_right_bit((enum right)right))
			(void)fprintf(out, " %s", right_name((enum right)right));
	put_words(out, " run:", &rule->runs);
	if (rule->users.n_words > 0)
		(void)fputs(", user", out);
	put_words(out, " ", &rule->users);
	if (rule->groups.n_words > 0)
		(void)fputs(", group", out);
	put_words(out, " ", &rule->groups);
	(void)fprintf(out, ", app%s", rule->every_app ? " *" : "");
	put_words(out, " ", &rule->apps);
	if (rule->require_sha256)
		(void)fputs(", with a SHA-256", out);
	if (rule->has_hours)
		(void)fprintf(out, ", %02u:%02u-%02u:%02u", rule->from_minute / 60,
			      rule->from_minute % 60, rule->to_minute / 60,
			      rule->to_minute % 60);
	(void)fprintf(out, ": rule '%s' (%s:%u)", rule->name, rule->file, rule->line);
}

static char *line_of(const struct policy_rule *rule)
{
	char *line = NULL;
	size_t length;
	FILE *out = open_memstream(&line, &length);

	if (!out)
		return NULL;
	if (rule)
		put_rule(out, rule);
	else
		(void)fputs("allow everything, user uid:0, app *: rule 'root' "
			    "(built in)",
			    out);
	if (fclose(out) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

char **policy_list(const struct policy *policy)
{
	char **lines = calloc(policy->n_rules + 2, sizeof(*lines));

	if (!lines)
		return NULL;
	for (size_t i = 0; i <= policy->n_rules; i++) {
		lines[i] = line_of(i == 0 ? NULL : &policy->rules[i - 1]);
		if (lines[i])
			continue;
		while (i > 0)
			free(lines[--i]);
		free(lines);
		return NULL;
	}
	return lines;
}
