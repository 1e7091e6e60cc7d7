#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_parse.h"
#include "deploy/names.h"

static const struct option_spec command_options[] = {
	{"commands", "command", NULL, .type = OPTION_TYPE_TEXT},
};

static const struct {
	const char *word; /* before the name in the section's title */
	const struct option_spec *specs;
	size_t n_specs;
	const char *required[2];
} kinds[APP_SECTION_KIND_COUNT] = {
	[APP_SECTION_KIND_COMMAND] = {"commands", command_options, 1, {NULL, NULL}},
	[APP_SECTION_KIND_COPY_FILE] = {"copy_file",
					app_copy_file_options,
					APP_COPY_FILE_OPTIONS,
					{"src", "dst"}},
	[APP_SECTION_KIND_CREATE_DIR] = {"create_dir",
					 app_create_dir_options,
					 APP_CREATE_DIR_OPTIONS,
					 {"path", NULL}},
	[APP_SECTION_KIND_HEALTH_CHECK] = {"health_check",
					   app_health_check_options,
					   APP_HEALTH_CHECK_OPTIONS,
					   {"type", NULL}},
};

static bool name_valid(struct app_parser *parser, enum app_section_kind kind,
		       const char *name, unsigned int line)
{
	/* A check's name is shown in status and history like an app's. */
	const struct option_spec spec = {.type = kind == APP_SECTION_KIND_HEALTH_CHECK
							 ? OPTION_TYPE_APP_NAME
							 : OPTION_TYPE_COMPONENT};
	char fault[OPTION_FAULT_SIZE], shown[64];

	if (name[0] == '\0') {
		diag_error(parser->diag, parser->file, line,
			   "the section needs a name: [%s NAME]", kinds[kind].word);
		return false;
	}
	if (option_value_valid(&spec, name, fault))
		return true;
	diag_error(parser->diag, parser->file, line, "'%s' %s",
		   names_escape(name, shown, sizeof(shown)), fault);
	return false;
}

static struct app_section *find(const struct app_parser *parser,
				enum app_section_kind kind, const char *name)
{
	for (size_t i = 0; i < parser->n_sections; i++)
		if (parser->sections[i].kind == kind &&
		    strcmp(parser->sections[i].name, name) == 0)
			return &parser->sections[i];
	return NULL;
}

static bool section_init(struct app_section *section, struct app_parser *parser,
			 enum app_section_kind kind, const char *name)
{
	if (option_set_init(&section->options, kinds[kind].specs, kinds[kind].n_specs,
			    parser->file, parser->diag) < 0)
		return false;
	section->kind = kind;
	section->name = strdup(name);
	if (asprintf(&section->title, "[%s%s%s]%s%s", kinds[kind].word,
		     kind == APP_SECTION_KIND_COMMAND ? "" : " ",
		     kind == APP_SECTION_KIND_COMMAND ? "" : name,
		     kind == APP_SECTION_KIND_COMMAND ? " " : "",
		     kind == APP_SECTION_KIND_COMMAND ? name : "") < 0)
		section->title = NULL;
	section->options.name = section->title;
	return section->name && section->title;
}

static void section_deinit(struct app_section *section)
{
	option_set_deinit(&section->options);
	free(section->name);
	free(section->title);
}

/* The section of that name, made when there is none; NULL after a message. */
static struct app_section *obtain(struct app_parser *parser, enum app_section_kind kind,
				  const char *name, unsigned int line)
{
	struct app_section *section = find(parser, kind, name), *sections;

	if (section)
		return section;
	if (parser->n_sections == APP_SECTIONS_MAX) {
		diag_error(parser->diag, parser->file, line,
			   "more than %u named sections and commands",
			   APP_SECTIONS_MAX);
		return NULL;
	}
	sections = reallocarray(parser->sections, parser->n_sections + 1,
				sizeof(*sections));
	if (sections) {
		parser->sections = sections;
		section = &sections[parser->n_sections];
		*section = (struct app_section){.file = parser->file, .line = line};
		if (section_init(section, parser, kind, name)) {
			section->options.line = line;
			parser->n_sections++;
			return section;
		}
		section_deinit(section);
	}
	diag_error(parser->diag, parser->file, line, "out of memory");
	return NULL;
}

static void take_command(struct app_parser *parser, const struct ini_entry *entry)
{
	struct app_section *section;

	if (!name_valid(parser, APP_SECTION_KIND_COMMAND, entry->key, entry->line))
		return;
	section = obtain(parser, APP_SECTION_KIND_COMMAND, entry->key, entry->line);
	if (section)
		option_take(&section->options, 0, parser->file, entry);
}

static void take_option(struct app_parser *parser, enum app_section_kind kind,
			const char *name, const struct ini_entry *entry)
{
	struct app_section *section = obtain(parser, kind, name, entry->section_line);
	size_t index;

	if (!section)
		return;
	index = option_find(&section->options, entry->key);
	if (index < section->options.n_specs) {
		option_take(&section->options, index, parser->file, entry);
		return;
	}
	app_report_unknown_option(parser, &section->options, entry);
}

