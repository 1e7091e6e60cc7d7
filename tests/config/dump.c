#include "dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/daemon_config.h"

static void show_messages(FILE *out, struct diag *diag)
{
	for (size_t i = 0; i < diag->n_messages; i++)
		(void)fprintf(out, "%s\n", diag->messages[i]);
}

static void show_origin(FILE *out, const char *file, unsigned int line)
{
	if (file)
		(void)fprintf(out, "  (%s:%u)\n", file, line);
	else
		(void)fprintf(out, "  (default)\n");
}

static void show_option(FILE *out, const struct app_option *option)
{
	(void)fprintf(out, "[%s] %s = ", option->section, option->name);
	for (const char *p = option->value ? option->value : "(unset)"; *p; p++)
		if (*p == '\n')
			(void)fputs(" | ", out);
		else
			(void)fputc(*p, out);
	show_origin(out, option->file, option->line);
}

static void compare(FILE *out, const struct app_config *config, const char *name,
		    const char *field)
{
	const char *value = app_config_option(config, name)->value;

	if ((value == NULL) != (field == NULL) || (value && strcmp(value, field) != 0))
		(void)fprintf(out, "%s: the field says '%s', the option '%s'\n", name,
			      field ? field : "(unset)", value ? value : "(unset)");
}

static void compare_fields(FILE *out, const struct app_config *c)
{
	static const char *const activate[] = {"restart", "reload", "none"};
	static const char *const verified[] = {"auto", "yes", "no"};
	static const char *const on_start[] = {"restart", "ignore"};

	compare(out, c, "app_name", c->app_name);
	compare(out, c, "ext_name", c->ext_name);
	compare(out, c, "release_name", c->release_name);
	compare(out, c, "service_name", c->service_name);
	compare(out, c, "version", c->version);
	compare(out, c, "deploy_user", c->deploy_user);
	compare(out, c, "deploy_group", c->deploy_group);
	compare(out, c, "app_user", c->app_user);
	compare(out, c, "app_group", c->app_group);
	compare(out, c, "base_dir", c->base_dir);
	compare(out, c, "deploy_dir", c->deploy_dir);
	compare(out, c, "scripts_dir", c->scripts_dir);
	compare(out, c, "current_dir", c->current_dir);
	compare(out, c, "releases_dir", c->releases_dir);
	compare(out, c, "flags_dir", c->flags_dir);
	compare(out, c, "etc_dir", c->etc_dir);
	compare(out, c, "restart_method", restart_method_name(c->restart_method));
	compare(out, c, "activate_method", activate[c->activate_method]);
	compare(out, c, "require_verified", verified[c->require_verified]);
	compare(out, c, "flag_on_start", on_start[c->flag_on_start]);
	if (strncmp(c->unit, c->service_name, strlen(c->service_name)) != 0 ||
	    strcmp(c->unit + strlen(c->service_name), ".service") != 0)
		(void)fprintf(out, "unit is %s\n", c->unit);
	if (c->deploy_uid != (uid_t)-1 || c->app_uid != (uid_t)-1 ||
	    c->deploy_gid != (gid_t)-1 || c->app_gid != (gid_t)-1)
		(void)fprintf(out, "an id is set before it is resolved\n");
}

static void show_numbers(FILE *out, const struct app_config *c)
{
	const struct release_limits *l = &c->limits;

#define SHOW(what, value)                                                              \
	(void)fprintf(out, what " %llu\n", (unsigned long long)(value))
	SHOW("sudo_deploy", c->sudo_deploy);
	SHOW("sudo_app", c->sudo_app);
	SHOW("keep", c->keep);
	SHOW("max_archive_bytes", l->max_archive_bytes);
	SHOW("max_release_bytes", l->max_release_bytes);
	SHOW("max_file_bytes", l->max_file_bytes);
	SHOW("max_entries", l->max_entries);
	SHOW("max_ratio", l->max_ratio);
	SHOW("max_depth", l->max_depth);
	SHOW("unpack_sec", l->unpack_sec);
	for (char **p = l->link_targets; *p; p++)
		(void)fprintf(out, "links to %s\n", *p);
	for (char **p = c->linked_dirs; *p; p++)
		(void)fprintf(out, "linked directory %s\n", *p);
	for (char **p = c->linked_files; *p; p++)
		(void)fprintf(out, "linked file %s\n", *p);
	SHOW("strip_components", l->strip_components);
	SHOW("require_sha256", c->require_sha256);
	SHOW("daemon_reload", c->daemon_reload);
	SHOW("job_timeout_sec", c->job_timeout_sec);
	SHOW("stop_timeout_sec", c->stop_timeout_sec);
	SHOW("flag_debounce_ms", c->flag_debounce_ms);
	SHOW("flag_burst", c->flag_burst);
	SHOW("flag_interval_sec", c->flag_interval_sec);
	SHOW("touch_timeout_sec", c->touch_timeout_sec);
	SHOW("min_healthy_sec", c->health.min_healthy_sec);
	SHOW("healthy_deadline_sec", c->health.healthy_deadline_sec);
	SHOW("bake_sec", c->health.bake_sec);
	SHOW("auto_rollback", c->health.auto_rollback);
#undef SHOW
}

