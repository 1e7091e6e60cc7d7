#include "option.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "deploy/suggest.h"

#define SHOWN_SIZE 160 /* of a value, in a message */

int option_set_init(struct option_set *set, const struct option_spec *specs,
		    size_t n_specs, const char *file, struct diag *diag)
{
	*set = (struct option_set){
		.specs = specs,
		.slots = calloc(n_specs, sizeof(struct option_slot)),
		.n_specs = n_specs,
		.file = file,
		.diag = diag,
	};
	if (set->slots)
		return 0;
	set->n_specs = 0;
	diag_error(diag, file, 0, "out of memory");
	return -ENOMEM;
}

static void drop_items(struct option_slot *slot)
{
	for (size_t i = 0; i < slot->n_items; i++)
		free(slot->items[i].text);
	free(slot->items);
	slot->items = NULL;
	slot->n_items = 0;
}

void option_set_deinit(struct option_set *set)
{
	for (size_t i = 0; i < set->n_specs; i++)
		drop_items(&set->slots[i]);
	free(set->slots);
	*set = (struct option_set){0};
}

size_t option_find(const struct option_set *set, const char *name)
{
	size_t i = 0;

	while (i < set->n_specs && strcmp(set->specs[i].name, name) != 0)
		i++;
	return i;
}

const char *option_nearest(const struct option_set *set, const char *name)
{
	size_t n = strlen(name), best = n > 5 ? 4 : n > 3 ? 3 : 2; /* and less */
	const char *nearest = NULL;

	for (size_t i = 0; i < set->n_specs; i++) {
		size_t d = suggest_distance(name, set->specs[i].name);

		if (d < best) {
			best = d;
			nearest = set->specs[i].name;
		}
	}
	return nearest;
}

/* file NULL: the default. */
static void report(const struct option_set *set, const char *file, unsigned int line,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void report(const struct option_set *set, const char *file, unsigned int line,
		   const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(set->diag, file ? file : set->file, file ? line : set->line,
		   "%s%s%s", set->name ? set->name : "", set->name ? ": " : "", text);
}

void option_error(const struct option_set *set, const char *name, const char *fmt, ...)
{
	const struct option_slot *slot = option_slot(set, name);
	char text[640];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report(set, slot->file, slot->line, "%s: %s", name, text);
}

static void add_item(struct option_set *set, struct option_slot *slot, const char *text,
		     size_t length, const char *file, unsigned int line)
{
	struct option_item *items, item = {.file = file, .line = line};

	if (slot->n_items == OPTION_ITEMS_MAX) {
		report(set, file, line, "the list has more than %u items",
		       OPTION_ITEMS_MAX);
		return;
	}
	items = reallocarray(slot->items, slot->n_items + 1, sizeof(*items));
	if (items)
		slot->items = items;
	item.text = items ? strndup(text, length) : NULL;
	if (!item.text) {
		report(set, file, line, "out of memory");
		return;
	}
	slot->items[slot->n_items++] = item;
}

static void add_value(struct option_set *set, size_t index, const char *text,
		      const char *file, unsigned int line)
{
	struct option_slot *slot = &set->slots[index];

	if (!set->specs[index].words) {
		add_item(set, slot, text, strlen(text), file, line);
		return;
	}
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		size_t n = strcspn(text, " \t");

		add_item(set, slot, text, n, file, line);
		text += n;
	}
}

void option_take(struct option_set *set, size_t index, const char *file,
		 const struct ini_entry *entry)
{
	const struct option_spec *spec = &set->specs[index];
	struct option_slot *slot = &set->slots[index];

	if (!spec->list && slot->file && strcmp(slot->file, file) == 0) {
		report(set, file, entry->line, "%s is already set in line %u; keep one",
		       spec->name, slot->line);
		return;
	}
	if (!spec->list || entry->value[0] == '\0')
		drop_items(slot);
	slot->file = file;
	slot->line = entry->line;
	if (entry->value[0] != '\0')
		add_value(set, index, entry->value, file, entry->line);
}

void option_default(struct option_set *set, size_t index, const char *text)
{
	struct option_slot *slot = &set->slots[index];

	if (slot->n_items > 0)
		return;
	slot->file = NULL; /* a line that set it to nothing is not its origin */
	slot->line = 0;
	add_item(set, slot, text, strlen(text), NULL, 0);
}

