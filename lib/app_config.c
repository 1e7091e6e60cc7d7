#include "deploy/app_config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_parse.h"

static const char *const restart_methods[] = {
	[RESTART_METHOD_SYSTEMCTL] = "systemctl",
	[RESTART_METHOD_SYSTEMD_FLAG] = "systemd_flag",
	[RESTART_METHOD_TOUCH] = "touch",
};

const char *restart_method_name(enum restart_method method)
{
	assert((size_t)method < sizeof(restart_methods) / sizeof(*restart_methods));
	return restart_methods[method];
}

static bool is_section(const char *section)
{
	for (size_t i = 0; i < n_app_options; i++)
		if (strcmp(app_options[i].section, section) == 0)
			return true;
	return false;
}

static void report_unknown_section(struct app_parser *parser,
				   const struct ini_entry *entry)
{
	char shown[64];

	if (parser->bad_section_line == entry->section_line)
		return;
	parser->bad_section_line = entry->section_line;
	diag_error(parser->diag, parser->file, entry->section_line,
		   "there is no section [%s]; there are app, users, directories, "
		   "release, restart, health, environment, commands, hooks, unit, "
		   "copy_file NAME and create_dir NAME",
		   names_escape(entry->section, shown, sizeof(shown)));
}

static void report_unknown_option(struct app_parser *parser,
				  const struct ini_entry *entry)
{
	const struct app_foreign_option *foreign = app_foreign_option(entry->key);
	const char *nearest;
	char shown[64];

	if (foreign && !foreign->instead) {
		diag_warning(parser->diag, parser->file, entry->line,
			     "%s is for mix_deploy's generator of scripts and does "
			     "nothing here; remove the line",
			     foreign->name);
		return;
	}
	if (foreign) {
		diag_error(parser->diag, parser->file, entry->line,
			   "there is no option '%s'; %s", foreign->name,
			   foreign->instead);
		return;
	}
	nearest = option_nearest(&parser->options, entry->key);
	diag_error(parser->diag, parser->file, entry->line,
		   "there is no option '%s'%s%s%s",
		   names_escape(entry->key, shown, sizeof(shown)),
		   nearest ? "; did you mean '" : "", nearest ? nearest : "",
		   nearest ? "'?" : "");
}

static void on_entry(const struct ini_entry *entry, void *userdata)
{
	struct app_parser *parser = userdata;
	size_t index = option_find(&parser->options, entry->key);
	const char *section = entry->section;

	if (app_sections_take(parser, entry))
		return;
	if (section[0] != '\0' && !is_section(section)) {
		report_unknown_section(parser, entry);
		return;
	}
	if (index == parser->options.n_specs) {
		report_unknown_option(parser, entry);
		return;
	}
	if (strcmp(section, app_options[index].section) == 0) {
		option_take(&parser->options, index, parser->file, entry);
		return;
	}
	diag_error(parser->diag, parser->file, entry->line,
		   "%s belongs in section [%s], not %s%s%s", app_options[index].name,
		   app_options[index].section,
		   section[0] ? "in [" : "above every section", section,
		   section[0] ? "]" : "");
	/* It is given all the same: "app_user is missing" would mislead. */
	option_take(&parser->options, index, parser->file, entry);
}

/* foo_bar to foo-bar; false when it does not fit. */
static bool ext_name(const char *app_name, char *ret_text, size_t size)
{
	size_t n = strlen(app_name);

	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i <= n; i++)
		ret_text[i] = app_name[i] == '_' ? '-' : app_name[i];
	return true;
}

/* foo_bar to FooBar; false when it does not fit. */
static bool module_name(const char *app_name, char *ret_text, size_t size)
{
	bool start = true;
	size_t n = 0;

	for (const char *p = app_name; *p; p++) {
		bool is_lower = *p >= 'a' && *p <= 'z';

		if (n + 1 >= size)
			return false;
		if (*p != '_')
			ret_text[n++] = start && is_lower ? (char)(*p - 'a' + 'A') : *p;
		start = *p == '_';
	}
	ret_text[n] = '\0';
	return n > 0;
}