static void show_check(FILE *out, const struct health_check *check)
{
	(void)fprintf(out, "health_check %s: %s", check->name,
		      health_check_type_name(check->type));
	if (check->url)
		(void)fprintf(out, ", url %s", check->url);
	for (size_t i = 0; i < check->n_statuses; i++)
		(void)fprintf(out, ", status %u-%u", check->statuses[i].from,
			      check->statuses[i].to);
	if (check->body)
		(void)fprintf(out, ", body %s", check->body);
	for (char **p = check->headers; *p; p++)
		(void)fprintf(out, ", header %s", *p);
	if (check->address)
		(void)fprintf(out, ", address %s", check->address);
	if (check->command)
		(void)fprintf(out, ", command %s", check->command);
	(void)fprintf(out, ", interval %llums, timeout %llums, successes %llu",
		      (unsigned long long)check->interval_ms,
		      (unsigned long long)check->timeout_ms,
		      (unsigned long long)check->successes);
	show_origin(out, check->file, check->line);
}

static void show_sections(FILE *out, const struct app_config *c)
{
	for (size_t i = 0; i < c->health.n_checks; i++)
		show_check(out, &c->health.checks[i]);
	for (size_t i = 0; i < c->n_commands; i++) {
		(void)fprintf(out, "command %s: %s", c->commands[i].name,
			      c->commands[i].command);
		show_origin(out, c->commands[i].file, c->commands[i].line);
	}
	for (size_t i = 0; i < c->n_copy_files; i++) {
		const struct app_copy_file *f = &c->copy_files[i];

		(void)fprintf(out, "copy_file %s: %s to %s, %s:%s %03o%s", f->name,
			      f->src, f->dst, f->user, f->group, f->mode,
			      f->enabled ? "" : ", disabled");
		show_origin(out, f->file, f->line);
	}
	for (size_t i = 0; i < c->n_create_dirs; i++) {
		const struct app_create_dir *d = &c->create_dirs[i];

		(void)fprintf(out, "create_dir %s: %s, %s:%s %03o%s%s%s", d->name,
			      d->path, d->user, d->group, d->mode,
			      d->enabled ? "" : ", disabled", d->comment ? ", " : "",
			      d->comment ? d->comment : "");
		show_origin(out, d->file, d->line);
	}
	for (char **p = c->require_files; *p; p++)
		(void)fprintf(out, "requires %s\n", *p);
}

static char *finish(FILE *out, char **text)
{
	if (fclose(out) != 0)
		abort();
	return *text;
}

char *dump_app(const char *name, const struct config_text *texts, size_t n_texts,
	       bool all)
{
	struct diag diag = {0};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct app_config *config = app_config_parse(name, texts, n_texts, &diag);

	if (!out)
		abort();
	show_messages(out, &diag);
	if ((config == NULL) != diag.has_errors)
		(void)fprintf(out, "errors and a config, or neither\n");
	for (size_t i = 0; config && i < config->n_options; i++)
		if (all || config->options[i].file)
			show_option(out, &config->options[i]);
	if (config) {
		compare_fields(out, config);
		if (all)
			show_numbers(out, config);
		show_sections(out, config);
	}
	app_config_free(config);
	diag_deinit(&diag);
	return finish(out, &text);
}

char *dump_daemon(const struct config_text *texts, size_t n_texts)
{
	struct diag diag = {0};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	struct daemon_config *config = daemon_config_parse(texts, n_texts, &diag);

	if (!out)
		abort();
	show_messages(out, &diag);
	if ((config == NULL) != diag.has_errors)
		(void)fprintf(out, "errors and a config, or neither\n");
	if (config)
		(void)fprintf(
			out,
			"%s %s jobs %llu queue %llu connections %llu %llu\n"
			"request %llu idle %llu rate %llu memory %llu reserve %llu\n",
			config->intake_user, config->unpack_user,
			(unsigned long long)config->jobs_max,
			(unsigned long long)config->queue_max,
			(unsigned long long)config->connections_max,
			(unsigned long long)config->connections_per_user_max,
			(unsigned long long)config->request_timeout_sec,
			(unsigned long long)config->intake_idle_sec,
			(unsigned long long)config->intake_min_bytes_per_sec,
			(unsigned long long)config->unpack_memory_bytes,
			(unsigned long long)config->reserve_bytes);
	daemon_config_free(config);
	diag_deinit(&diag);
	return finish(out, &text);
}
