#include "core/policy_values.h"
#include "deploy/suggest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "deploy/app_config.h"
#include "deploy/ini.h"
#include "deploy/names.h"

#define SHOWN_SIZE 100 /* of a word of the file in a message */

static void out_of_memory(struct policy_reader *reader, const char *file)
{
	diag_error(reader->diag, file, 0, "out of memory");
}

bool policy_words_add(struct words *words, const char *word, size_t length)
{
	char **grown = realloc(words->words, (words->n_words + 1) * sizeof(*grown));

	if (!grown)
		return false;
	words->words = grown;
	grown[words->n_words] = strndup(word, length);
	if (!grown[words->n_words])
		return false;
	words->n_words++;
	return true;
}

bool policy_words_have(const struct words *words, const char *word)
{
	for (size_t i = 0; i < words->n_words; i++)
		if (strcmp(words->words[i], word) == 0)
			return true;
	return false;
}

/* The value's words. False: a message was made. */
static bool split(struct policy_reader *reader, const struct ini_entry *entry,
		  struct words *words)
{
	const char *blanks = " \t";
	const char *p = entry->value + strspn(entry->value, blanks);
	char shown[SHOWN_SIZE];

	for (; *p; p += strspn(p, blanks)) {
		size_t length = strcspn(p, blanks);

		if (words->n_words == POLICY_WORDS_MAX) {
			diag_error(reader->diag, entry->file, entry->line,
				   "%s names more than %d", entry->key,
				   POLICY_WORDS_MAX);
			return false;
		}
		if (!policy_words_add(words, p, length)) {
			out_of_memory(reader, entry->file);
			return false;
		}
		p += length;
	}
	if (words->n_words == 0) {
		diag_error(reader->diag, entry->file, entry->line, "%s names nothing",
			   entry->key);
		return false;
	}
	for (size_t i = 1; i < words->n_words; i++) {
		struct words before = {words->words, i};

		if (policy_words_have(&before, words->words[i]))
			diag_warning(
				reader->diag, entry->file, entry->line,
				"%s names '%s' twice", entry->key,
				names_escape(words->words[i], shown, sizeof(shown)));
	}
	return true;
}

static bool is_used(const struct policy_reader *reader, enum right right)
{
	bool (*used)(enum right) = reader->resolver->used;

	return used ? used(right) : right_is_used(right);
}

/* Refused, so that nobody relies on a rule that nothing asks for. */
static void unused_right(struct policy_reader *reader, const struct ini_entry *entry,
			 const char *word)
{
	diag_error(reader->diag, entry->file, entry->line,
		   "no verb of this version of deployd uses the right '%s': remove it "
		   "from %s",
		   word, entry->key);
}

/* "deploy stage ...", in list. */
static const char *list_words(const char *const *words, size_t n, char *list,
			      size_t size)
{
	size_t length = 0;

	list[0] = '\0';
	for (size_t i = 0; i < n && length < size; i++)
		length += (size_t)snprintf(list + length, size - length, "%s%s",
					   i > 0 ? " " : "", words[i]);
	return list;
}

static void unknown_right(struct policy_reader *reader, const struct ini_entry *entry,
			  const char *word)
{
	const char *known[RIGHT_COUNT + 1] = {0};
	size_t n_known = 0;
	const char *meant;
	char shown[SHOWN_SIZE], list[300];

	for (unsigned int right = 0; right < RIGHT_COUNT; right++)
		if (is_used(reader, (enum right)right))
			known[n_known++] = right_name((enum right)right);
	meant = suggest_word(word, known);
	names_escape(word, shown, sizeof(shown));
	if (strchr(word, ','))
		diag_error(reader->diag, entry->file, entry->line,
			   "unknown verb '%s': put blanks between verbs, no commas",
			   shown);
	else if (meant)
		diag_error(reader->diag, entry->file, entry->line,
			   "unknown verb '%s', did you mean '%s'?", shown, meant);
	else
		diag_error(reader->diag, entry->file, entry->line,
			   "unknown verb '%s'; a rule names each verb: %s", shown,
			   list_words(known, n_known, list, sizeof(list)));
}

