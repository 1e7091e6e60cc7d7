/*
 * How an operation ended, in the forms that are wanted of it: the reply, the error, the
 * history, the evidence against a release.
 */
#include "loop/operation.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deploy/duration.h"
#include "loop/daemon.h"

#define EVIDENCE_OUTPUT_BYTES_MAX 2048
/* The reason (errinfo) or the deployer's words, and how the stop went. */
#define MESSAGE_SIZE	 1536
#define REASON_BYTES_MAX 250 /* of the first failure, before what it led to */

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

json_t *operation_by(const struct operation *operation)
{
	return json_pack("{s:I, s:s}", "uid", (json_int_t)operation->uid, "user",
			 operation->user);
}

static void live_words(const struct operation *operation, char *ret_text, size_t size)
{
	char gap[80] = "", confirm[128] = "", until[RFC3339_SIZE],
	     duration[DURATION_TEXT_SIZE];
	const char *note = operation->note;

	if (operation->have_gap)
		(void)snprintf(gap, sizeof(gap), " (restart gap %s)",
			       duration_text((int64_t)operation->gap_ms, duration));
	if (operation->confirm_deadline_sec > 0) {
		names_rfc3339(operation->confirm_deadline_sec, until);
		(void)snprintf(confirm, sizeof(confirm),
			       "; goes back at %s unless `deployctl confirm` comes",
			       until);
	}
	(void)snprintf(ret_text, size, "live%s%s%s%s", gap, confirm, *note ? "; " : "",
		       note);
}

/* systemd uses the unit as it has read it, and a restart does not change that. */
static void add_stale_unit(const struct operation *operation, char *message,
			   size_t size)
{
	size_t length = strlen(message);

	(void)snprintf(message + length, size - length,
		       "; the unit file of %s has changed since systemd read it: "
		       "`systemctl daemon-reload`, then restart (or set daemon_reload "
		       "= yes)",
		       operation->settings->unit);
}

/* Beside the reason, never in it: it is not what went wrong. */
static void add_stop(const struct operation *operation, char *message, size_t size)
{
	size_t length = strlen(message);

	if (*operation->stop_note)
		(void)snprintf(message + length, size - length, "%s%s",
			       length > 0 ? "; " : "", operation->stop_note);
	(void)names_trim_utf8(message);
}

static void add_warning(const struct operation *operation, char *message, size_t size)
{
	size_t length = strlen(message);

	(void)snprintf(message + length, size - length, "; warning: %s",
		       operation->warning);
}

json_t *operation_outcome(const struct operation *operation)
{
	char message[MESSAGE_SIZE + OPERATION_WARNING_BYTES];
	const char *kind = op_kind_name(operation->op.kind);

	if (operation->result != RESULT_OK)
		(void)snprintf(message, sizeof(message), "%s", operation->error.what);
	else if (operation->op.switched)
		live_words(operation, message, sizeof(message));
	else if (operation->op.kind == OP_KIND_STAGE)
		(void)snprintf(message, sizeof(message), "staged");
	else
		(void)snprintf(message, sizeof(message), "%s done", kind);
	add_stop(operation, message, sizeof(message));
	if (operation->result == RESULT_OK && *operation->warning)
		add_warning(operation, message, sizeof(message));
	if (operation->result == RESULT_OK && operation->unit_state.need_daemon_reload)
		add_stale_unit(operation, message, sizeof(message));
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:s}", "job",
			 operation->id, "app", operation->settings->app_name, "kind",
			 kind, "result", result_name(operation->result), "release",
			 text_or_null(operation->target), "previous",
			 text_or_null(operation->from), "restartGapMs",
			 operation->have_gap
				 ? json_integer((json_int_t)operation->gap_ms)
				 : json_null(),
			 "tookMs", (json_int_t)operation->took_ms, "message", message);
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

