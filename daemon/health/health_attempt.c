/*
 * Runs a check once: http and tcp by deployd-probe in the app's network, as a user of
 * its own so that the app cannot answer in its place, exec as a copy of the app's unit.
 * Whoever may deploy the app controls all of them: their output is shown, bounded and
 * made harmless, and decides about nothing but this check.
 */
#include "health/health_attempt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/config_set.h"
#include "build_config.h"
#include "bus/capture.h"
#include "core/service_result.h"
#include "deploy/cleanup.h"
#include "deploy/command_line.h"
#include "health/probe_report.h"

/* The probe keeps to its timeout by itself; this is for one that does not. */
#define PROBE_GRACE_MSEC 2000

#define PROBE_OPTIONS_MAX 8 /* beside headers */

/* Every byte may be shown as \xNN, and names_escape() wants some room beyond. */
#define SHOWN_SIZE (4 * HEALTH_EVIDENCE_BYTES_MAX + 16)

struct health_attempt {
	struct units *units;
	const struct app_config *settings;
	const struct health_check *check;
	struct capture *capture; /* NULL: did not come to it */
	uv_timer_t failed;	 /* reports what did not come to it */
	bool cancelled;
	struct health_attempt_outcome outcome;
	char evidence[SHOWN_SIZE];
	void (*done)(void *userdata, const struct health_attempt_outcome *outcome);
	void *userdata;
};

/* --- what came of it ---------------------------------------------------------------
 */

/* Line by line: newlines stay. */
static void show(const char *text, size_t length, char ret_shown[SHOWN_SIZE])
{
	char line[HEALTH_EVIDENCE_BYTES_MAX + 1];
	size_t used = 0;

	while (length > 0) {
		const char *newline = memchr(text, '\n', length);
		size_t n = newline ? (size_t)(newline - text) : length;

		for (size_t i = 0; i < n; i++)
			line[i] = text[i] != '\0' ? text[i] : ' ';
		line[n] = '\0';
		names_escape(line, ret_shown + used, SHOWN_SIZE - used);
		used += strlen(ret_shown + used);
		text += n;
		length -= n;
		if (newline) {
			ret_shown[used++] = '\n';
			ret_shown[used] = '\0';
			text++;
			length--;
		}
	}
}

static void judge_exec(struct health_attempt *attempt,
		       const struct capture_outcome *outcome)
{
	char *message = attempt->outcome.message;
	const size_t size = sizeof(attempt->outcome.message);
	const struct transient_outcome *unit = outcome->unit;

	show(outcome->text, outcome->length, attempt->evidence);
	attempt->outcome.passed = transient_succeeded(unit);
	if (unit->error.result != RESULT_OK)
		(void)snprintf(message, size, "%s", unit->error.what);
	else
		service_result_end(unit->code, unit->status, message, size);
}

static void judge_probe(struct health_attempt *attempt,
			const struct capture_outcome *outcome)
{
	char *message = attempt->outcome.message;
	const size_t size = sizeof(attempt->outcome.message);
	struct errinfo error = {0};
	cleanup_json json_t *report = NULL;
	const char *excerpt;

	if (probe_report_read(outcome, "deployd-probe", &report, &error) < 0) {
		(void)snprintf(message, size, "%s", error.what);
		return;
	}
	attempt->outcome.passed = probe_report_is_ok(report);
	probe_report_text(report, "message", message, size);
	excerpt = json_string_value(json_object_get(report, "excerpt"));
	if (excerpt)
		probe_report_text(report, "excerpt", attempt->evidence,
				  sizeof(attempt->evidence));
}

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct health_attempt *attempt = userdata;

	attempt->capture = NULL;
	if (attempt->check->type == HEALTH_CHECK_TYPE_EXEC)
		judge_exec(attempt, outcome);
	else
		judge_probe(attempt, outcome);
	attempt->done(attempt->userdata, &attempt->outcome);
	free(attempt);
}

static void on_failed_closed(uv_handle_t *handle)
{
	struct health_attempt *attempt = handle->data;

	if (!attempt->cancelled)
		attempt->done(attempt->userdata, &attempt->outcome);
	free(attempt);
}

/* The message is there; done follows. */
static void fail(struct health_attempt *attempt)
{
	(void)uv_timer_init(units_loop(attempt->units), &attempt->failed);
	attempt->failed.data = attempt;
	uv_close((uv_handle_t *)&attempt->failed, on_failed_closed);
}

/* --- what is run -------------------------------------------------------------------
 */