/* Text that grows, bounded. */
struct text {
	char *bytes;
	size_t length;
	bool failed; /* too long, or no memory */
};

static void append(struct text *text, const char *bytes, size_t length)
{
	char *grown;

	if (text->failed || text->length + length > OPTION_VALUE_BYTES_MAX) {
		text->failed = true;
		return;
	}
	grown = realloc(text->bytes, text->length + length + 1);
	if (!grown) {
		text->failed = true;
		return;
	}
	memcpy(grown + text->length, bytes, length);
	text->bytes = grown;
	text->length += length;
	grown[text->length] = '\0';
}

static bool resolve(struct option_set *set, size_t index);

/* The value of {name} behind *text; false after a message or a fault already told. */
static bool append_option(struct option_set *set, const char *owner,
			  const struct option_item *item, const char *name,
			  struct text *text)
{
	struct option_set *from = set->outer ? set->outer : set;
	size_t index = option_find(from, name);
	char shown[SHOWN_SIZE];
	const char *nearest;
	struct option_slot *slot;

	if (index == from->n_specs) {
		nearest = option_nearest(from, name);
		report(set, item->file, item->line,
		       "%s: there is no option {%s}%s%s%s (a brace itself is written "
		       "'{{')",
		       owner, names_escape(name, shown, sizeof(shown)),
		       nearest ? "; did you mean {" : "", nearest ? nearest : "",
		       nearest ? "}?" : "");
		return false;
	}
	slot = &from->slots[index];
	if (slot->state == OPTION_STATE_EXPANDING) {
		report(set, item->file, item->line,
		       "%s: {%s} goes round in a circle, its value needs that of %s",
		       owner, name, owner);
		return false;
	}
	if (!resolve(from, index))
		return false;
	if (slot->n_items == 0) {
		/* No default but deploy_group's, of deploy_user, which must be given
		 * and is complained about then. */
		if (item->file)
			report(set, item->file, item->line, "%s: {%s} has no value",
			       owner, name);
		return false;
	}
	for (size_t i = 0; i < slot->n_items; i++) {
		if (i > 0)
			append(text, " ", 1);
		append(text, slot->items[i].text, strlen(slot->items[i].text));
	}
	return true;
}

/* The item's text with every {name} replaced; NULL after a message. */
static char *expand(struct option_set *set, const char *owner,
		    const struct option_item *item)
{
	struct option_set *root = set->outer ? set->outer : set;
	struct text text = {0};
	const char *p = item->text;
	bool good = true;

	append(&text, "", 0);
	while (*p && good) {
		size_t n = strcspn(p, "{");
		char name[64];

		append(&text, p, n);
		p += n;
		if (p[0] == '\0')
			break;
		if (p[1] == '{') {
			append(&text, "{", 1);
			p += 2;
			continue;
		}
		n = strcspn(p + 1, "}");
		if (p[n + 1] != '}' || n == 0 || n >= sizeof(name)) {
			report(set, item->file, item->line,
			       "%s: a '{' without the name of an option and '}' (a "
			       "brace itself is written '{{')",
			       owner);
			good = false;
			break;
		}
		memcpy(name, p + 1, n);
		name[n] = '\0';
		good = append_option(set, owner, item, name, &text);
		p += n + 2;
	}
	root->expanded += text.length;
	if (good && (text.failed || root->expanded > OPTION_TOTAL_BYTES_MAX)) {
		report(set, item->file, item->line,
		       "%s: with its {options} the value is longer than %u bytes, or "
		       "all values are than %u; or memory is short",
		       owner, OPTION_VALUE_BYTES_MAX, OPTION_TOTAL_BYTES_MAX);
		good = false;
	}
	if (good)
		return text.bytes;
	free(text.bytes);
	return NULL;
}

