/*
 * Any bytes as an app's file, a drop-in (behind a NUL) and deployd.conf. Either there
 * is a config, and then it keeps its promises, or there are messages fit for a
 * terminal; and the same input gives the same again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/app_config.h"
#include "deploy/daemon_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_messages(const struct diag *diag, bool failed)
{
	assert(diag->has_errors == failed);
	assert(!failed || diag->n_messages > 0);
	assert(diag->n_messages <= DIAG_MESSAGES_MAX);
	for (size_t i = 0; i < diag->n_messages; i++)
		for (const char *p = diag->messages[i]; *p; p++)
			assert((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/' && path[n + 1] != '\0';
}

static void check_check(const struct health_check *check)
{
	bool http = check->type == HEALTH_CHECK_TYPE_HTTP;

	assert(names_app_valid(check->name) && check->file && check->line > 0);
	assert(http == (check->url != NULL) && http == (check->n_statuses > 0));
	assert((check->type == HEALTH_CHECK_TYPE_TCP) == (check->address != NULL));
	assert((check->type == HEALTH_CHECK_TYPE_EXEC) == (check->command != NULL));
	assert(check->headers && (http || !check->headers[0]));
	assert(check->interval_ms >= 100 && check->timeout_ms >= 100 &&
	       check->successes >= 1);
	for (size_t i = 0; i < check->n_statuses; i++)
		assert(check->statuses[i].from >= 100 && check->statuses[i].to < 600 &&
		       check->statuses[i].from <= check->statuses[i].to);
	for (const char *p = check->url ? check->url : ""; *p; p++)
		assert(*p > 0x20 && *p < 0x7f);
}

static void check_app(const struct app_config *config)
{
	assert(names_app_valid(config->app_name));
	assert(names_unit_valid(config->unit));
	assert(is_below(config->releases_dir, config->deploy_dir));
	assert(is_below(config->current_dir, config->deploy_dir));
	assert(!strstr(config->deploy_dir, "/../") && config->deploy_dir[0] == '/');
	assert(strcmp(config->app_user, "root") != 0);
	assert(config->keep >= 2);
	assert(config->health.min_healthy_sec < config->health.healthy_deadline_sec);
	assert(config->health.n_checks <= APP_HEALTH_CHECKS_MAX);
	for (size_t i = 0; i < config->health.n_checks; i++)
		check_check(&config->health.checks[i]);
	for (size_t i = 0; i < config->n_options; i++)
		assert(app_config_option(config, config->options[i].name) ==
		       &config->options[i]);
}

static void run_app(const struct config_text *texts, size_t n_texts, struct diag *diag)
{
	struct app_config *config = app_config_parse("hello", texts, n_texts, diag);

	check_messages(diag, !config);
	if (config)
		check_app(config);
	app_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t first = nul ? (size_t)(nul - data) : size;
	struct config_text texts[] = {
		{"hello.conf", (const char *)data, first},
		{"hello.conf.d/x.conf", nul ? (const char *)nul + 1 : "",
		 nul ? size - first - 1 : 0},
	};
	struct diag diag = {0}, again = {0}, daemon = {0};
	struct daemon_config *config;

	run_app(texts, 2, &diag);
	run_app(texts, 2, &again);
	assert(diag.n_messages == again.n_messages);
	for (size_t i = 0; i < diag.n_messages; i++)
		assert(strcmp(diag.messages[i], again.messages[i]) == 0);

	config = daemon_config_parse(texts, 1, &daemon);
	check_messages(&daemon, !config);
	assert(!config || (config->jobs_max >= 1 && config->queue_max <= 64 &&
			   strcmp(config->intake_user, config->unpack_user) != 0));
	daemon_config_free(config);
	diag_deinit(&diag);
	diag_deinit(&again);
	diag_deinit(&daemon);
	return 0;
}