static void run(struct health_attempt *attempt, struct capture_options *options)
{
	const struct app_config *settings = attempt->settings;
	char name[UNIT_NAME_MAX], description[UNIT_NAME_MAX + 64];

	(void)snprintf(name, sizeof(name), "deployd-check-%s", settings->app_name);
	(void)snprintf(description, sizeof(description), "Health check '%s' of %s",
		       attempt->check->name, settings->app_name);
	options->unit.name = name;
	options->unit.description = description;
	attempt->capture = capture_start(attempt->units, options, on_captured, attempt);
	if (attempt->capture)
		return;
	(void)snprintf(attempt->outcome.message, sizeof(attempt->outcome.message),
		       "out of memory");
	fail(attempt);
}

static void run_exec(struct health_attempt *attempt)
{
	const char *fault = NULL;
	cleanup_free char **argv = command_line_split(attempt->check->command, &fault);
	cleanup_free char *path = NULL;
	struct capture_options options = {
		.bytes_max = HEALTH_EVIDENCE_BYTES_MAX,
		.tail = true,
		.with_stderr = true,
		.unit = {.argv = (const char *const *)argv,
			 .clone_of = attempt->settings->unit,
			 .user = attempt->settings->app_user,
			 .group = attempt->settings->app_group,
			 .timeout_ms = attempt->check->timeout_ms},
	};

	if (!argv) {
		(void)snprintf(attempt->outcome.message,
			       sizeof(attempt->outcome.message), "the command %s",
			       fault);
		fail(attempt);
		return;
	}
	if (argv[0][0] != '/') {
		if (asprintf(&path, "%s/%s", attempt->settings->current_dir, argv[0]) <
		    0)
			path = NULL;
		else
			argv[0] = path;
	}
	run(attempt, &options);
}

static char *option(const char *name, const char *value)
{
	char *text;

	return asprintf(&text, "--%s=%s", name, value) < 0 ? NULL : text;
}

static size_t count(char **list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* All but the first two are owned. NULL without memory. */
static char **probe_argv(const struct health_check *check)
{
	const size_t n_headers = count(check->headers);
	char **argv = calloc(PROBE_OPTIONS_MAX + n_headers, sizeof(*argv));
	const bool http = check->type == HEALTH_CHECK_TYPE_HTTP;
	char timeout[32], status[HEALTH_STATUS_TEXT_MAX + 1];
	size_t n = 0;

	if (!argv)
		return NULL;
	(void)snprintf(timeout, sizeof(timeout), "%" PRIu64, check->timeout_ms);
	argv[n++] = (char *)DEPLOYD_LIBEXECDIR "/deployd-probe";
	argv[n++] = (char *)(http ? "http" : "tcp");
	argv[n++] = option("timeout-ms", timeout);
	argv[n++] =
		http ? option("url", check->url) : option("address", check->address);
	if (http) {
		health_check_status_text(check, status);
		argv[n++] = option("status", status);
	}
	if (http && check->body)
		argv[n++] = option("body", check->body);
	for (size_t i = 0; http && i < n_headers; i++)
		argv[n++] = option("header", check->headers[i]);
	return argv;
}

static void probe_argv_free(char **argv)
{
	for (size_t i = 2; argv && argv[i]; i++)
		free(argv[i]);
	free(argv);
}

static void run_probe(struct health_attempt *attempt)
{
	char **argv = probe_argv(attempt->check);
	struct capture_options options = {
		.bytes_max = PROBE_REPORT_BYTES_MAX,
		.unit = {.argv = (const char *const *)argv,
			 .user = CONFIG_PROBE_USER,
			 .network_of = attempt->settings->unit,
			 .harden = true,
			 .timeout_ms = attempt->check->timeout_ms + PROBE_GRACE_MSEC},
	};

	if (argv) {
		run(attempt, &options);
	} else {
		(void)snprintf(attempt->outcome.message,
			       sizeof(attempt->outcome.message), "out of memory");
		fail(attempt);
	}
	probe_argv_free(argv);
}

struct health_attempt *health_attempt_start(
	struct units *units, const struct app_config *settings,
	const struct health_check *check,
	void (*done)(void *userdata, const struct health_attempt_outcome *outcome),
	void *userdata)
{
	struct health_attempt *attempt = calloc(1, sizeof(*attempt));

	if (!attempt)
		return NULL;
	attempt->units = units;
	attempt->settings = settings;
	attempt->check = check;
	attempt->done = done;
	attempt->userdata = userdata;
	attempt->outcome.evidence = attempt->evidence;
	if (check->type == HEALTH_CHECK_TYPE_EXEC)
		run_exec(attempt);
	else
		run_probe(attempt);
	return attempt;
}

void health_attempt_cancel(struct health_attempt *attempt)
{
	if (!attempt)
		return;
	if (attempt->capture) {
		capture_cancel(attempt->capture);
		free(attempt);
		return;
	}
	attempt->cancelled = true;
}