void policy_take_verbs(struct policy_reader *reader, const struct ini_entry *entry,
		       bool deny)
{
	struct policy_rule *rule = reader->rule;
	struct words verbs = {0};

	rule->deny = deny;
	if (split(reader, entry, &verbs)) {
		for (size_t i = 0; i < verbs.n_words; i++) {
			const char *verb = verbs.words[i];
			enum right right = right_from_name(verb);

			if (right < RIGHT_COUNT && !is_used(reader, right))
				unused_right(reader, entry, verb);
			else if (right < RIGHT_COUNT)
				rule->rights |= policy_right_bit(right);
			else if (strncmp(verb, "run:", 4) != 0 ||
				 !names_app_valid(verb + 4))
				unknown_right(reader, entry, verb);
			else if (!is_used(reader, RIGHT_RUN))
				unused_right(reader, entry, verb);
			else if (!policy_words_add(&rule->runs, verb + 4,
						   strlen(verb) - 4))
				out_of_memory(reader, entry->file);
		}
	}
	for (size_t i = 0; i < verbs.n_words; i++)
		free(verbs.words[i]);
	free(verbs.words);
}

/* The N of uid:N; POLICY_ID_INVALID for what is no number or no id. */
static uint32_t parse_id(const char *digits)
{
	uint64_t id = 0;
	size_t length = strspn(digits, "0123456789");

	if (length == 0 || length > 10 || digits[length] ||
	    (length > 1 && digits[0] == '0'))
		return POLICY_ID_INVALID;
	for (; *digits; digits++)
		id = id * 10 + (uint64_t)(*digits - '0');
	return id < POLICY_ID_INVALID ? (uint32_t)id : POLICY_ID_INVALID;
}

static bool resolve(const struct policy_reader *reader, bool group, const char *name,
		    uint32_t *ret_id)
{
	const struct policy_resolver *resolver = reader->resolver;
	uid_t uid;
	gid_t gid;

	if (group && resolver->group(name, &gid, resolver->userdata))
		*ret_id = gid;
	else if (!group && resolver->user(name, &uid, resolver->userdata))
		*ret_id = uid;
	else
		return false;
	return true;
}

static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(gid_t) == sizeof(uint32_t),
	      "take_who() fills both alike");

/* What the writer of sudoers(5) expects is not an account that is missing. */
static const char *why_unknown(bool group, const char *word)
{
	if (strchr(word, ','))
		return ": put blanks between names, no commas";
	if (!group && word[0] == '%')
		return ": a group is named by group =, without '%'";
	if (word[0] == '!')
		return ": there is no negation; write a rule with deny =";
	if (strcmp(word, "ALL") == 0 || strcmp(word, "*") == 0)
		return ": there is no word for everybody; name a group";
	return "; create it, or correct the name";
}

/* The id that a word of user = or group = means. False: a message was made. */
static bool parse_who(struct policy_reader *reader, const struct ini_entry *entry,
		      bool group, const char *word, uint32_t *ret_id)
{
	const char *kind = group ? "group" : "user";
	const char *prefix = group ? "gid:" : "uid:";
	bool by_number = strncmp(word, prefix, 4) == 0;
	uint32_t id = POLICY_ID_INVALID;
	char shown[SHOWN_SIZE];

	names_escape(word, shown, sizeof(shown));
	if (by_number) {
		id = parse_id(word + 4);
	} else if (word[strspn(word, "0123456789")] == '\0') {
		diag_error(reader->diag, entry->file, entry->line,
			   "'%s' is a number: a %s is given by name, or as %s%s", shown,
			   kind, prefix, shown);
		return false;
	} else if (!resolve(reader, group, word, &id)) {
		diag_error(reader->diag, entry->file, entry->line, "unknown %s '%s'%s",
			   kind, shown, why_unknown(group, word));
		return false;
	}
	if (policy_id_is_nobody(id)) {
		diag_error(reader->diag, entry->file, entry->line,
			   "'%s' cannot be in a rule: %s4294967295 and %s%u are "
			   "nobody's, and a number is plain decimal",
			   shown, prefix, prefix, POLICY_ID_OVERFLOW);
		return false;
	}
	if (!group && by_number && id == 0) {
		diag_error(reader->diag, entry->file, entry->line,
			   "'%s' cannot be in a rule: root may do everything without "
			   "one, and nothing can be denied to it; remove it",
			   shown);
		return false;
	}
	*ret_id = id;
	return true;
}

