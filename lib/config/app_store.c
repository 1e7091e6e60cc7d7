/* From the options of a parsed file to struct app_config, and its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_parse.h"

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
		option->is_list = set->specs[i].list;
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
		.strip_components = option_number(set, "strip_components"),
	};
	config->require_sha256 = option_bool(set, "require_sha256");
	config->daemon_reload = option_bool(set, "daemon_reload");
	config->job_timeout_sec = option_number(set, "job_timeout_sec");
	config->stop_timeout_sec = option_number(set, "stop_timeout_sec");
	/* The choices stand in the order of the enums; a test holds that. */
	config->flag_debounce_ms = option_number(set, "flag_debounce_ms");
	config->flag_burst = option_number(set, "flag_burst");
	config->flag_interval_sec = option_number(set, "flag_interval_sec");
	config->touch_timeout_sec = option_number(set, "touch_timeout_sec");
	config->health = (struct app_health){
		.min_healthy_sec = option_number(set, "min_healthy_sec"),
		.healthy_deadline_sec = option_number(set, "healthy_deadline_sec"),
		.bake_sec = option_number(set, "bake_sec"),
		.auto_rollback = option_bool(set, "auto_rollback"),
	};
	config->restart_method =
		(enum restart_method)option_choice(set, "restart_method");
	config->activate_method =
		(enum activate_method)option_choice(set, "activate_method");
	config->require_verified =
		(enum require_verified)option_choice(set, "require_verified");
	config->flag_on_start = (enum flag_on_start)option_choice(set, "flag_on_start");
}

struct app_config *app_store(const struct app_parser *parser)
{
	const struct option_set *set = &parser->options;
	struct app_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	store_numbers(set, config);
	config->file = strdup(set->file);
	if (config->file && store_options(set, config) && store_texts(set, config) &&
	    option_list_copy(option_slot(set, "require_files"),
			     &config->require_files) &&
	    option_list_copy(option_slot(set, "linked_dirs"), &config->linked_dirs) &&
	    option_list_copy(option_slot(set, "linked_files"), &config->linked_files) &&
	    option_list_copy(option_slot(set, "link_targets"),
			     &config->limits.link_targets) &&
	    app_sections_store(parser, config) && app_health_store(parser, config))
		return config;
	app_config_free(config);
	return NULL;
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

static void free_list(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

static void free_check(const struct health_check *check)
{
	free_texts((char *[]){check->name, check->url, check->body, check->address,
			      check->command, check->file},
		   6);
	free_list(check->headers);
	free(check->statuses);
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
	for (size_t i = 0; i < config->health.n_checks; i++)
		free_check(&config->health.checks[i]);
	free(config->health.checks);
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
	free_list(config->require_files);
	free_list(config->linked_dirs);
	free_list(config->linked_files);
	free_list(config->limits.link_targets);
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
