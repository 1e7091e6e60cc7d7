#include "core/policy.h"
#include "deploy/suggest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy_rule.h"
#include "core/policy_values.h"
#include "deploy/ini.h"
#include "deploy/names.h"

enum key {
	KEY_ALLOW,
	KEY_DENY,
	KEY_USER,
	KEY_GROUP,
	KEY_APP,
	KEY_REQUIRE_SHA256,
	KEY_REQUIRE_SIGNATURE,
	KEY_HOURS,
	KEY_COUNT
};

static const char *const key_names[] = {
	[KEY_ALLOW] = "allow",
	[KEY_DENY] = "deny",
	[KEY_USER] = "user",
	[KEY_GROUP] = "group",
	[KEY_APP] = "app",
	[KEY_REQUIRE_SHA256] = "require_sha256",
	[KEY_REQUIRE_SIGNATURE] = "require_signature",
	[KEY_HOURS] = "hours",
	[KEY_COUNT] = NULL,
};
static_assert(sizeof(key_names) / sizeof(*key_names) == KEY_COUNT + 1,
	      "every key has a name");

#define SECTION_PREFIX "rule"
#define SHOWN_SIZE     100 /* of a word of the file in a message */

struct parser {
	struct policy *policy;
	struct policy_reader reader; /* its rule is one of policy->rules */
	struct diag *diag;

	/* The section being read. */
	bool in_section;
	unsigned int section_line;
	unsigned int key_lines[KEY_COUNT]; /* 0: not seen */
};

static struct policy_rule *append_rule(struct policy *policy)
{
	struct policy_rule *rules =
		realloc(policy->rules, (policy->n_rules + 1) * sizeof(*rules));

	if (!rules)
		return NULL;
	policy->rules = rules;
	rules[policy->n_rules] = (struct policy_rule){0};
	return &rules[policy->n_rules++];
}

static void check_conditions(struct parser *parser, const struct policy_rule *rule)
{
	if (rule->deny && rule->require_sha256)
		diag_error(parser->diag, rule->file, rule->line,
			   "rule '%s': require_sha256 has no meaning with deny",
			   rule->name);
	for (size_t i = 0; rule->deny && rule->uids && i < rule->users.n_words; i++)
		if (rule->uids[i] == 0)
			diag_error(parser->diag, rule->file, rule->line,
				   "rule '%s': uid 0 is always allowed, nothing can be "
				   "denied to it",
				   rule->name);
}

/* Once all of the section's lines are read: does it say enough? */
static void end_section(struct parser *parser)
{
	const struct policy_rule *rule = parser->reader.rule;
	const unsigned int *lines = parser->key_lines;

	parser->in_section = false;
	parser->reader.rule = NULL;
	if (!rule)
		return;
	if (!lines[KEY_ALLOW] && !lines[KEY_DENY])
		diag_error(parser->diag, rule->file, rule->line,
			   "rule '%s' has neither allow nor deny; add one of them",
			   rule->name);
	if (lines[KEY_ALLOW] && lines[KEY_DENY])
		diag_error(parser->diag, rule->file, rule->line,
			   "rule '%s' has both allow and deny, make it two rules",
			   rule->name);
	if (!lines[KEY_USER] && !lines[KEY_GROUP])
		diag_error(parser->diag, rule->file, rule->line,
			   "rule '%s' has neither user nor group; add one of them",
			   rule->name);
	if (!lines[KEY_APP])
		diag_error(parser->diag, rule->file, rule->line,
			   "rule '%s' has no app; app = * is every app", rule->name);
	check_conditions(parser, rule);
}

static const struct policy_rule *find_rule(const struct policy *policy,
					   const char *name)
{
	for (size_t i = 0; i < policy->n_rules; i++)
		if (strcmp(policy->rules[i].name, name) == 0)
			return &policy->rules[i];
	return NULL;
}

