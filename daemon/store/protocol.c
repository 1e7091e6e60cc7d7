/* Checks a JSON object against a row of the tables in protocol.h. */
#include "store/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const struct row {
	const char *name, *members;
} objects[] = {
#define OBJECT(name, members) {#name, members},
	STORE_OBJECTS(OBJECT)
#undef OBJECT
};

static const struct row verbs[STORE_VERB_COUNT] = {
#define VERB(name, request, reply) {#name, request},
	STORE_VERBS(VERB)
#undef VERB
};

/* A word of a row. */
struct word {
	const char *text;
	size_t length;
};

struct member {
	struct word name, type;
	bool optional;
};

static bool word_is(const struct word *word, const char *text)
{
	return strlen(text) == word->length &&
	       memcmp(word->text, text, word->length) == 0;
}

/* Takes the mark off the end of the word. */
static bool take_mark(struct word *word)
{
	bool marked = word->length > 0 && word->text[word->length - 1] == '?';

	word->length -= marked;
	return marked;
}

/* The next member of the row; false at its end. */
static bool next_member(const char **row, struct member *ret_member)
{
	const char *at = *row + strspn(*row, ", ");

	if (*at == '\0')
		return false;
	ret_member->name = (struct word){at, strcspn(at, ":")};
	at += ret_member->name.length;
	at += strspn(at, ": ");
	ret_member->type = (struct word){at, strcspn(at, ",")};
	*row = at + ret_member->type.length;
	ret_member->optional = take_mark(&ret_member->name);
	return true;
}

static bool object_fits(const char *members, const json_t *object, struct errinfo *ei);

static bool value_fits(struct word type, const json_t *value, struct errinfo *ei)
{
	const json_t *item;
	size_t i;

	if (take_mark(&type) && json_is_null(value))
		return true;
	if (type.text[0] == '[') {
		const struct word of = {type.text + 1, type.length - 2};

		json_array_foreach ((json_t *)value, i, item)
			if (!value_fits(of, item, ei))
				return false;
		return json_is_array(value);
	}
	if (word_is(&type, "any"))
		return true;
	if (word_is(&type, "text"))
		return json_is_string(value);
	if (word_is(&type, "int"))
		return json_is_integer(value);
	if (word_is(&type, "bool"))
		return json_is_boolean(value);
	if (word_is(&type, "object"))
		return json_is_object(value);
	for (i = 0; i < sizeof(objects) / sizeof(*objects); i++)
		if (word_is(&type, objects[i].name))
			return object_fits(objects[i].members, value, ei);
	return false;
}

static void refuse(struct errinfo *ei, const char *why, const struct word *name)
{
	/* The innermost one says the most. */
	if (ei->what[0] == '\0')
		(void)errinfo_refuse(ei, RESULT_FAILED, "bad request: %s%.*s", why,
				     (int)name->length, name->text);
}

static bool object_fits(const char *members, const json_t *object, struct errinfo *ei)
{
	static const struct word none = {"", 0};
	struct member member;
	size_t n_known = 0;

	if (!json_is_object(object))
		return false;
	while (next_member(&members, &member)) {
		const json_t *value =
			json_object_getn(object, member.name.text, member.name.length);

		if (!value && member.optional)
			continue;
		if (!value || !value_fits(member.type, value, ei)) {
			refuse(ei, value ? "" : "no ", &member.name);
			return false;
		}
		n_known++;
	}
	if (n_known != json_object_size(object))
		refuse(ei, "it has an unknown member", &none);
	return n_known == json_object_size(object);
}

enum store_verb protocol_verb(const char *name)
{
	size_t i = 0;

	while (i < STORE_VERB_COUNT && !(name && strcmp(verbs[i].name, name) == 0))
		i++;
	return (enum store_verb)i;
}

int protocol_check_request(enum store_verb verb, const json_t *request,
			   struct errinfo *ei)
{
	struct errinfo problem = {0};

	if (verb < STORE_VERB_COUNT &&
	    object_fits(verbs[verb].members, request, &problem))
		return 0;
	*ei = problem;
	return -EINVAL;
}

int protocol_check_app(const json_t *app, struct errinfo *ei)
{
	const struct word type = {"app", strlen("app")};
	struct errinfo problem = {0};

	if (value_fits(type, app, &problem))
		return 0;
	refuse(&problem, "", &type);
	*ei = problem;
	return -EINVAL;
}
