/*
 * How a job ended, in the forms that are wanted of it: the reply, the error, the
 * history, the evidence against a release.
 */

#include "job/job_result.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/job_verdict.h"
#include "core/replay.h"
#include "deploy/duration.h"
#include "job/job_again.h"

#define EVIDENCE_OUTPUT_BYTES_MAX 2048
/* The reason (errinfo) or the deployer's words, and how the stop went. */
#define MESSAGE_SIZE 1536

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* For the wire: null where it is not known. */
static json_t *verified_json(const struct job *job)
{
	return job->runs == VERIFICATION_UNKNOWN
		       ? json_null()
		       : json_boolean(job->runs == VERIFICATION_VERIFIED);
}

static json_t *drift_json(const struct job *job)
{
	return job->runs == VERIFICATION_DRIFT ? json_string(job->runs_reason)
					       : json_null();
}

static void live_words(const struct job *job, char *ret_text, size_t size)
{
	char gap[80] = "", confirm[128] = "", until[RFC3339_SIZE],
	     duration[DURATION_TEXT_SIZE];
	const char *note = job->note;
	bool unknown = job->runs == VERIFICATION_UNKNOWN && *job->runs_reason;

	if (job->have_gap)
		(void)snprintf(gap, sizeof(gap), " (restart gap %s)",
			       duration_text((int64_t)job->gap_ms, duration));
	if (job->confirm_deadline_sec > 0) {
		names_rfc3339(job->confirm_deadline_sec, until);
		(void)snprintf(confirm, sizeof(confirm),
			       "; goes back at %s unless `deployctl confirm` comes",
			       until);
	}
	(void)snprintf(ret_text, size, "live%s%s%s%s%s%s%s",
		       job->runs == VERIFICATION_VERIFIED ? ", verified" : "", gap,
		       confirm, *note ? "; " : "", note,
		       unknown ? "; not verified: " : "",
		       unknown ? job->runs_reason : "");
}

/* systemd uses the unit as it has read it, and a restart does not change that. */
static void add_stale_unit(const struct job *job, char *message, size_t size)
{
	size_t length = strlen(message);

	(void)snprintf(message + length, size - length,
		       "; the unit file of %s has changed since systemd read it: "
		       "`systemctl daemon-reload`, then restart (or set daemon_reload "
		       "= yes)",
		       job->settings->unit);
}

/* Beside the reason, never in it: it is not what went wrong. */
static void add_stop(const struct job *job, char *message, size_t size)
{
	size_t length = strlen(message);

	if (*job->stop_note)
		(void)snprintf(message + length, size - length, "%s%s",
			       length > 0 ? "; " : "", job->stop_note);
	(void)names_trim_utf8(message);
}

static void add_warning(const struct job *job, char *message, size_t size)
{
	size_t length = strlen(message);

	(void)snprintf(message + length, size - length, "; warning: %s", job->warning);
}

/* A job that has failed changed something if it came as far as its switch. */
static bool has_changed(const struct job *job)
{
	if (job->unchanged)
		return false;
	return job->result == RESULT_OK || job->machine.switched || *job->repeats;
}

json_t *job_outcome(const struct job *job)
{
	char message[MESSAGE_SIZE + JOB_WARNING_BYTES];
	const char *kind = job_kind_name(job->machine.kind);

	if (job->result != RESULT_OK)
		(void)snprintf(message, sizeof(message), "%s", job->error.what);
	else if (job->unchanged || *job->repeats)
		(void)snprintf(message, sizeof(message), "%s", job->note);
	else if (job->machine.switched)
		live_words(job, message, sizeof(message));
	else if (job->machine.kind == JOB_KIND_STAGE)
		(void)snprintf(message, sizeof(message), "staged");
	else
		(void)snprintf(message, sizeof(message), "%s done", kind);
	add_stop(job, message, sizeof(message));
	if (job->result == RESULT_OK && *job->warning)
		add_warning(job, message, sizeof(message));
	if (job->result == RESULT_OK && job->unit_state.need_daemon_reload)
		add_stale_unit(job, message, sizeof(message));
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:s}", "job",
		*job->repeats ? job->repeats : job->id, "app", job->settings->app_name,
		"kind", kind, "result", result_name(job->result), "changed",
		has_changed(job), "release", text_or_null(job->target), "previous",
		text_or_null(job->from), "verified", verified_json(job), "drift",
		drift_json(job), "restartGapMs",
		job->have_gap ? json_integer((json_int_t)job->gap_ms) : json_null(),
		"tookMs", (json_int_t)job->took_ms, "message", message);
}

