#include <string.h>

#include "deploy/cleanup.h"
#include "output/json_out.h"
#include "setup/show_config.h"

/* Takes the reference on object. */
static json_t *with_origin(json_t *object, const char *file, unsigned int line)
{
	if (!object)
		return NULL;
	(void)json_object_set_new(object, "file",
				  file ? json_string(file) : json_null());
	(void)json_object_set_new(object, "line",
				  file && line > 0 ? json_integer((json_int_t)line)
						   : json_null());
	return object;
}

/* A list is an array, also when it is empty or has one item. */
static json_t *json_value(const struct app_option *option)
{
	cleanup_free char *copy = option->value ? strdup(option->value) : NULL;
	char *save = NULL;
	json_t *list;

	if (!option->is_list)
		return copy ? json_string(copy) : json_null();
	list = json_array();
	for (char *item = copy ? strtok_r(copy, "\n", &save) : NULL; item;
	     item = strtok_r(NULL, "\n", &save))
		(void)json_array_append_new(list, json_string(item));
	return list;
}

static json_t *json_options(const struct app_config *app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < app->n_options; i++) {
		const struct app_option *option = &app->options[i];

		(void)json_array_append_new(
			list,
			with_origin(json_pack("{s:s, s:s, s:o}", "section",
					      option->section, "name", option->name,
					      "value", json_value(option)),
				    option->file, option->line));
	}
	return list;
}

static json_t *json_mode(mode_t mode)
{
	return json_sprintf("%04o", (unsigned int)mode);
}

static json_t *json_copy_files(const struct app_config *app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < app->n_copy_files; i++) {
		const struct app_copy_file *copy = &app->copy_files[i];

		(void)json_array_append_new(
			list, with_origin(json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, "
						    "s:b}",
						    "name", copy->name, "src",
						    copy->src, "dst", copy->dst, "user",
						    copy->user, "group", copy->group,
						    "mode", json_mode(copy->mode),
						    "enabled", copy->enabled),
					  copy->file, copy->line));
	}
	return list;
}

static json_t *json_create_dirs(const struct app_config *app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < app->n_create_dirs; i++) {
		const struct app_create_dir *dir = &app->create_dirs[i];

		(void)json_array_append_new(
			list,
			with_origin(json_pack("{s:s, s:s, s:s, s:s, s:o, s:b}", "name",
					      dir->name, "path", dir->path, "user",
					      dir->user, "group", dir->group, "mode",
					      json_mode(dir->mode), "enabled",
					      dir->enabled),
				    dir->file, dir->line));
	}
	return list;
}

static json_t *json_commands(const struct app_config *app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < app->n_commands; i++)
		(void)json_array_append_new(
			list,
			with_origin(json_pack("{s:s, s:s}", "name",
					      app->commands[i].name, "command",
					      app->commands[i].command),
				    app->commands[i].file, app->commands[i].line));
	return list;
}

static json_t *json_statuses(const struct health_check *check)
{
	json_t *list = json_array();

	for (size_t i = 0; i < check->n_statuses; i++)
		(void)json_array_append_new(
			list,
			json_pack("{s:i, s:i}", "from", (int)check->statuses[i].from,
				  "to", (int)check->statuses[i].to));
	return list;
}

static json_t *json_checks(const struct app_config *app)
{
	json_t *list = json_array();

	for (size_t i = 0; i < app->health.n_checks; i++) {
		const struct health_check *check = &app->health.checks[i];
		json_t *headers = json_array();

		for (char **p = check->headers; p && *p; p++)
			(void)json_array_append_new(headers, json_string(*p));
		(void)json_array_append_new(
			list,
			with_origin(
				json_pack(
					"{s:s, s:s, s:s?, s:o, s:s?, s:o, s:s?, s:s?, "
					"s:I, s:I, s:I}",
					"name", check->name, "type",
					health_check_type_name(check->type), "url",
					check->url, "statuses", json_statuses(check),
					"body", check->body, "headers", headers,
					"address", check->address, "command",
					check->command, "interval_ms",
					(json_int_t)check->interval_ms, "timeout_ms",
					(json_int_t)check->timeout_ms, "successes",
					(json_int_t)check->successes),
				check->file, check->line));
	}
	return list;
}

json_t *show_config_json(const struct app_config *app)
{
	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "schema",
			 JSON_SCHEMA, "app", app->app_name, "file", app->file,
			 "options", json_options(app), "commands", json_commands(app),
			 "health_checks", json_checks(app), "copy_files",
			 json_copy_files(app), "create_dirs", json_create_dirs(app));
}
