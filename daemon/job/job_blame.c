/*
 * Reads the journal of a start that failed, through a transient unit as all reading of
 * the journal: systemd's entry of a failed spawn, and the last lines as evidence.
 */
#include "job/job_blame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/journal.h"
#include "core/service_result.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"

/* "Starting a unit's process failed", systemd.journal-fields(7) */
#define SPAWN_FAILED "641257651c1b4ec9a8624d7a40a9e1e7"

#define ERROR_LINES		60   /* entries that the verdict is made from */
#define EVIDENCE_LINE_BYTES_MAX 2048 /* of a message in the evidence */

static bool goes_back(const struct job *job)
{
	return job->machine.state == JOB_STATE_RESTORING ||
	       job->machine.state == JOB_STATE_RECHECKING;
}

/* --- the journal of a start --------------------------------------------------------
 */

static const char *text_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? text : "";
}

static bool has(const json_t *entry, const char *key, const char *text)
{
	return strcmp(text_of(entry, key), text) == 0;
}

/*
 * Since the job asked for the start: what the process of before wrote in the meantime
 * is not of it, and deployd's own words about the unit are not the unit's.
 */
static bool is_of_start(const struct job *job, const json_t *entry)
{
	const char *id = text_of(entry, "_SYSTEMD_INVOCATION_ID");
	bool of_unit = has(entry, "_SYSTEMD_UNIT", job->settings->unit);

	if (!of_unit || !*id)
		id = text_of(entry, "INVOCATION_ID");
	if (*id && strcmp(id, job->id_before) == 0)
		return false;
	return of_unit || *id || has(entry, "_PID", "1") ||
	       *text_of(entry, "COREDUMP_UNIT");
}

/* One object a line; what is none, or cut short, is skipped. */
static json_t *parse_entries(const struct job *job, const char *text)
{
	json_t *entries = json_array();

	while (*text) {
		size_t length = strcspn(text, "\n");
		json_t *entry = json_loadb(text, length, 0, NULL);

		if (json_is_object(entry) && is_of_start(job, entry))
			(void)json_array_append(entries, entry);
		json_decref(entry);
		text += length;
		text += *text == '\n';
	}
	return entries;
}

/* NULL when there is nothing to be read. Ends the output. */
static json_t *take_entries(struct job *job, int error)
{
	cleanup_free char *text = NULL;
	off_t end;

	job->unit_log = NULL;
	if (error < 0)
		journal_log(LOG_WARNING, "%s: cannot read the unit's log: %s",
			    job->settings->app_name, strerror(-error));
	end = error < 0 ? 0 : lseek(job->log_output.fd, 0, SEEK_END);
	text = end > 0 ? calloc(1, (size_t)end + 1) : NULL;
	if (text)
		(void)!pread(job->log_output.fd, text, (size_t)end, 0);
	output_close(&job->log_output);
	return parse_entries(job, text ? text : "");
}

/* False: nothing was begun. */
static bool read_journal(struct job *job, bool errors,
			 void (*done)(void *userdata, int error))
{
	if (output_open(&job->log_output, OUTPUT_KIND_FILE) < 0)
		return false;
	job->unit_log = units_log_since(
		job->context->units, job->settings->unit, job->unit_begun_usec,
		job->unit_state.exec_main_pid, errors, job->log_output.path, done, job);
	if (!job->unit_log)
		output_close(&job->log_output);
	return job->unit_log != NULL;
}

/* --- the verdict -------------------------------------------------------------------
 */

static struct blame_line line_of(const json_t *entry)
{
	return (struct blame_line){
		.from_root = has(entry, "_UID", "0"),
		.is_spawn = has(entry, "MESSAGE_ID", SPAWN_FAILED),
		.errnum = (int)strtol(text_of(entry, "ERRNO"), NULL, 10),
		.path = json_string_value(json_object_get(entry, "EXECUTABLE")),
		.message = json_string_value(json_object_get(entry, "MESSAGE"))};
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

static void on_errors(void *userdata, int error)
{
	struct job *job = userdata;
	cleanup_json json_t *entries = take_entries(job, error);

	judge(job, entries);
	job->examined(job);
}

void job_examine(struct job *job, bool never_started, void (*go_on)(struct job *job))
{
	const struct unit_state *state = &job->unit_state;

	job->never_started = never_started;
	job->examined = go_on;
	if (blame_needs_journal(state->result, state->exec_main_code,
				state->exec_main_status) &&
	    read_journal(job, true, on_errors))
		return;
	judge(job, NULL);
	go_on(job);
}

/* --- the evidence ------------------------------------------------------------------
 */

/* As journalctl's short form: "Nov 29 02:30:15 web1 hello[532]: listening". */
static void print_entry(FILE *stream, const json_t *entry)
{
	const json_t *message = json_object_get(entry, "MESSAGE");
	time_t sec =
		(time_t)(strtoll(text_of(entry, "__REALTIME_TIMESTAMP"), NULL, 10) /
			 1000000);
	const char *pid = text_of(entry, "_PID");
	char text[EVIDENCE_LINE_BYTES_MAX + 1], when[32] = "";
	struct tm local;

	if (localtime_r(&sec, &local))
		(void)strftime(when, sizeof(when), "%b %d %H:%M:%S", &local);
	if (json_is_string(message))
		(void)snprintf(text, sizeof(text), "%s", json_string_value(message));
	else
		(void)snprintf(text, sizeof(text), "[%zu bytes that are no text]",
			       json_array_size(message));
	(void)fprintf(stream, "%s %s %s%s%s%s: %s\n", when, text_of(entry, "_HOSTNAME"),
		      text_of(entry, "SYSLOG_IDENTIFIER"), *pid ? "[" : "", pid,
		      *pid ? "]" : "", names_trim_utf8(text));
}

static char *print_entries(const json_t *entries)
{
	size_t n = json_array_size(entries), size;
	char *text = NULL;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = n > JOB_LOG_LINES ? n - JOB_LOG_LINES : 0; i < n; i++)
		print_entry(stream, json_array_get(entries, i));
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

static void on_log(void *userdata, int error)
{
	struct job *job = userdata;
	cleanup_json json_t *entries = take_entries(job, error);

	free(job->unit_log_text);
	job->unit_log_text = print_entries(entries);
	job_step_done(job, false);
}

void job_fail_with_log(struct job *job)
{
	if (!read_journal(job, false, on_log))
		job_step_done(job, false);
}
