/* Sections [health_check NAME]: which options each type has, and their store. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_parse.h"
#include "deploy/command_line.h"
#include "deploy/limits.h"
#include "option_net.h"

static const struct {
	const char *name;
	const char *required;
	const char *own[4]; /* those that no other type has */
} types[] = {
	[HEALTH_CHECK_TYPE_HTTP] = {"http", "url", {"url", "status", "body", "header"}},
	[HEALTH_CHECK_TYPE_TCP] = {"tcp", "address", {"address"}},
	[HEALTH_CHECK_TYPE_EXEC] = {"exec", "command", {"command"}},
};
#define N_TYPES (sizeof(types) / sizeof(*types))

const char *health_check_type_name(enum health_check_type type)
{
	assert((size_t)type < N_TYPES);
	return types[type].name;
}

static bool given(const struct option_slot *slot)
{
	return slot->file && slot->n_items > 0;
}

static void check_options_of_type(const struct app_section *section, size_t type)
{
	const struct option_set *options = &section->options;

	/* A faulty one is there all the same, and was told. */
	if (option_slot(options, types[type].required)->n_items == 0)
		option_error(options, types[type].required,
			     "is missing; type = %s needs it", types[type].name);
	if (type == HEALTH_CHECK_TYPE_HTTP &&
	    option_slot(options, "status")->n_items == 0)
		option_error(options, "status", "is empty: no answer would do");
	for (size_t i = 0; i < N_TYPES; i++) {
		if (i == type)
			continue;
		for (size_t j = 0; j < 4 && types[i].own[j]; j++)
			if (given(option_slot(options, types[i].own[j])))
				option_error(options, types[i].own[j],
					     "is for type = %s, not %s", types[i].name,
					     types[type].name);
	}
}

/* What deployd-probe, and the start of a command, have room for. */
static void check_room(const struct option_set *options)
{
	const struct option_slot *headers = option_slot(options, "header");
	const char *command = option_text(options, "command"), *fault = NULL;
	char **argv;

	if (!option_known(options, "header"))
		headers = NULL;
	if (headers && headers->n_items > HEALTH_HEADERS_MAX)
		option_error(options, "header",
			     "more than %d of them; divide them among several "
			     "[health_check NAME]",
			     HEALTH_HEADERS_MAX);
	for (size_t i = 0; headers && i < headers->n_items; i++) {
		if (strcspn(headers->items[i].text, ":") > HEALTH_HEADER_NAME_MAX)
			option_error(options, "header",
				     "a name is longer than %d bytes",
				     HEALTH_HEADER_NAME_MAX);
		else if (strlen(headers->items[i].text) > HEALTH_HEADER_MAX)
			option_error(options, "header", "is longer than %d bytes",
				     HEALTH_HEADER_MAX);
	}
	if (!command || !option_known(options, "command"))
		return;
	argv = command_line_split(command, &fault);
	if (!argv)
		option_error(options, "command", "%s", fault);
	free(argv);
}

/* Successes in a row take time; can they be had before the deadline? */
static void check_time(const struct app_parser *parser,
		       const struct app_section *section)
{
	const struct option_set *options = &section->options;
	uint64_t interval = option_number(options, "interval_sec");
	uint64_t successes = option_number(options, "successes");
	uint64_t deadline_ms;

	if (!option_known(&parser->options, "healthy_deadline_sec") ||
	    !option_known(options, "interval_sec") ||
	    !option_known(options, "successes"))
		return;
	deadline_ms = option_number(&parser->options, "healthy_deadline_sec") * 1000;
	if (successes > 1 && (successes - 1) * interval >= deadline_ms)
		option_error(options, "successes",
			     "%llu of them, interval_sec apart, take longer than "
			     "healthy_deadline_sec, %s",
			     (unsigned long long)successes,
			     option_text(&parser->options, "healthy_deadline_sec"));
}

void app_health_check(struct app_parser *parser)
{
	size_t n = 0;

	for (size_t i = 0; i < parser->n_sections; i++) {
		const struct app_section *section = &parser->sections[i];

		if (section->kind != APP_SECTION_KIND_HEALTH_CHECK)
			continue;
		if (++n == APP_HEALTH_CHECKS_MAX + 1)
			diag_error(parser->diag, section->file, section->line,
				   "more than %d sections [health_check NAME]",
				   APP_HEALTH_CHECKS_MAX);
		if (option_known(&section->options, "type"))
			check_options_of_type(section,
					      option_choice(&section->options, "type"));
		check_room(&section->options);
		check_time(parser, section);
	}
}

static bool store_statuses(const struct option_slot *slot, struct health_check *check)
{
	check->statuses = calloc(slot->n_items + 1, sizeof(*check->statuses));
	if (!check->statuses)
		return false;
	for (size_t i = 0; i < slot->n_items; i++)
		if (option_status_range(slot->items[i].text, &check->statuses[i].from,
					&check->statuses[i].to))
			check->n_statuses++;
	return true;
}

/* Codes in order, each once: however they were written, the text has its bound. */
void health_check_status_text(const struct health_check *check,
			      char ret_text[HEALTH_STATUS_TEXT_MAX + 1])
{
	bool wanted[HEALTH_STATUS_MAX + 2] = {false};
	size_t used = 0;
	unsigned int last;

	for (size_t i = 0; i < check->n_statuses; i++)
		for (unsigned int code = check->statuses[i].from;
		     code <= check->statuses[i].to; code++)
			wanted[code] = true;
	ret_text[0] = '\0';
	for (unsigned int code = HEALTH_STATUS_MIN; code <= HEALTH_STATUS_MAX;
	     code = last + 1) {
		last = code;
		if (!wanted[code])
			continue;
		while (wanted[last + 1])
			last++;
		used += (size_t)snprintf(ret_text + used,
					 HEALTH_STATUS_TEXT_MAX + 1 - used,
					 code == last ? "%s%u" : "%s%u-%u",
					 used > 0 ? "," : "", code, last);
		assert(used <= HEALTH_STATUS_TEXT_MAX);
	}
}

/* A copy of the text, if any; false without memory. */
static bool copy(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return !text || *ret_copy;
}

static bool store(const struct app_section *section, struct health_check *check)
{
	const struct option_set *options = &section->options;
	bool http;

	check->type = (enum health_check_type)option_choice(options, "type");
	check->interval_ms = option_number(options, "interval_sec");
	check->timeout_ms = option_number(options, "timeout_sec");
	check->successes = option_number(options, "successes");
	check->line = section->line;
	http = check->type == HEALTH_CHECK_TYPE_HTTP;
	return copy(section->name, &check->name) && copy(section->file, &check->file) &&
	       copy(option_text(options, "url"), &check->url) &&
	       copy(option_text(options, "body"), &check->body) &&
	       copy(option_text(options, "address"), &check->address) &&
	       copy(option_text(options, "command"), &check->command) &&
	       option_list_copy(option_slot(options, "header"), &check->headers) &&
	       (!http || store_statuses(option_slot(options, "status"), check));
}

bool app_health_store(const struct app_parser *parser, struct app_config *config)
{
	struct app_health *health = &config->health;

	health->checks = calloc(APP_HEALTH_CHECKS_MAX, sizeof(*health->checks));
	if (!health->checks)
		return false;
	for (size_t i = 0; i < parser->n_sections; i++) {
		const struct app_section *section = &parser->sections[i];

		if (section->kind != APP_SECTION_KIND_HEALTH_CHECK)
			continue;
		assert(health->n_checks < APP_HEALTH_CHECKS_MAX);
		if (!store(section, &health->checks[health->n_checks++]))
			return false;
	}
	return true;
}