bool app_sections_take(struct app_parser *parser, const struct ini_entry *entry)
{
	if (strcmp(entry->section, "commands") == 0) {
		take_command(parser, entry);
		return true;
	}
	for (int kind = APP_SECTION_KIND_COPY_FILE; kind < APP_SECTION_KIND_COUNT;
	     kind++) {
		size_t n = strlen(kinds[kind].word);
		const char *name = entry->section + n;

		if (strncmp(entry->section, kinds[kind].word, n) != 0 ||
		    (*name != '\0' && *name != ' '))
			continue;
		if (*name == ' ')
			name++;
		if (parser->bad_section_line == entry->section_line)
			return true;
		if (name_valid(parser, (enum app_section_kind)kind, name,
			       entry->section_line))
			take_option(parser, (enum app_section_kind)kind, name, entry);
		else
			parser->bad_section_line = entry->section_line;
		return true;
	}
	return false;
}

void app_sections_resolve(struct app_parser *parser)
{
	for (size_t i = 0; i < parser->n_sections; i++) {
		struct app_section *section = &parser->sections[i];
		const char *const *required = kinds[section->kind].required;

		section->options.outer = &parser->options;
		option_set_resolve(&section->options);
		for (size_t j = 0; j < 2 && required[j]; j++)
			if (option_slot(&section->options, required[j])->n_items == 0)
				diag_error(parser->diag, section->file, section->line,
					   "%s: %s is missing", section->title,
					   required[j]);
	}
}

/* A copy of the option's text; NULL sets *failed, but for an unset option. */
static char *copy(const struct option_set *options, const char *name, bool *failed)
{
	const char *text = option_text(options, name);
	char *copied = text ? strdup(text) : NULL;

	*failed |= text && !copied;
	return copied;
}

static char *copy_text(const char *text, bool *failed)
{
	char *copied = strdup(text);

	*failed |= !copied;
	return copied;
}

static void store_command(const struct app_section *section, struct app_config *config,
			  bool *failed)
{
	if (!option_text(&section->options, "command"))
		return; /* a drop-in took it away */
	config->commands[config->n_commands++] = (struct app_command){
		.name = copy_text(section->name, failed),
		.command = copy(&section->options, "command", failed),
		.file = copy_text(section->file, failed),
		.line = section->line,
	};
}

static void store_copy_file(const struct app_section *section,
			    struct app_config *config, bool *failed)
{
	const struct option_set *options = &section->options;

	config->copy_files[config->n_copy_files++] = (struct app_copy_file){
		.name = copy_text(section->name, failed),
		.src = copy(options, "src", failed),
		.dst = copy(options, "dst", failed),
		.user = copy(options, "user", failed),
		.group = copy(options, "group", failed),
		.mode = (mode_t)option_number(options, "mode"),
		.enabled = option_bool(options, "enabled"),
		.file = copy_text(section->file, failed),
		.line = section->line,
	};
}

static void store_create_dir(const struct app_section *section,
			     struct app_config *config, bool *failed)
{
	const struct option_set *options = &section->options;

	config->create_dirs[config->n_create_dirs++] = (struct app_create_dir){
		.name = copy_text(section->name, failed),
		.path = copy(options, "path", failed),
		.user = copy(options, "user", failed),
		.group = copy(options, "group", failed),
		.comment = copy(options, "comment", failed),
		.mode = (mode_t)option_number(options, "mode"),
		.enabled = option_bool(options, "enabled"),
		.file = copy_text(section->file, failed),
		.line = section->line,
	};
}

bool app_sections_store(const struct app_parser *parser, struct app_config *config)
{
	size_t n = parser->n_sections + 1; /* calloc(0) may be NULL */
	bool failed = false;

	config->commands = calloc(n, sizeof(struct app_command));
	config->copy_files = calloc(n, sizeof(struct app_copy_file));
	config->create_dirs = calloc(n, sizeof(struct app_create_dir));
	if (!config->commands || !config->copy_files || !config->create_dirs)
		return false;
	for (size_t i = 0; i < parser->n_sections; i++) {
		const struct app_section *section = &parser->sections[i];

		switch (section->kind) {
		case APP_SECTION_KIND_COMMAND:
			store_command(section, config, &failed);
			break;
		case APP_SECTION_KIND_COPY_FILE:
			store_copy_file(section, config, &failed);
			break;
		case APP_SECTION_KIND_CREATE_DIR:
			store_create_dir(section, config, &failed);
			break;
		case APP_SECTION_KIND_HEALTH_CHECK: /* app_health_store() */
		case APP_SECTION_KIND_COUNT:
			break;
		}
	}
	return !failed;
}

void app_sections_deinit(struct app_parser *parser)
{
	for (size_t i = 0; i < parser->n_sections; i++)
		section_deinit(&parser->sections[i]);
	free(parser->sections);
}