/* NAME of "rule NAME"; NULL: a message was made. */
static const char *section_rule_name(struct parser *parser,
				     const struct ini_entry *entry)
{
	static const char *const known[] = {SECTION_PREFIX, NULL};
	const char *section = entry->section;
	size_t length = strcspn(section, " ");
	char word[SHOWN_SIZE], shown[SHOWN_SIZE];

	if (!*section) {
		diag_error(parser->diag, entry->file, entry->line,
			   "'%s' is in no section; a rule begins with [rule NAME]",
			   names_escape(entry->key, shown, sizeof(shown)));
		return NULL;
	}
	(void)snprintf(word, sizeof(word), "%.*s", (int)length, section);
	if (strcmp(word, SECTION_PREFIX) != 0) {
		diag_error(parser->diag, entry->file, entry->section_line,
			   "unknown section [%s]%s",
			   names_escape(section, shown, sizeof(shown)),
			   suggest_word(word, known) ? ", did you mean [rule NAME]?"
						     : "; a rule is [rule NAME]");
		return NULL;
	}
	if (!section[length]) {
		diag_error(parser->diag, entry->file, entry->section_line,
			   "a rule has a name: [rule NAME]");
		return NULL;
	}
	return section + length + 1;
}

static void begin_section(struct parser *parser, const struct ini_entry *entry)
{
	const char *name = section_rule_name(parser, entry);
	const struct policy_rule *other;
	struct policy_rule *rule;
	char shown[POLICY_RULE_NAME_SIZE];

	parser->in_section = true;
	parser->section_line = entry->section_line;
	parser->reader.rule = NULL;
	memset(parser->key_lines, 0, sizeof(parser->key_lines));
	if (!name)
		return;
	names_escape(name, shown, sizeof(shown));
	if (strcmp(name, shown) != 0) {
		diag_error(parser->diag, entry->file, entry->section_line,
			   "rule '%s': a name has no control bytes or backslashes, and "
			   "at most %d bytes",
			   shown, POLICY_RULE_NAME_SIZE - 1);
		return;
	}
	other = find_rule(parser->policy, name);
	if (other) {
		diag_error(parser->diag, entry->file, entry->section_line,
			   "there is a rule '%s' already, %s:%u", name, other->file,
			   other->line);
		return;
	}
	if (parser->policy->n_rules == POLICY_RULES_MAX) {
		diag_error(parser->diag, entry->file, entry->section_line,
			   "more than %d rules", POLICY_RULES_MAX);
		return;
	}
	rule = append_rule(parser->policy);
	if (!rule) {
		diag_error(parser->diag, entry->file, 0, "out of memory");
		return;
	}
	memcpy(rule->name, shown, sizeof(rule->name));
	rule->line = entry->section_line;
	rule->file = strdup(entry->file);
	if (!rule->file) {
		diag_error(parser->diag, entry->file, 0, "out of memory");
		return; /* goes with the policy, which has an error now */
	}
	parser->reader.rule = rule;
}

static enum key find_key(const char *name)
{
	unsigned int key = 0;

	while (key < KEY_COUNT && strcmp(key_names[key], name) != 0)
		key++;
	return (enum key)key;
}

static void unknown_key(struct parser *parser, const struct ini_entry *entry)
{
	const char *meant = suggest_word(entry->key, key_names);
	char shown[SHOWN_SIZE];

	names_escape(entry->key, shown, sizeof(shown));
	if (meant)
		diag_error(parser->diag, entry->file, entry->line,
			   "unknown option '%s', did you mean '%s'?", shown, meant);
	else
		diag_error(parser->diag, entry->file, entry->line,
			   "unknown option '%s'", shown);
}