/* mix_deploy's configuration is Elixir, and names other options as variables. */
static const char *foreign_hint(const char *text)
{
	const char *dollar = strchr(text, '$');

	/* An address of IPv6 begins with '[', too. */
	if (strncmp(text, "%{", 2) == 0 ||
	    (text[0] == '[' && text[1] != '\0' && strchr("\"{~%", text[1])) ||
	    (strncmp(text, "[:", 2) == 0 && text[2] >= 'a' && text[2] <= 'z'))
		return "; of a list in Elixir write one value a line, without brackets "
		       "and quotes, and {deploy_user} for $DEPLOY_USER";
	if (dollar && dollar[1] >= 'A' && dollar[1] <= 'Z')
		return "; another option is named in braces here: {deploy_user} for "
		       "$DEPLOY_USER";
	return "";
}

static bool resolve_item(struct option_set *set, const struct option_spec *spec,
			 struct option_item *item)
{
	char fault[OPTION_FAULT_SIZE], shown[SHOWN_SIZE];
	char *expanded = expand(set, spec->name, item);

	if (!expanded)
		return false;
	free(item->text);
	item->text = expanded;
	if (option_value_valid(spec, expanded, fault))
		return true;
	names_escape(expanded, shown, sizeof(shown));
	if (item->file)
		report(set, item->file, item->line, "%s: '%s' %s%s", spec->name, shown,
		       fault, foreign_hint(expanded));
	else
		report(set, NULL, 0, "%s: its default '%s' %s; set it", spec->name,
		       shown, fault);
	return false;
}

static bool resolve(struct option_set *set, size_t index)
{
	const struct option_spec *spec = &set->specs[index];
	struct option_slot *slot = &set->slots[index];
	bool emptied = spec->list && slot->file;

	if (slot->state == OPTION_STATE_DONE || slot->state == OPTION_STATE_FAILED)
		return slot->state == OPTION_STATE_DONE;
	slot->state = OPTION_STATE_EXPANDING;
	if (slot->n_items == 0 && spec->fallback && !emptied) {
		/* A scalar set to nothing is back at its default. */
		slot->file = NULL;
		slot->line = 0;
		add_value(set, index, spec->fallback, NULL, 0);
	}
	for (size_t i = 0; i < slot->n_items; i++)
		if (!resolve_item(set, spec, &slot->items[i]))
			slot->state = OPTION_STATE_FAILED;
	if (slot->state == OPTION_STATE_EXPANDING)
		slot->state = OPTION_STATE_DONE;
	return slot->state == OPTION_STATE_DONE;
}

void option_set_resolve(struct option_set *set)
{
	for (size_t i = 0; i < set->n_specs; i++)
		(void)resolve(set, i);
}

const struct option_slot *option_slot(const struct option_set *set, const char *name)
{
	size_t index = option_find(set, name);

	assert(index < set->n_specs);
	return &set->slots[index];
}

bool option_known(const struct option_set *set, const char *name)
{
	const struct option_slot *slot = option_slot(set, name);

	return slot->state == OPTION_STATE_DONE && slot->n_items > 0;
}

const char *option_text(const struct option_set *set, const char *name)
{
	const struct option_slot *slot = option_slot(set, name);

	return slot->n_items > 0 ? slot->items[0].text : NULL;
}

uint64_t option_number(const struct option_set *set, const char *name)
{
	const char *text = option_text(set, name);
	uint64_t number = 0;

	if (text)
		(void)option_value_number(&set->specs[option_find(set, name)], text,
					  &number);
	return number;
}

bool option_bool(const struct option_set *set, const char *name)
{
	return option_number(set, name) != 0;
}

unsigned int option_choice(const struct option_set *set, const char *name)
{
	const char *text = option_text(set, name);
	const char *p = set->specs[option_find(set, name)].choices;
	unsigned int position = 0;

	for (; text && *p; position++) {
		size_t n = strcspn(p, " ");

		if (n == strlen(text) && strncmp(p, text, n) == 0)
			return position;
		p += n;
		p += strspn(p, " ");
	}
	return 0;
}

bool option_list_copy(const struct option_slot *slot, char ***ret_list)
{
	char **list = calloc(slot->n_items + 1, sizeof(char *));

	*ret_list = list;
	for (size_t i = 0; list && i < slot->n_items; i++) {
		list[i] = strdup(slot->items[i].text);
		if (!list[i])
			return false;
	}
	return list != NULL;
}
