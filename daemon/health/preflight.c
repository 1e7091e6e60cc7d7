/*
 * The unit's properties come from systemd. Its files are examined by deployd-preflight,
 * which has the unit's user and groups: what they may do is found out by trying. That
 * user is the app's, so the app can keep the program from reporting; then nothing is
 * known, and the unit is started as it would have been without it.
 */
#include "health/preflight.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "build_config.h"
#include "bus/capture.h"
#include "bus/unit_start.h"
#include "core/preflight.h"
#include "deploy/cleanup.h"
#include "health/probe_report.h"

#define PREFLIGHT_TIMEOUT_MSEC 5000 /* time for deployd-preflight's report */
#define PREFLIGHT_ARGS_MAX     1024 /* words for the program */

static const char preflight_path[] = DEPLOYD_LIBEXECDIR "/deployd-preflight";

struct preflight {
	struct units *units;
	const struct app_config *settings;
	char release[RELEASE_ID_SIZE];
	struct unit_start_query *query;
	struct capture *capture;
	struct preflight_unit unit; /* taken from the query; owned */
	char top[NAME_MAX + 1];
	char closed[PREFLIGHT_PATH_SIZE];
	int identity_status;
	struct preflight_outcome outcome;
	void (*done)(void *userdata, const struct preflight_outcome *outcome);
	void *userdata;
};

static void preflight_free(struct preflight *preflight)
{
	unit_start_deinit(&preflight->unit);
	free(preflight);
}

static void finish(struct preflight *preflight)
{
	preflight->done(preflight->userdata, &preflight->outcome);
	preflight_free(preflight);
}

static void unchecked(struct preflight *preflight, const char *why)
{
	(void)snprintf(preflight->outcome.unchecked,
		       sizeof(preflight->outcome.unchecked), "%s", why);
	finish(preflight);
}

static void judge(struct preflight *preflight)
{
	const struct app_config *settings = preflight->settings;
	const struct preflight_question question = {
		.app = settings->app_name,
		.unit = settings->unit,
		.release = preflight->release,
		.releases_dir = settings->releases_dir,
		.current_dir = settings->current_dir,
		.app_user = settings->app_user,
		.app_group = settings->app_group,
		.facts = &preflight->unit,
		.top = preflight->top,
		.closed = preflight->closed,
		.identity_status = preflight->identity_status,
	};

	if (!preflight_permits(&question, &preflight->outcome.error))
		preflight->outcome.unchecked[0] = '\0';
	finish(preflight);
}

/* --- the report ------------------------------------------------------------------- */

static bool take_path(struct preflight_path *path, const json_t *json)
{
	const char *verdict = json_string_value(json_object_get(json, "verdict"));

	if (!verdict)
		return false;
	path->verdict = preflight_verdict_from_name(verdict);
	if (path->verdict == PREFLIGHT_VERDICT_COUNT)
		return false;
	path->in_release = json_is_true(json_object_get(json, "in_release"));
	path->in_top = json_is_true(json_object_get(json, "in_top"));
	probe_report_text(json, "file", path->file, sizeof(path->file));
	probe_report_text(json, "detail", path->detail, sizeof(path->detail));
	return true;
}

static bool take_report(struct preflight *preflight, const json_t *report)
{
	const json_t *paths = json_object_get(report, "paths");
	struct preflight_unit *unit = &preflight->unit;

	if (!json_is_array(paths) || json_array_size(paths) != unit->n_paths)
		return false;
	for (size_t i = 0; i < unit->n_paths; i++)
		if (!take_path(&unit->paths[i], json_array_get(paths, i)))
			return false;
	probe_report_text(report, "top", preflight->top, sizeof(preflight->top));
	probe_report_text(report, "closed", preflight->closed,
			  sizeof(preflight->closed));
	return true;
}

/* systemd found no such user or group: the program was not run. */
static int identity_status(const struct transient_outcome *unit)
{
	if (unit->code != CLD_EXITED)
		return 0;
	return unit->status == PREFLIGHT_EXIT_OF_GROUP ||
			       unit->status == PREFLIGHT_EXIT_OF_USER
		       ? unit->status
		       : 0;
}

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct preflight *preflight = userdata;
	cleanup_json json_t *report = NULL;
	struct errinfo error = {0};
	char message[PREFLIGHT_NOTE_SIZE];

	preflight->capture = NULL;
	preflight->identity_status =
		outcome->length == 0 ? identity_status(outcome->unit) : 0;
	if (preflight->identity_status != 0) {
		judge(preflight);
	} else if (probe_report_read(outcome, "deployd-preflight", &report, &error) <
		   0) {
		unchecked(preflight, error.what);
	} else if (!probe_report_is_ok(report)) {
		probe_report_text(report, "message", message, sizeof(message));
		unchecked(preflight, message);
	} else if (!take_report(preflight, report)) {
		unchecked(preflight, "deployd-preflight did not report on every path");
	} else {
		judge(preflight);
	}
}

/* --- asking ----------------------------------------------------------------------- */

