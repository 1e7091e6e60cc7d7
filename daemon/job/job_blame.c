/*
 * Reads the journal of a start that failed, through a transient unit as all reading of
 * the journal: systemd's entry of a failed spawn, and the last lines as evidence.
 */
#include "job/job_blame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/journal.h"
#include "core/service_result.h"
#include "deploy/cleanup.h"

/* "Starting a unit's process failed", systemd.journal-fields(7) */
#define SPAWN_FAILED "641257651c1b4ec9a8624d7a40a9e1e7"

#define ERROR_LINES	20
#define ERROR_BYTES_MAX 65536

static bool goes_back(const struct job *job)
{
	return job->machine.state == JOB_STATE_RESTORING ||
	       job->machine.state == JOB_STATE_RECHECKING;
}

void job_note_start(struct job *job, const char *invocation_id, uint64_t since_usec)
{
	struct unit_log_starts *starts = &job->starts;

	if (since_usec != 0)
		*starts = (struct unit_log_starts){.since_usec = since_usec};
	for (size_t i = 0; *invocation_id && i < UNIT_LOG_STARTS_MAX; i++) {
		if (strcmp(starts->ids[i], invocation_id) == 0)
			return;
		if (*starts->ids[i] && i + 1 < UNIT_LOG_STARTS_MAX)
			continue;
		(void)strcpy(starts->ids[i], invocation_id);
		return;
	}
}

/* --- the verdict -------------------------------------------------------------------
 */

static int errno_of(const json_t *entry)
{
	const char *text = json_string_value(json_object_get(entry, "ERRNO"));

	return text ? (int)strtol(text, NULL, 10) : 0;
}

static struct blame_line line_of(const json_t *entry)
{
	const char *id = json_string_value(json_object_get(entry, "MESSAGE_ID"));
	const char *uid = json_string_value(json_object_get(entry, "_UID"));

	return (struct blame_line){
		.from_root = uid && strcmp(uid, "0") == 0,
		.is_spawn = id && strcmp(id, SPAWN_FAILED) == 0,
		.errnum = errno_of(entry),
		.path = json_string_value(json_object_get(entry, "EXECUTABLE")),
		.message = json_string_value(json_object_get(entry, "MESSAGE"))};
}

/* One object a line; what is none, or cut short, is skipped. */
static json_t *parse_lines(const char *text)
{
	json_t *entries = json_array();

	while (*text) {
		size_t length = strcspn(text, "\n");
		json_t *entry = json_loadb(text, length, 0, NULL);

		if (json_is_object(entry))
			(void)json_array_append(entries, entry);
		json_decref(entry);
		text += length;
		text += *text == '\n';
	}
	return entries;
}

/* Of a program that ends with such a status itself, what was said was wrong. */
static void disown(struct job *job, const struct failure *failure)
{
	const struct unit_state *state = &job->unit_state;
	struct errinfo *error = goes_back(job) ? &job->revert_error : &job->error;

	if (failure->kind == FAILURE_RAN && state->exec_main_code != 0 &&
	    blame_needs_journal(state->result, state->exec_main_code,
				state->exec_main_status))
		service_result_disown(error->what, sizeof(error->what),
				      state->exec_main_status);
}

static void judge(struct job *job, const json_t *entries)
{
	const struct unit_state *state = &job->unit_state;
	const char *release = goes_back(job) ? job->back : job->target;
	struct blame_line lines[ERROR_LINES];
	char release_dir[APP_DIR_MAX + RELEASE_ID_SIZE + 1];
	struct blame_facts facts = {
		.load_state = state->load_state,
		.result = job->oom_killed ? "oom-kill" : state->result,
		.exec_main_code = state->exec_main_code,
		.exec_main_status = state->exec_main_status,
		.never_started = job->never_started,
		.has_memory_limit = state->memory_max != UINT64_MAX,
		.have_memory_events = job->oom_killed,
		.memory_limit_is_hit = job->memory_limit_is_hit,
		.working_dir = state->working_dir,
		.current_dir = job->settings->current_dir,
		.release_dir = release_dir,
		.lines = lines,
	};
	struct failure failure;
	json_t *entry;
	size_t i;

	(void)snprintf(release_dir, sizeof(release_dir), "%s/%s",
		       job->settings->releases_dir, release);
	json_array_foreach ((json_t *)entries, i, entry)
		if (facts.n_lines < ERROR_LINES)
			lines[facts.n_lines++] = line_of(entry);
	failure = blame_judge(&facts);
	disown(job, &failure);
	if (goes_back(job)) {
		job->back_failure = failure;
		job->back_failed = true;
	} else {
		job->failure = failure;
	}
}

static char *read_output(const struct output *output, off_t bytes_max)
{
	char *text = calloc(1, (size_t)bytes_max + 1);
	off_t end = lseek(output->fd, 0, SEEK_END);
	off_t from = end > bytes_max ? end - bytes_max : 0;

	if (text && end > 0)
		(void)!pread(output->fd, text, (size_t)bytes_max, from);
	return text;
}

static void on_errors(void *userdata, int error)
{
	struct job *job = userdata;
	cleanup_free char *text = NULL;
	cleanup_json json_t *entries = NULL;

	job->unit_log = NULL;
	if (error < 0)
		journal_log(LOG_WARNING,
			    "%s: cannot read why systemd did not start it: %s",
			    job->settings->app_name, strerror(-error));
	text = error < 0 ? NULL : read_output(&job->log_output, ERROR_BYTES_MAX);
	output_close(&job->log_output);
	entries = parse_lines(text ? text : "");
	judge(job, entries);
	job->examined(job);
}

/* False: nothing was begun. */
static bool read_journal(struct job *job, uint64_t lines, bool errors,
			 void (*done)(void *userdata, int error))
{
	if (output_open(&job->log_output, OUTPUT_KIND_FILE) < 0)
		return false;
	job->unit_log = units_log_of_starts(job->context->units, job->settings->unit,
					    &job->starts, lines, errors,
					    job->log_output.path, done, job);
	if (!job->unit_log)
		output_close(&job->log_output);
	return job->unit_log != NULL;
}

void job_examine(struct job *job, bool never_started, void (*go_on)(struct job *job))
{
	const struct unit_state *state = &job->unit_state;

	job->never_started = never_started;
	job->starts.main_pid = state->exec_main_pid;
	job->examined = go_on;
	if (blame_needs_journal(state->result, state->exec_main_code,
				state->exec_main_status) &&
	    read_journal(job, ERROR_LINES, true, on_errors))
		return;
	judge(job, NULL);
	go_on(job);
}

/* --- the evidence ------------------------------------------------------------------
 */

static void on_log(void *userdata, int error)
{
	struct job *job = userdata;

	job->unit_log = NULL;
	if (error < 0) {
		journal_log(LOG_WARNING, "%s: cannot read the unit's log: %s",
			    job->settings->app_name, strerror(-error));
	} else {
		free(job->unit_log_text);
		job->unit_log_text = read_output(&job->log_output, JOB_LOG_BYTES_MAX);
	}
	output_close(&job->log_output);
	job_step_done(job, false);
}

void job_fail_with_log(struct job *job)
{
	if (!read_journal(job, JOB_LOG_LINES, false, on_log))
		job_step_done(job, false);
}