/* Defaults that no {expansion} can say. */
static void set_computed(struct option_set *options, const char *name)
{
	size_t app_name = option_find(options, "app_name");
	char text[APP_NAME_MAX + 1];
	const char *written;

	option_default(options, app_name, name);
	if (options->slots[app_name].n_items == 0)
		return; /* out of memory, reported */
	written = options->slots[app_name].items[0].text;
	if (ext_name(written, text, sizeof(text)))
		option_default(options, option_find(options, "ext_name"), text);
	if (module_name(written, text, sizeof(text)))
		option_default(options, option_find(options, "module_name"), text);
}

/* What only the administrator knows. */
static void check_given(const struct option_set *options)
{
	static const char *const required[] = {"app_user", "deploy_user"};

	for (size_t i = 0; i < sizeof(required) / sizeof(*required); i++)
		if (option_slot(options, required[i])->n_items == 0)
			option_error(options, required[i],
				     "is missing; set it in section [users]");
}

static char *join(const struct option_slot *slot)
{
	size_t length = 0, n;
	char *text, *to;

	for (size_t i = 0; i < slot->n_items; i++)
		length += strlen(slot->items[i].text) + 1;
	text = to = malloc(length + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < slot->n_items; i++) {
		n = strlen(slot->items[i].text);
		if (i > 0)
			*to++ = '\n';
		memcpy(to, slot->items[i].text, n);
		to += n;
	}
	*to = '\0';
	return text;
}

static bool store_options(const struct option_set *set, struct app_config *config)
{
	config->options = calloc(set->n_specs, sizeof(struct app_option));
	if (!config->options)
		return false;
	for (size_t i = 0; i < set->n_specs; i++) {
		const struct option_slot *slot = &set->slots[i];
		struct app_option *option = &config->options[i];

		config->n_options = i + 1;
		option->name = set->specs[i].name;
		option->section = set->specs[i].section;
		option->line = slot->line;
		if (slot->n_items > 0)
			option->value = join(slot);
		if (slot->file)
			option->file = strdup(slot->file);
		if ((slot->n_items > 0 && !option->value) ||
		    (slot->file && !option->file))
			return false;
	}
	return true;
}

static bool store_list(const struct option_slot *slot, char ***ret_list)
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

static bool store_texts(const struct option_set *set, struct app_config *config)
{
	const struct {
		const char *name;
		char **field;
	} texts[] = {
		{"app_name", &config->app_name},
		{"ext_name", &config->ext_name},
		{"release_name", &config->release_name},
		{"service_name", &config->service_name},
		{"version", &config->version},
		{"deploy_user", &config->deploy_user},
		{"deploy_group", &config->deploy_group},
		{"app_user", &config->app_user},
		{"app_group", &config->app_group},
		{"base_dir", &config->base_dir},
		{"deploy_dir", &config->deploy_dir},
		{"scripts_dir", &config->scripts_dir},
		{"current_dir", &config->current_dir},
		{"releases_dir", &config->releases_dir},
		{"flags_dir", &config->flags_dir},
		{"etc_dir", &config->etc_dir},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = option_text(set, texts[i].name);

		*texts[i].field = text ? strdup(text) : NULL;
		if (text && !*texts[i].field)
			return false;
	}
	if (asprintf(&config->unit, "%s.service", config->service_name) < 0) {
		config->unit = NULL;
		return false;
	}
	return true;
}

static void store_numbers(const struct option_set *set, struct app_config *config)
{
	config->deploy_uid = config->app_uid = (uid_t)-1;
	config->deploy_gid = config->app_gid = (gid_t)-1;
	config->sudo_deploy = option_bool(set, "sudo_deploy");
	config->sudo_app = option_bool(set, "sudo_app");
	config->keep = option_number(set, "keep");
	config->limits = (struct release_limits){
		.max_archive_bytes = option_number(set, "max_archive_bytes"),
		.max_release_bytes = option_number(set, "max_release_bytes"),
		.max_file_bytes = option_number(set, "max_file_bytes"),
		.max_entries = option_number(set, "max_entries"),
		.max_ratio = option_number(set, "max_ratio"),
		.max_depth = option_number(set, "max_depth"),
		.unpack_sec = option_number(set, "unpack_sec"),
	};
	config->require_sha256 = option_bool(set, "require_sha256");
	config->job_timeout_sec = option_number(set, "job_timeout_sec");
	/* The choices stand in the order of the enums; a test holds that. */
	config->restart_method =
		(enum restart_method)option_choice(set, "restart_method");
	config->activate_method =
		(enum activate_method)option_choice(set, "activate_method");
}

