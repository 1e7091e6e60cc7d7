/*
 * Asks systemd where the processes of an app's unit are, and deployd-proc which release
 * every process of the machine runs from. deployd-proc has a user of its own, so the
 * app cannot answer in its place. An app can still run other code than its files have;
 * that does not matter, as it is the app's code either way.
 */
#include "health/verification.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "build_config.h"
#include "bus/capture.h"
#include "bus/unit_properties.h"
#include "deploy/cleanup.h"
#include "health/probe_report.h"

#define PROC_TIMEOUT_MSEC	   5000
#define VERIFICATION_PROCESSES_MAX 16384
#define VERIFICATION_MAPPED_MAX	   65536 /* of all processes */

static const char proc_path[] = DEPLOYD_LIBEXECDIR "/deployd-proc";

/* CAP_SYS_PTRACE, from linux/capability.h: lets /proc show other users' processes. */
#define PROC_CAPABILITIES (UINT64_C(1) << CAP_SYS_PTRACE)

struct verification {
	struct units *units;
	const struct app_config *settings;
	char release[RELEASE_ID_SIZE];
	struct unit_query *query;
	struct capture *capture;
	uint32_t main_pid;
	bool is_running; /* the unit has a cgroup */
	json_t *in_use;
	struct verification_outcome outcome;
	void (*done)(void *userdata, const struct verification_outcome *outcome);
	void *userdata;
};

static void verification_free(struct verification *verification)
{
	json_decref(verification->in_use);
	free(verification);
}

static void finish(struct verification *verification)
{
	verification->outcome.in_use = verification->in_use;
	verification->done(verification->userdata, &verification->outcome);
	verification_free(verification);
}

static void unknown(struct verification *verification, const char *why)
{
	verification->outcome.verdict = VERIFICATION_UNKNOWN;
	verification->outcome.complete = false;
	(void)snprintf(verification->outcome.reason,
		       sizeof(verification->outcome.reason), "%s", why);
	finish(verification);
}

/* --- the report -------------------------------------------------------------
 */

/* A report in the form in which it is judged; the texts are the JSON's. */
struct sighting {
	struct verification_process *processes;
	const char **mapped;
	size_t n_processes, n_mapped;
	/* The unit's come first; the others only show which releases are in use. */
	size_t n_own;
};

static void sighting_deinit(struct sighting *sighting)
{
	free(sighting->processes);
	free(sighting->mapped);
}

static bool take_process(struct sighting *sighting, const json_t *json)
{
	struct verification_process *process =
		&sighting->processes[sighting->n_processes++];
	const json_t *pid = json_object_get(json, "pid");
	const json_t *mapped = json_object_get(json, "mapped");
	const json_t *path;
	size_t i;

	if (!json_is_integer(pid) || !json_is_boolean(json_object_get(json, "unit")))
		return false;
	process->pid = json_integer_value(pid);
	process->comm = json_string_value(json_object_get(json, "comm"));
	process->cwd = json_string_value(json_object_get(json, "cwd"));
	process->exe = json_string_value(json_object_get(json, "exe"));
	process->readable = json_is_true(json_object_get(json, "readable"));
	process->deleted = json_is_true(json_object_get(json, "deleted"));
	process->mapped = sighting->mapped + sighting->n_mapped;
	json_array_foreach (mapped, i, path) {
		if (!json_is_string(path))
			return false;
		sighting->mapped[sighting->n_mapped++] = json_string_value(path);
	}
	process->n_mapped = json_array_size(mapped);
	return true;
}

static bool take_processes(struct sighting *sighting, const json_t *processes, bool own)
{
	const json_t *process;
	size_t i;

	json_array_foreach (processes, i, process)
		if (json_is_true(json_object_get(process, "unit")) == own &&
		    !take_process(sighting, process))
			return false;
	return true;
}

static bool sighting_init(struct sighting *sighting, const json_t *processes)
{
	size_t n_mapped = 0, i;
	const json_t *process;

	memset(sighting, 0, sizeof(*sighting));
	json_array_foreach (processes, i, process)
		n_mapped += json_array_size(json_object_get(process, "mapped"));
	if (!json_is_array(processes) ||
	    json_array_size(processes) > VERIFICATION_PROCESSES_MAX ||
	    n_mapped > VERIFICATION_MAPPED_MAX)
		return false;
	sighting->processes =
		calloc(json_array_size(processes) + 1, sizeof(*sighting->processes));
	sighting->mapped = calloc(n_mapped + 1, sizeof(*sighting->mapped));
	if (!sighting->processes || !sighting->mapped)
		return false;
	if (!take_processes(sighting, processes, true))
		return false;
	sighting->n_own = sighting->n_processes;
	return take_processes(sighting, processes, false);
}

static bool has_text(const json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item)
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	return false;
}

/* False without memory. */
static bool note_path(struct verification *verification, const char *path)
{
	char id[RELEASE_ID_SIZE];

	if (!path ||
	    !verification_release_of(verification->settings->releases_dir, path, id) ||
	    has_text(verification->in_use, id))
		return true;
	return json_array_append_new(verification->in_use, json_string(id)) == 0;
}