static void take_entry(struct parser *parser, const struct ini_entry *entry,
		       enum key key)
{
	switch (key) {
	case KEY_ALLOW:
		policy_take_verbs(&parser->reader, entry, false);
		break;
	case KEY_DENY:
		policy_take_verbs(&parser->reader, entry, true);
		break;
	case KEY_USER:
		policy_take_users(&parser->reader, entry);
		break;
	case KEY_GROUP:
		policy_take_groups(&parser->reader, entry);
		break;
	case KEY_APP:
		policy_take_apps(&parser->reader, entry);
		break;
	case KEY_REQUIRE_SHA256:
		policy_take_require_sha256(&parser->reader, entry);
		break;
	case KEY_REQUIRE_SIGNATURE:
		diag_error(parser->diag, entry->file, entry->line,
			   "require_signature is not supported by this version");
		break;
	case KEY_HOURS:
		policy_take_hours(&parser->reader, entry);
		break;
	case KEY_COUNT:
		unknown_key(parser, entry);
		break;
	}
}

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	struct parser *parser = userdata;
	enum key key = find_key(entry->key);

	if (parser->in_section && parser->section_line != entry->section_line)
		end_section(parser);
	if (!parser->in_section)
		begin_section(parser, entry);
	if (!parser->reader.rule)
		return;
	if (key < KEY_COUNT && parser->key_lines[key]) {
		diag_error(parser->diag, entry->file, entry->line,
			   "a second %s; the first is in line %u", entry->key,
			   parser->key_lines[key]);
		return;
	}
	if (key < KEY_COUNT)
		parser->key_lines[key] = entry->line;
	take_entry(parser, entry, key);
}

/* sudo_deploy = yes and sudo_app = yes are rules of their own. */
static void add_sudo_rule(struct parser *parser, const struct app_config *app,
			  const char *option_name, const char *user, uid_t uid)
{
	const struct app_option *option = app_config_option(app, option_name);
	const char *file = option && option->file ? option->file : app->file;
	unsigned int line = option ? option->line : 0;
	struct policy_rule *rule;

	if (policy_id_is_nobody(uid)) {
		diag_error(parser->diag, file, line,
			   "%s: user '%s' is unknown or nobody's, and can be in no "
			   "rule",
			   option_name, user);
		return;
	}
	rule = append_rule(parser->policy);
	if (rule) {
		rule->file = strdup(file);
		rule->uids = malloc(sizeof(*rule->uids));
	}
	if (!rule || !rule->file || !rule->uids ||
	    !policy_words_add(&rule->users, user, strlen(user)) ||
	    !policy_words_add(&rule->apps, app->app_name, strlen(app->app_name))) {
		diag_error(parser->diag, file, 0, "out of memory");
		return;
	}
	(void)snprintf(rule->name, sizeof(rule->name), "%s of %s", option_name,
		       app->app_name);
	rule->line = line;
	rule->uids[0] = uid;
	rule->rights = policy_right_bit(RIGHT_START) | policy_right_bit(RIGHT_STOP) |
		       policy_right_bit(RIGHT_RESTART) | policy_right_bit(RIGHT_STATUS);
}

static void parse_everything(struct parser *parser, const struct config_text *texts,
			     size_t n_texts)
{
	for (size_t i = 0; i < n_texts; i++) {
		ini_read(texts[i].file, texts[i].text, texts[i].length, on_entry,
			 parser, parser->diag);
		if (parser->in_section)
			end_section(parser);
	}
	for (size_t i = 0; i < parser->reader.n_apps; i++) {
		const struct app_config *app = parser->reader.apps[i];

		if (app->sudo_deploy)
			add_sudo_rule(parser, app, "sudo_deploy", app->deploy_user,
				      app->deploy_uid);
		if (app->sudo_app)
			add_sudo_rule(parser, app, "sudo_app", app->app_user,
				      app->app_uid);
	}
}

struct policy *policy_parse(const struct config_text *texts, size_t n_texts,
			    struct app_config *const *apps, size_t n_apps,
			    const struct policy_resolver *resolver, struct diag *diag)
{
	struct parser parser = {
		.policy = calloc(1, sizeof(*parser.policy)),
		.reader = {.apps = apps,
			   .n_apps = n_apps,
			   .resolver = resolver,
			   .diag = diag},
		.diag = diag,
	};
	bool had_errors = diag->has_errors, has_errors;

	if (!parser.policy) {
		diag_error(diag, "policy.d", 0, "out of memory");
		return NULL;
	}
	diag->has_errors = false;
	parse_everything(&parser, texts, n_texts);
	has_errors = diag->has_errors;
	diag->has_errors = had_errors || has_errors;
	if (has_errors) {
		policy_free(parser.policy);
		return NULL;
	}
	return parser.policy;
}