static struct app_config *make(const struct app_parser *parser)
{
	const struct option_set *set = &parser->options;
	struct app_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	store_numbers(set, config);
	config->file = strdup(set->file);
	if (config->file && store_options(set, config) && store_texts(set, config) &&
	    store_list(option_slot(set, "require_files"), &config->require_files) &&
	    app_sections_store(parser, config))
		return config;
	app_config_free(config);
	return NULL;
}

static void read_texts(struct app_parser *parser, const struct config_text *texts,
		       size_t n_texts)
{
	for (size_t i = 0; i < n_texts; i++) {
		parser->file = texts[i].file;
		parser->bad_section_line = 0;
		ini_read(texts[i].file, texts[i].text, texts[i].length, on_entry,
			 parser, parser->diag);
	}
}

struct app_config *app_config_parse(const char *name, const struct config_text *texts,
				    size_t n_texts, struct diag *diag)
{
	struct app_parser parser = {.diag = diag};
	struct app_config *config = NULL;
	const char *file = n_texts > 0 ? texts[0].file : name;
	bool earlier_errors = diag->has_errors;

	diag->has_errors = false;
	if (option_set_init(&parser.options, app_options, n_app_options, file, diag) ==
	    0) {
		read_texts(&parser, texts, n_texts);
		set_computed(&parser.options, name);
		option_set_resolve(&parser.options);
		app_sections_resolve(&parser);
		check_given(&parser.options);
		if (!diag->has_errors)
			app_check(&parser.options);
		if (!diag->has_errors) {
			config = make(&parser);
			if (!config)
				diag_error(diag, file, 0, "out of memory");
		}
	}
	app_sections_deinit(&parser);
	option_set_deinit(&parser.options);
	diag->has_errors |= earlier_errors;
	return config;
}

const struct app_option *app_config_option(const struct app_config *config,
					   const char *name)
{
	for (size_t i = 0; i < config->n_options; i++)
		if (strcmp(config->options[i].name, name) == 0)
			return &config->options[i];
	return NULL;
}

static void free_texts(char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
}

static void free_sections(struct app_config *config)
{
	for (size_t i = 0; i < config->n_commands; i++) {
		const struct app_command *c = &config->commands[i];

		free_texts((char *[]){c->name, c->command, c->file}, 3);
	}
	for (size_t i = 0; i < config->n_copy_files; i++) {
		const struct app_copy_file *c = &config->copy_files[i];

		free_texts(
			(char *[]){c->name, c->src, c->dst, c->user, c->group, c->file},
			6);
	}
	for (size_t i = 0; i < config->n_create_dirs; i++) {
		const struct app_create_dir *c = &config->create_dirs[i];

		free_texts((char *[]){c->name, c->path, c->user, c->group, c->comment,
				      c->file},
			   6);
	}
	free(config->commands);
	free(config->copy_files);
	free(config->create_dirs);
}

void app_config_free(struct app_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_options; i++) {
		free(config->options[i].value);
		free(config->options[i].file);
	}
	free(config->options);
	for (char **p = config->require_files; p && *p; p++)
		free(*p);
	free(config->require_files);
	free_sections(config);
	free_texts((char *[]){config->file, config->app_name, config->ext_name,
			      config->release_name, config->service_name, config->unit,
			      config->version, config->deploy_user,
			      config->deploy_group, config->app_user, config->app_group,
			      config->base_dir, config->deploy_dir, config->scripts_dir,
			      config->current_dir, config->releases_dir,
			      config->flags_dir, config->etc_dir},
		   18);
	free(config);
}