static bool note_releases(struct verification *verification,
			  const struct sighting *sighting)
{
	bool ok = true;

	for (size_t i = 0; i < sighting->n_processes; i++) {
		ok = note_path(verification, sighting->processes[i].exe) && ok;
		ok = note_path(verification, sighting->processes[i].cwd) && ok;
	}
	for (size_t i = 0; i < sighting->n_mapped; i++)
		ok = note_path(verification, sighting->mapped[i]) && ok;
	return ok;
}

static void not_running(struct verification *verification)
{
	(void)snprintf(verification->outcome.reason,
		       sizeof(verification->outcome.reason), "%.200s is not running",
		       verification->settings->unit);
	verification->outcome.verdict = VERIFICATION_UNKNOWN;
}

static void judge(struct verification *verification, const json_t *report)
{
	struct sighting sighting;
	struct verification_report facts = {
		.releases_dir = verification->settings->releases_dir,
		.main_pid = verification->main_pid,
		.truncated = !json_is_false(json_object_get(report, "unit_truncated")),
	};

	if (!sighting_init(&sighting, json_object_get(report, "processes"))) {
		sighting_deinit(&sighting);
		unknown(verification,
			"deployd-proc did not report a list of processes");
		return;
	}
	facts.processes = sighting.processes;
	facts.n_processes = sighting.n_own;
	verification->outcome.verdict = verification_judge(
		&facts, verification->release, verification->outcome.reason);
	if (!verification->is_running)
		not_running(verification);
	facts.n_processes = sighting.n_processes;
	facts.truncated = !json_is_false(json_object_get(report, "truncated"));
	verification->outcome.complete =
		note_releases(verification, &sighting) && verification_complete(&facts);
	sighting_deinit(&sighting);
	finish(verification);
}

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct verification *verification = userdata;
	cleanup_json json_t *report = NULL;
	struct errinfo error = {0};
	char message[VERIFICATION_REASON_SIZE];

	verification->capture = NULL;
	if (probe_report_read(outcome, "deployd-proc", &report, &error) < 0) {
		unknown(verification, error.what);
	} else if (!probe_report_is_ok(report)) {
		probe_report_text(report, "message", message, sizeof(message));
		unknown(verification, message);
	} else {
		judge(verification, report);
	}
}

/* --- asking --------------------------------------------------------------------------
 */

static void run_proc(struct verification *verification, const char *control_group)
{
	const struct app_config *settings = verification->settings;
	cleanup_free char *cgroup = NULL, *releases = NULL;
	char name[UNIT_NAME_MAX], description[UNIT_NAME_MAX + 64];
	const char *argv[] = {proc_path, NULL, NULL, NULL};
	struct capture_options options = {.bytes_max = PROBE_REPORT_BYTES_MAX};

	(void)snprintf(name, sizeof(name), "deployd-verification-%s",
		       settings->app_name);
	(void)snprintf(description, sizeof(description),
		       "Verification of the release of %s", settings->app_name);
	if (asprintf(&releases, "--releases=%s", settings->releases_dir) < 0)
		releases = NULL;
	if (verification->is_running &&
	    asprintf(&cgroup, "--cgroup=%s", control_group) < 0)
		cgroup = NULL;
	if (releases && (cgroup || !verification->is_running)) {
		argv[1] = releases;
		argv[2] = cgroup;
		options.unit = (struct transient_options){
			.name = name,
			.description = description,
			.argv = argv,
			.user = CONFIG_PROC_USER,
			/* To list the releases, which the group may read. */
			.extra_group = settings->app_group,
			.harden = true,
			.ambient = PROC_CAPABILITIES,
			.timeout_ms = PROC_TIMEOUT_MSEC,
		};
		verification->capture = capture_start(verification->units, &options,
						      on_captured, verification);
	}
	if (!verification->capture)
		unknown(verification, "out of memory");
}

static void on_state(void *userdata, int error, const struct unit_state *state)
{
	struct verification *verification = userdata;
	char why[VERIFICATION_REASON_SIZE];

	verification->query = NULL;
	if (error < 0) {
		(void)snprintf(why, sizeof(why),
			       "systemd did not report the state of %.100s: %s",
			       verification->settings->unit, strerror(-error));
		unknown(verification, why);
		return;
	}
	verification->main_pid = state->main_pid;
	verification->is_running = state->control_group[0] != '\0';
	run_proc(verification, state->control_group);
}

struct verification *verification_start(
	struct units *units, const struct app_config *settings, const char *release,
	void (*done)(void *userdata, const struct verification_outcome *outcome),
	void *userdata)
{
	struct verification *verification = calloc(1, sizeof(*verification));

	if (!verification)
		return NULL;
	verification->units = units;
	verification->settings = settings;
	(void)snprintf(verification->release, sizeof(verification->release), "%s",
		       release);
	verification->done = done;
	verification->userdata = userdata;
	verification->in_use = json_array();
	verification->query =
		units_query(units, settings->unit, on_state, verification);
	if (!verification->in_use || !verification->query) {
		verification_cancel(verification);
		return NULL;
	}
	return verification;
}

void verification_cancel(struct verification *verification)
{
	if (!verification)
		return;
	unit_query_cancel(verification->query);
	capture_cancel(verification->capture);
	verification_free(verification);
}