/* The words of the command, NULL-terminated, to be freed with their texts. */
struct words {
	char *words[PREFLIGHT_ARGS_MAX];
	size_t n;
	bool failed;
};

static void add_word(struct words *words, const char *option, const char *value)
{
	char *word = NULL;

	if (words->n == PREFLIGHT_ARGS_MAX - 1 ||
	    asprintf(&word, "--%s=%s", option, value) < 0) {
		words->failed = true;
		return;
	}
	words->words[words->n++] = word;
}

static void words_free(struct words *words)
{
	/* The first is the program's path. */
	for (size_t i = 1; i < words->n; i++)
		free(words->words[i]);
	free(words);
}

static struct words *words_new(const struct preflight *preflight)
{
	const struct app_config *settings = preflight->settings;
	const struct preflight_unit *unit = &preflight->unit;
	struct words *words = calloc(1, sizeof(*words));
	char *release = NULL;

	if (!words)
		return NULL;
	words->words[words->n++] = (char *)preflight_path;
	if (asprintf(&release, "%s/%s", settings->releases_dir, preflight->release) < 0)
		release = NULL;
	words->failed = !release;
	if (release)
		add_word(words, "release", release);
	free(release);
	add_word(words, "current", settings->current_dir);
	for (char **p = unit->hidden; p && *p; p++)
		add_word(words, "hidden", *p);
	for (size_t i = 0; i < unit->n_paths; i++) {
		enum preflight_use use = unit->paths[i].use;

		if (use == PREFLIGHT_USE_COMMAND && preflight_is_root(unit))
			use = PREFLIGHT_USE_ROOT;
		add_word(words, preflight_use_name(use), unit->paths[i].path);
	}
	if (!words->failed)
		return words;
	words_free(words);
	return NULL;
}

static void run_program(struct preflight *preflight)
{
	const struct app_config *settings = preflight->settings;
	const struct preflight_unit *unit = &preflight->unit;
	bool is_root = preflight_is_root(unit);
	const char *const app_group[] = {settings->app_group, NULL};
	struct words *words = words_new(preflight);
	char name[UNIT_NAME_MAX], description[UNIT_NAME_MAX + 64];
	struct capture_options options = {.bytes_max = PROBE_REPORT_BYTES_MAX};

	(void)snprintf(name, sizeof(name), "deployd-preflight-%s", settings->app_name);
	(void)snprintf(description, sizeof(description), "Preflight of a release of %s",
		       settings->app_name);
	if (words) {
		options.unit = (struct transient_options){
			.name = name,
			.description = description,
			.argv = (const char *const *)words->words,
			/* What root may do needs no trying. */
			.user = is_root ? CONFIG_PREFLIGHT_USER : unit->user,
			.group = is_root ? NULL : unit->group,
			.extra_groups =
				is_root ? app_group : (const char *const *)unit->groups,
			.harden = true,
			.sees_homes = true,
			.timeout_ms = PREFLIGHT_TIMEOUT_MSEC,
		};
		preflight->capture = capture_start(preflight->units, &options,
						   on_captured, preflight);
		words_free(words);
	}
	if (!preflight->capture)
		unchecked(preflight, "out of memory");
}

static void on_unit(void *userdata, int error, struct preflight_unit *unit)
{
	struct preflight *preflight = userdata;
	char why[PREFLIGHT_NOTE_SIZE];

	preflight->query = NULL;
	if (error < 0) {
		(void)snprintf(why, sizeof(why), "systemd did not describe it: %s",
			       strerror(-error));
		unchecked(preflight, why);
		return;
	}
	preflight->unit = *unit;
	memset(unit, 0, sizeof(*unit));
	if (preflight_needs_files(&preflight->unit)) {
		run_program(preflight);
		return;
	}
	if (preflight->unit.why_not)
		(void)snprintf(preflight->outcome.unchecked,
			       sizeof(preflight->outcome.unchecked), "it has %s",
			       preflight->unit.why_not);
	judge(preflight);
}

struct preflight *
preflight_start(struct units *units, const struct app_config *settings,
		const char *release,
		void (*done)(void *userdata, const struct preflight_outcome *outcome),
		void *userdata)
{
	struct preflight *preflight = calloc(1, sizeof(*preflight));
	struct unit_start_options options = {
		.unit = settings->unit,
		.reload = settings->activate_method == ACTIVATE_METHOD_RELOAD,
	};

	if (!preflight)
		return NULL;
	preflight->units = units;
	preflight->settings = settings;
	(void)snprintf(preflight->release, sizeof(preflight->release), "%s", release);
	preflight->done = done;
	preflight->userdata = userdata;
	preflight->query = unit_start_query(units, &options, on_unit, preflight);
	if (!preflight->query) {
		preflight_free(preflight);
		return NULL;
	}
	return preflight;
}

void preflight_cancel(struct preflight *preflight)
{
	if (!preflight)
		return;
	unit_start_query_cancel(preflight->query);
	capture_cancel(preflight->capture);
	preflight_free(preflight);
}
