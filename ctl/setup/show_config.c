#include "setup/show_config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "output/failure.h"
#include "output/json_out.h"
#include "output/pager.h"
#include "output/terminal.h"
#include "setup/app_file.h"

#define ORIGIN_COLUMN 48

static bool wants_quotes(const char *value)
{
	size_t n = strlen(value);

	if (n == 0 || value[0] == '"' || isspace((unsigned char)value[0]) ||
	    isspace((unsigned char)value[n - 1]))
		return n > 0;
	for (const char *p = value; (p = strpbrk(p, "#;")); p++)
		if (p == value || isspace((unsigned char)p[-1]))
			return true;
	return false;
}

char *show_config_value(const char *value)
{
	bool quotes = wants_quotes(value);
	char *text = malloc(2 * strlen(value) + 3), *to = text;

	if (!text)
		return NULL;
	if (quotes)
		*to++ = '"';
	for (; *value; value++) {
		if (*value == '{')
			*to++ = *value;
		else if (quotes && (*value == '"' || *value == '\\'))
			*to++ = '\\';
		*to++ = *value;
	}
	if (quotes)
		*to++ = '"';
	*to = '\0';
	return text;
}

/* "name = value" with a comment that says where it comes from. */
static void print_line(const char *name, const char *value, const char *file,
		       unsigned int line)
{
	cleanup_free char *written = show_config_value(value);
	cleanup_free char *clean = NULL, *clean_file = terminal_clean(file);
	char text[128];
	int width;

	clean = terminal_clean(written);
	width = snprintf(text, sizeof(text), "%s = ", name);
	(void)printf("%s%-*s ", text, width < ORIGIN_COLUMN ? ORIGIN_COLUMN - width : 0,
		     clean);
	if (file && line > 0)
		(void)printf("# %s:%u\n", clean_file, line);
	else
		(void)printf("# %s\n", file ? clean_file : "default");
}

static void print_option(const struct app_option *option)
{
	cleanup_free char *copy = option->value ? strdup(option->value) : NULL;
	char *save = NULL;

	if (!copy) {
		(void)printf("#%s is unset\n", option->name);
		return;
	}
	if (!option->is_list) {
		print_line(option->name, copy, option->file, option->line);
		return;
	}
	for (char *item = strtok_r(copy, "\n", &save); item;
	     item = strtok_r(NULL, "\n", &save))
		print_line(option->name, item, option->file, option->line);
}

static void print_mode(const char *name, mode_t mode, const char *file,
		       unsigned int line)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%o", (unsigned int)mode);
	print_line(name, text, file, line);
}

static void print_ms(const char *name, uint64_t ms, const char *file, unsigned int line)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llums", (unsigned long long)ms);
	print_line(name, text, file, line);
}

static void print_check(const struct health_check *check)
{
	char text[32];

	(void)printf("\n[health_check %s]\n", check->name);
	print_line("type", health_check_type_name(check->type), check->file,
		   check->line);
	if (check->url)
		print_line("url", check->url, check->file, check->line);
	for (size_t i = 0; i < check->n_statuses; i++) {
		(void)snprintf(text, sizeof(text), "%u-%u", check->statuses[i].from,
			       check->statuses[i].to);
		print_line("status", text, check->file, check->line);
	}
	if (check->body)
		print_line("body", check->body, check->file, check->line);
	for (char **p = check->headers; p && *p; p++)
		print_line("header", *p, check->file, check->line);
	if (check->address)
		print_line("address", check->address, check->file, check->line);
	if (check->command)
		print_line("command", check->command, check->file, check->line);
	print_ms("interval_sec", check->interval_ms, check->file, check->line);
	print_ms("timeout_sec", check->timeout_ms, check->file, check->line);
	(void)snprintf(text, sizeof(text), "%llu",
		       (unsigned long long)check->successes);
	print_line("successes", text, check->file, check->line);
}

static void print_named_sections(const struct app_config *app)
{
	for (size_t i = 0; i < app->n_commands; i++) {
		const struct app_command *command = &app->commands[i];

		if (i == 0)
			(void)printf("\n[commands]\n");
		print_line(command->name, command->command, command->file,
			   command->line);
	}
	for (size_t i = 0; i < app->health.n_checks; i++)
		print_check(&app->health.checks[i]);
	for (size_t i = 0; i < app->n_copy_files; i++) {
		const struct app_copy_file *copy = &app->copy_files[i];

		(void)printf("\n[copy_file %s]\n", copy->name);
		print_line("src", copy->src, copy->file, copy->line);
		print_line("dst", copy->dst, copy->file, copy->line);
		print_line("user", copy->user, copy->file, copy->line);
		print_line("group", copy->group, copy->file, copy->line);
		print_mode("mode", copy->mode, copy->file, copy->line);
		print_line("enabled", copy->enabled ? "yes" : "no", copy->file,
			   copy->line);
	}
	for (size_t i = 0; i < app->n_create_dirs; i++) {
		const struct app_create_dir *dir = &app->create_dirs[i];

		(void)printf("\n[create_dir %s]\n", dir->name);
		print_line("path", dir->path, dir->file, dir->line);
		print_line("user", dir->user, dir->file, dir->line);
		print_line("group", dir->group, dir->file, dir->line);
		print_mode("mode", dir->mode, dir->file, dir->line);
		if (dir->comment)
			print_line("comment", dir->comment, dir->file, dir->line);
		print_line("enabled", dir->enabled ? "yes" : "no", dir->file,
			   dir->line);
	}
}

static void print_text(const struct app_config *app)
{
	const char *section = "";

	for (size_t i = 0; i < app->n_options; i++) {
		const struct app_option *option = &app->options[i];

		if (strcmp(section, option->section) != 0) {
			(void)printf("%s[%s]\n", *section ? "\n" : "", option->section);
			section = option->section;
		}
		print_option(option);
	}
	print_named_sections(app);
}

int show_config(const struct options *options)
{
	struct app_config *app;
	json_t *value;
	int status;

	if (options->host)
		return failure_tell(
			options, RESULT_USAGE,
			"show --config reads the files of this machine; for "
			"another: ssh HOST deployctl show APP --config");
	if (options->release)
		return failure_tell(
			options, RESULT_USAGE,
			"a release has no configuration of its own; leave out "
			"'@%s'",
			options->release);
	status = app_file_load(options, false, &app);
	if (status != 0)
		return status;
	pager_start(options);
	if (options->json == JSON_MODE_OFF) {
		print_text(app);
	} else {
		value = show_config_json(app);
		if (value)
			json_out_print(value, options->json);
		else
			status = failure_tell(options, RESULT_FAILED, "out of memory");
		json_decref(value);
	}
	app_config_free(app);
	return status;
}