static void take_who(struct policy_reader *reader, const struct ini_entry *entry,
		     bool group)
{
	struct policy_rule *rule = reader->rule;
	struct words *words = group ? &rule->groups : &rule->users;
	uint32_t *ids;

	if (!split(reader, entry, words))
		return;
	ids = calloc(words->n_words, sizeof(*ids));
	if (!ids) {
		out_of_memory(reader, entry->file);
		return;
	}
	if (group)
		rule->gids = ids;
	else
		rule->uids = ids;
	for (size_t i = 0; i < words->n_words; i++) {
		ids[i] = POLICY_ID_INVALID;
		(void)parse_who(reader, entry, group, words->words[i], &ids[i]);
	}
}

void policy_take_users(struct policy_reader *reader, const struct ini_entry *entry)
{
	take_who(reader, entry, false);
}

void policy_take_groups(struct policy_reader *reader, const struct ini_entry *entry)
{
	take_who(reader, entry, true);
}

static void warn_unknown_app(struct policy_reader *reader,
			     const struct ini_entry *entry, const char *app)
{
	const struct policy_resolver *resolver = reader->resolver;
	const char **known, *meant;

	if (resolver->is_refused && resolver->is_refused(app, resolver->userdata))
		return;
	known = calloc(reader->n_apps + 1, sizeof(*known));
	if (!known) {
		out_of_memory(reader, entry->file);
		return;
	}
	for (size_t i = 0; i < reader->n_apps; i++)
		known[i] = reader->apps[i]->app_name;
	meant = suggest_word(app, known);
	if (meant)
		diag_warning(reader->diag, entry->file, entry->line,
			     "there is no app '%s', did you mean '%s'?", app, meant);
	else
		diag_warning(reader->diag, entry->file, entry->line,
			     "there is no app '%s' (yet)", app);
	free(known);
}

void policy_take_apps(struct policy_reader *reader, const struct ini_entry *entry)
{
	struct policy_rule *rule = reader->rule;
	char shown[SHOWN_SIZE];

	if (strcmp(entry->value, "*") == 0) {
		rule->every_app = true;
		return;
	}
	if (!split(reader, entry, &rule->apps))
		return;
	for (size_t i = 0; i < rule->apps.n_words; i++) {
		const char *app = rule->apps.words[i];
		bool known = false;

		if (!names_app_valid(app)) {
			diag_error(reader->diag, entry->file, entry->line,
				   "'%s' is not an app's name; there are no patterns, "
				   "and * stands alone",
				   names_escape(app, shown, sizeof(shown)));
			continue;
		}
		for (size_t j = 0; j < reader->n_apps; j++)
			known |= strcmp(reader->apps[j]->app_name, app) == 0;
		if (!known)
			warn_unknown_app(reader, entry, app);
	}
}

void policy_take_require_sha256(struct policy_reader *reader,
				const struct ini_entry *entry)
{
	if (strcmp(entry->value, "yes") == 0)
		reader->rule->require_sha256 = true;
	else if (strcmp(entry->value, "no") != 0)
		diag_error(reader->diag, entry->file, entry->line, "%s is yes or no",
			   entry->key);
}

static bool parse_minute(const char *text, unsigned int *ret_minute)
{
	unsigned int digits[5];

	for (int i = 0; i < 5; i++) {
		digits[i] = (unsigned int)((unsigned char)text[i] - '0');
		if (i == 2 ? text[i] != ':' : digits[i] > 9)
			return false;
	}
	if (digits[3] > 5)
		return false;
	*ret_minute = (digits[0] * 10 + digits[1]) * 60 + digits[3] * 10 + digits[4];
	return *ret_minute <= POLICY_MINUTES_A_DAY;
}

void policy_take_hours(struct policy_reader *reader, const struct ini_entry *entry)
{
	struct policy_rule *rule = reader->rule;

	if (strlen(entry->value) != strlen("HH:MM-HH:MM") || entry->value[5] != '-' ||
	    !parse_minute(entry->value, &rule->from_minute) ||
	    !parse_minute(entry->value + 6, &rule->to_minute) ||
	    rule->from_minute == POLICY_MINUTES_A_DAY)
		diag_error(reader->diag, entry->file, entry->line,
			   "hours is HH:MM-HH:MM, from 00:00 to 24:00, as in "
			   "08:30-17:00 or 22:00-06:00");
	else if (rule->from_minute == rule->to_minute)
		diag_error(reader->diag, entry->file, entry->line,
			   "hours begin and end at the same minute; without hours a "
			   "rule holds all day");
	rule->has_hours = true;
}