json_t *operation_failure(const struct operation *operation)
{
	json_t *outcome = operation_outcome(operation);
	json_t *parameters =
		json_pack("{s:O, s:o}", "message", json_object_get(outcome, "message"),
			  "outcome", outcome);

	if (parameters && operation->unit_log_text)
		(void)json_object_set_new(parameters, "unitLog",
					  log_lines(operation->unit_log_text));
	if (parameters && operation->check_output)
		(void)json_object_set_new(parameters, "checkOutput",
					  json_string(operation->check_output));
	return parameters;
}

json_t *operation_evidence(const struct operation *operation)
{
	json_t *output = json_null();
	const char *text = operation->check_output;

	if (text && strlen(text) <= EVIDENCE_OUTPUT_BYTES_MAX)
		output = json_string(text);
	return json_pack("{s:s, s:o, s:o, s:o}", "reason", operation->error.what,
			 "unit_result", text_or_null(operation->unit_result),
			 "check_output", output ? output : json_null(), "journal",
			 log_lines(operation->unit_log_text));
}

json_t *operation_sick(const struct operation *operation)
{
	bool well = operation->result == RESULT_OK ||
		    operation->result == RESULT_ROLLED_BACK ||
		    operation->result == RESULT_CANCELLED;

	return well ? json_null() : json_string(operation->error.what);
}

/* The first failure stays in front: it is what somebody has to mend. */
static void conclude(struct operation *operation, enum deploy_result result,
		     const char *conclusion, const char *detail)
{
	char reason[REASON_BYTES_MAX + 1];

	(void)snprintf(reason, sizeof(reason), "%s", operation->error.what);
	operation->result = result;
	operation->error.result = result;
	(void)snprintf(operation->error.what, sizeof(operation->error.what), "%s; %s%s",
		       names_trim_utf8(reason), conclusion, detail);
	(void)names_trim_utf8(operation->error.what);
}

void operation_settle(struct operation *operation)
{
	const struct op *op = &operation->op;
	char back[96];

	if (!op->failed || !op->switched || operation->result == RESULT_OK ||
	    op->fallback == OP_FALLBACK_NONE)
		return;
	if (operation->stop_failed) {
		conclude(operation, RESULT_FAILED, "nothing new was started",
			 op->reverted ? "; what was live before is current again, and "
					"systemd starts it when that process is gone"
				      : "");
		return;
	}
	if (op->fallback == OP_FALLBACK_STOP) {
		conclude(operation, RESULT_ROLLBACK_FAILED,
			 "there is no earlier release to go back to, so the unit ",
			 *operation->revert_error.what ? operation->revert_error.what
						       : "was stopped");
		return;
	}
	if (op->reverted && op->restored) {
		conclude(operation, RESULT_ROLLED_BACK, "rolled back to ",
			 operation->from);
		return;
	}
	(void)snprintf(back, sizeof(back),
		       "and the rollback to %s failed: ", operation->from);
	conclude(operation, RESULT_ROLLBACK_FAILED, back, operation->revert_error.what);
}

json_t *operation_history(struct operation *operation)
{
	char time_text[RFC3339_SIZE], message[MESSAGE_SIZE];
	bool is_revert = operation->op.kind == OP_KIND_REVERT;
	const char *from = is_revert ? operation->target : operation->from;
	const char *to = is_revert ? operation->from : operation->target;
	json_t *entry;

	operation->took_ms =
		uv_now(operation->daemon->loop) - operation->started_mono_ms;
	names_rfc3339(operation->created_sec, time_text);
	entry = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:I}", "time", time_text,
		"id", operation->id, "app", operation->settings->app_name, "kind",
		op_kind_name(operation->op.kind), "from", text_or_null(from), "to",
		text_or_null(to), "result", result_name(operation->result), "by",
		operation_by(operation), "took_ms", (json_int_t)operation->took_ms);
	if (operation->have_gap)
		(void)json_object_set_new(entry, "restart_gap_ms",
					  json_integer((json_int_t)operation->gap_ms));
	(void)snprintf(message, sizeof(message), "%s",
		       operation->result != RESULT_OK ? operation->error.what
		       : operation->message	      ? operation->message
						      : operation->note);
	add_stop(operation, message, sizeof(message));
	if (*message)
		(void)json_object_set_new(entry, "message", json_string(message));
	return entry;
}