static json_t *log_lines(const char *text)
{
	json_t *lines = json_array();

	while (text && *text) {
		size_t length = strcspn(text, "\n");

		if (length > 0)
			(void)json_array_append_new(lines, json_stringn(text, length));
		text += length;
		text += *text == '\n';
	}
	return lines;
}

json_t *job_failure(const struct job *job)
{
	json_t *outcome = job_outcome(job);
	json_t *parameters =
		json_pack("{s:O, s:o}", "message", json_object_get(outcome, "message"),
			  "outcome", outcome);

	if (parameters && job->unit_log_text)
		(void)json_object_set_new(parameters, "unitLog",
					  log_lines(job->unit_log_text));
	if (parameters && job->check_output)
		(void)json_object_set_new(parameters, "checkOutput",
					  json_string(job->check_output));
	return parameters;
}

json_t *job_evidence(const struct job *job)
{
	json_t *output = json_null();
	const char *text = job->check_output;

	if (text && strlen(text) <= EVIDENCE_OUTPUT_BYTES_MAX)
		output = json_string(text);
	return json_pack("{s:s, s:o, s:o, s:o}", "reason", job->error.what,
			 "unit_result", text_or_null(job->unit_result), "check_output",
			 output ? output : json_null(), "journal",
			 log_lines(job->unit_log_text));
}

json_t *job_unhealthy(const struct job *job)
{
	bool well = job->result == RESULT_OK || job->result == RESULT_CANCELLED ||
		    job->machine.restored;

	return well ? json_null() : json_string(job->error.what);
}

json_t *job_last_failure(const struct job *job)
{
	char time_text[RFC3339_SIZE];

	if (job->result == RESULT_OK)
		return json_null();
	names_rfc3339((int64_t)time(NULL), time_text);
	return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:o}", "job", job->id, "kind",
			 job_kind_name(job->machine.kind), "release",
			 text_or_null(job->target), "result", result_name(job->result),
			 "message", job->error.what, "time", time_text, "by",
			 job_by(job));
}

static struct job_end end_of(const struct job *job)
{
	return (struct job_end){.machine = &job->machine,
				.result = job->result,
				.stop_failed = job->stop_failed,
				.release_failed = job->release_failed,
				.failure = job->failure,
				.back_failed = job->back_failed,
				.back_failure = job->back_failure,
				.awaits_confirm = job->confirm_deadline_sec != 0,
				.back = job->back,
				.revert_error = job->revert_error.what};
}

void job_settle(struct job *job)
{
	struct job_end end = end_of(job);

	job->result = job_verdict(&end, &job->error);
}

const char *job_release_mark(const struct job *job)
{
	struct job_end end = end_of(job);

	return job_mark_name(job_verdict_mark(&end));
}

/* What a request that comes again is known by, job_again.c. */
static void add_content(const struct job *job, json_t *entry)
{
	const struct release *release = app_view_release(job->app->view, job->target);
	const char *sha256 = *job->actual_sha256 ? job->actual_sha256
			     : release		 ? release->sha256
						 : NULL;
	const char *layout = release ? release->layout : job_content(job, NULL).layout;

	if (job->key && replay_keeps(job->result))
		(void)json_object_set_new(entry, "key", json_string(job->key));
	if (sha256)
		(void)json_object_set_new(entry, "sha256", json_string(sha256));
	if (sha256 && layout)
		(void)json_object_set_new(entry, "layout", json_string(layout));
	if (!has_changed(job))
		(void)json_object_set_new(entry, "changed", json_false());
}

json_t *job_history(struct job *job)
{
	char time_text[RFC3339_SIZE], message[MESSAGE_SIZE];
	bool is_revert = job->machine.kind == JOB_KIND_REVERT;
	const char *from = is_revert ? job->target : job->from;
	const char *to = is_revert ? job->back : job->target;
	json_t *entry;

	job->took_ms = uv_now(job->context->loop) - job->started_mono_ms;
	names_rfc3339(job->created_sec, time_text);
	entry = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:I}", "time",
			  time_text, "id", job->id, "app", job->settings->app_name,
			  "kind", job_kind_name(job->machine.kind), "from",
			  text_or_null(from), "to", text_or_null(to), "result",
			  result_name(job->result), "by", job_by(job), "took_ms",
			  (json_int_t)job->took_ms);
	add_content(job, entry);
	if (job->have_gap)
		(void)json_object_set_new(entry, "restart_gap_ms",
					  json_integer((json_int_t)job->gap_ms));
	(void)snprintf(message, sizeof(message), "%s",
		       job->result != RESULT_OK ? job->error.what
		       : job->message		? job->message
						: job->note);
	add_stop(job, message, sizeof(message));
	if (*message)
		(void)json_object_set_new(entry, "message", json_string(message));
	return entry;
}
