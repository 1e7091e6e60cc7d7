/*
 * The steps of an operation that deployd-store carries out: making room, sealing,
 * switching there and back, the final record. Nothing here touches a file itself.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "build_config.h"
#include "deploy/cleanup.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/operation.h"

#define INODES_WANTED 1024 /* free before an unpacking is begun */
/* Nothing is pruned while it is not known what the unit's processes run from. */
#define KEEP_ALL ((json_int_t)1 << 32)

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void log_switch(const struct operation *operation, const char *to,
		       const char *before)
{
	journal_event(
		JOURNAL_SWITCHED, LOG_NOTICE,
		&(struct journal_context){.app = operation->settings->app_name,
					  .unit = operation->settings->unit,
					  .release = to,
					  .job = operation->id,
					  .operation = op_kind_name(operation->op.kind),
					  .uid = operation->uid,
					  .user = operation->user,
					  .pid = -1},
		"%s: current is now %s (before: %s)", operation->settings->app_name, to,
		before ? before : "none");
}

static void take_switch(struct operation *operation, const json_t *reply)
{
	const char *from = text_of(reply, "from");

	(void)snprintf(operation->from, sizeof(operation->from), "%s",
		       from ? from : "");
	if (!operation->settings->health.auto_rollback)
		operation->op.fallback = OP_FALLBACK_NONE;
	else
		operation->op.fallback = from ? OP_FALLBACK_BACK : OP_FALLBACK_STOP;
	log_switch(operation, operation->target, from);
}

/* The directory was made a moment ago: opening it does not wait for the disk. */
static void take_staging(struct operation *operation, const json_t *reply)
{
	(void)snprintf(operation->target, sizeof(operation->target), "%s",
		       text_of(reply, "release"));
	(void)snprintf(operation->staging, sizeof(operation->staging), "%s",
		       text_of(reply, "staging"));
	operation->staging_fd = open(operation->staging,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void call_store(struct operation *operation, const char *verb, json_t *fields,
		       uint64_t timeout_ms);

static bool is_switching(const struct operation *operation)
{
	return operation->op.state == OP_STATE_SWITCHING ||
	       operation->op.state == OP_STATE_REVERTING;
}

/* What is done stays done: who reads this must not do it again. */
static void fail_for_store(struct operation *operation, enum deploy_result result,
			   const char *why)
{
	const struct op *op = &operation->op;

	if (op->state == OP_STATE_FINISHING && !op->failed)
		operation_fail(operation, result,
			       "release %s is live and well, but that could not be "
			       "recorded: %s",
			       operation->target, why);
	else if (op->state == OP_STATE_RECORDING && !op->failed)
		operation_fail(operation, result,
			       "%s is done, but that could not be recorded: %s",
			       op_kind_name(op->kind), why);
	else
		operation_fail(operation, result, "%s", why);
}

static void on_store_failed(struct operation *operation, enum deploy_result result,
			    const struct errinfo *error)
{
	/*
	 * After a failure of its own the operation keeps that as its result; what went
	 * wrong while cleaning up must still be seen.
	 */
	if (operation->result != RESULT_OK || operation->op.switched)
		journal_log(LOG_ERR, "%s: job %s: %s: %s",
			    operation->settings->app_name, operation->id,
			    op_state_name(operation->op.state), error->what);
	if (operation->op.state == OP_STATE_REVERTING)
		operation->revert_error = *error;
	fail_for_store(operation, result, error->what);
	operation_step_done(operation, false);
}

/*
 * Killed, or failed at the very end: the link may point there all the same. What is
 * live is not guessed.
 */
static void ask_what_is_live(struct operation *operation, const struct errinfo *error)
{
	operation->asking = true;
	operation->switch_error = *error;
	journal_log(LOG_WARNING, "%s: job %s: %s: %s; looking what is live",
		    operation->settings->app_name, operation->id,
		    op_state_name(operation->op.state), error->what);
	call_store(operation, "recover", NULL, STORE_DURABLE_TIMEOUT_MSEC);
}

static void on_what_is_live(struct operation *operation, enum deploy_result result,
			    const json_t *reply, const struct errinfo *error)
{
	const struct errinfo *why = &operation->switch_error;
	const json_t *pending = json_object_get(reply, "pending");
	const char *phase = text_of(pending, "phase");
	bool reverting = operation->op.state == OP_STATE_REVERTING;

	operation->asking = false;
	if (result != RESULT_OK) {
		manager_forget_view(operation->app, error->what);
		on_store_failed(operation, why->result, why);
		return;
	}
	manager_take_view(operation->app, operation->settings,
			  json_object_get(reply, "view"));
	if (!phase || strcmp(phase, "switched") != 0) {
		on_store_failed(operation, why->result, why);
		return;
	}
	if (reverting)
		log_switch(operation, operation->from, operation->target);
	else
		take_switch(operation, pending);
	operation_step_done(operation, true);
}

static void on_store_done(struct store_call *call, enum deploy_result result,
			  const json_t *reply, const struct errinfo *error)
{
	struct operation *operation = call->userdata;

	if (operation->asking) {
		on_what_is_live(operation, result, reply, error);
		return;
	}
	if (result == RESULT_FAILED && is_switching(operation)) {
		ask_what_is_live(operation, error);
		return;
	}
	if (result != RESULT_OK) {
		on_store_failed(operation, result, error);
		return;
	}
	manager_take_view(operation->app, operation->settings,
			  json_object_get(reply, "view"));
	if (operation->op.state == OP_STATE_PREPARING) {
		take_staging(operation, reply);
	} else if (operation->op.state == OP_STATE_MARKING &&
		   operation->op.kind == OP_KIND_CONFIRM && !operation->marked_good) {
		operation->marked_good = true;
		operation_mark(operation);
		return;
	} else if (operation->op.state == OP_STATE_SWITCHING) {
		take_switch(operation, reply);
	} else if (operation->op.state == OP_STATE_REVERTING) {
		log_switch(operation, operation->from, operation->target);
	} else if (operation->op.state == OP_STATE_DISCARDING) {
		operation->target[0] = '\0'; /* there is no such release any more */
	}
	operation_step_done(operation, true);
}

static void call_store_fd(struct operation *operation, const char *verb, json_t *fields,
			  int fd, uint64_t timeout_ms)
{
	int r;

	operation->store.userdata = operation;
	operation->store.done = on_store_done;
	r = store_call_start_fd(&operation->store, operation->daemon->loop,
				operation->config, operation->settings, verb, fields,
				fd, timeout_ms);
	if (r < 0) {
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-store: %s", strerror(-r));
		operation_step_done(operation, false);
	}
}

static void call_store(struct operation *operation, const char *verb, json_t *fields,
		       uint64_t timeout_ms)
{
	call_store_fd(operation, verb, fields, -1, timeout_ms);
}

static void prepare(struct operation *operation)
{
	call_store(operation, "prepare",
		   json_pack("{s:I, s:I}", "need_bytes",
			     (json_int_t)operation->config->daemon->reserve_bytes,
			     "max_entries", (json_int_t)INODES_WANTED),
		   STORE_TIMEOUT_MSEC);
}

void operation_prepare(struct operation *operation)
{
	bool welcome = !operation->sha256 ||
		       operation_archive_is_welcome(operation, operation->sha256);

	if (operation->op.kind == OP_KIND_STAGE)
		prepare(operation);
	else if (!welcome || !operation_may_switch(operation))
		operation_step_done(operation, false);
	else
		operation_with_unit(operation, prepare);
}

void operation_seal(struct operation *operation)
{
	const struct release_limits *limits = &operation->settings->limits;
	json_t *required = json_array();
	json_t *meta;

	for (char **p = operation->settings->require_files; p && *p; p++)
		(void)json_array_append_new(required, json_string(*p));
	meta = json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "sha256",
			 operation->actual_sha256, "archive_bytes",
			 (json_int_t)operation->archive_bytes, "version",
			 text_or_null(operation->version), "revision",
			 text_or_null(operation->revision), "message",
			 text_or_null(operation->message), "deployed_by",
			 operation_by(operation));
	call_store_fd(operation, "seal",
		      json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "release",
				operation->target, "max_bytes",
				(json_int_t)limits->max_release_bytes, "max_entries",
				(json_int_t)limits->max_entries, "max_depth",
				(json_int_t)limits->max_depth, "require", required,
				"meta", meta),
		      operation->staging_fd, STORE_DURABLE_TIMEOUT_MSEC);
}

/* Settles which release to go to. False: the step has failed. */
static bool choose_target(struct operation *operation)
{
	const char *current = manager_current(operation->app);
	const char *previous = manager_previous(operation->app);
	const char *state;

	if (operation->op.kind == OP_KIND_DEPLOY)
		return true;
	if (operation->target[0] == '\0') {
		if (!previous) {
			operation_fail(
				operation, RESULT_NOT_FOUND,
				"there is no earlier good release to roll back to");
			return false;
		}
		(void)snprintf(operation->target, sizeof(operation->target), "%s",
			       previous);
		return true;
	}
	state = manager_release_state(operation->app, operation->target);
	if (!state) {
		operation_fail(
			operation, RESULT_NOT_FOUND,
			"there is no release %s; `deployctl releases %s` lists them",
			operation->target, operation->settings->app_name);
		return false;
	}
	if (current && strcmp(current, operation->target) == 0) {
		operation_fail(
			operation, RESULT_USAGE,
			"%s is current already; `deployctl restart %s` restarts it",
			current, operation->settings->app_name);
		return false;
	}
	/* Of an unknown one its health decides, like that of a new one. */
	if (operation->op.kind == OP_KIND_ROLLBACK && strcmp(state, "good") != 0 &&
	    strcmp(state, "unknown") != 0) {
		operation_fail(
			operation, RESULT_NOT_FOUND,
			"release %s is %s: only a good one can be gone back to%s",
			operation->target, state,
			strcmp(state, "staged") == 0 ? "; use activate" : "");
		return false;
	}
	if (strcmp(state, "bad") == 0 && !operation->force) {
		operation_fail(operation, RESULT_NOT_FOUND,
			       "release %s is bad, `deployctl show %s@%s` says why; "
			       "--force activates it all the same",
			       operation->target, operation->settings->app_name,
			       operation->target);
		return false;
	}
	return true;
}

static json_t *switch_fields(struct operation *operation, const char *to,
			     const char *kind)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "to", to, "kind", kind, "job",
			 operation->id, "by", operation_by(operation));
}

static void switch_to_target(struct operation *operation)
{
	json_t *fields = switch_fields(operation, operation->target,
				       op_kind_name(operation->op.kind));

	if (operation->if_current)
		(void)json_object_set_new(fields, "if_current",
					  text_or_null(operation->if_current));
	/* On disk before the switch: a crash cannot make it forgotten. */
	if (operation->confirm_sec > 0) {
		operation->confirm_deadline_sec =
			(int64_t)time(NULL) + (int64_t)operation->confirm_sec;
		(void)json_object_set_new(
			fields, "confirm_deadline_sec",
			json_integer((json_int_t)operation->confirm_deadline_sec));
	}
	call_store(operation, "switch", fields, STORE_TIMEOUT_MSEC);
}

bool operation_would_switch(struct operation *operation)
{
	char target[RELEASE_ID_SIZE];
	bool would;

	(void)memcpy(target, operation->target, sizeof(target));
	would = operation_may_switch(operation) && choose_target(operation);
	/* By its turn things may stand otherwise. */
	(void)memcpy(operation->target, target, sizeof(target));
	operation->result = RESULT_OK;
	operation->error = (struct errinfo){0};
	return would;
}

void operation_switch(struct operation *operation)
{
	if (!operation_may_switch(operation) || !choose_target(operation))
		operation_step_done(operation, false);
	else if (operation->op.kind == OP_KIND_DEPLOY)
		switch_to_target(operation); /* the unit was there before the upload */
	else
		operation_with_unit(operation, switch_to_target);
}

void operation_revert(struct operation *operation)
{
	const char *current = manager_current(operation->app);

	/* A crash came between this switch and the restart that follows. */
	if (current && strcmp(current, operation->from) == 0) {
		operation_step_done(operation, true);
		return;
	}
	call_store(operation, "switch",
		   switch_fields(operation, operation->from, "revert"),
		   STORE_TIMEOUT_MSEC);
}

void operation_finish(struct operation *operation)
{
	const char *mark = NULL;
	json_t *fields;

	operation_settle(operation);
	/* One that awaits its confirmation is good when that has come. */
	if (operation->result == RESULT_OK && operation->confirm_deadline_sec == 0)
		mark = "good";
	else if (operation->release_bad)
		mark = "bad";
	fields = json_pack(
		"{s:s, s:o, s:o, s:I, s:o, s:b}", "release", operation->target, "mark",
		text_or_null(mark), "history", operation_history(operation), "keep",
		operation->in_use ? (json_int_t)operation->settings->keep : KEEP_ALL,
		"in_use",
		operation->in_use ? json_incref(operation->in_use) : json_array(),
		"clear_intent", 1);
	(void)json_object_set_new(fields, "failed", operation_sick(operation));
	if (operation->release_bad)
		(void)json_object_set_new(fields, "evidence",
					  operation_evidence(operation));
	call_store(operation, "finish", fields, STORE_DURABLE_TIMEOUT_MSEC);
}

void operation_discard(struct operation *operation)
{
	call_store(operation, "discard",
		   json_pack("{s:s}", "release", operation->target),
		   STORE_DURABLE_TIMEOUT_MSEC);
}

void operation_record(struct operation *operation)
{
	json_t *fields = json_pack("{s:o}", "history", operation_history(operation));

	/* Only these have looked at the app's health. */
	if (operation->op.kind == OP_KIND_RESTART ||
	    operation->op.kind == OP_KIND_START)
		(void)json_object_set_new(fields, "failed", operation_sick(operation));
	call_store(operation, "record", fields, STORE_TIMEOUT_MSEC);
}

/*
 * Good first, then no more deadline: killed in between, it goes back as it would have
 * without the confirmation.
 */
static void mark_confirmed(struct operation *operation)
{
	const char *release = text_of(manager_confirm(operation->app), "release");

	if (!release) {
		operation_fail(operation, RESULT_NOT_FOUND,
			       "no release of %s awaits its confirmation",
			       operation->settings->app_name);
		operation_step_done(operation, false);
		return;
	}
	(void)snprintf(operation->target, sizeof(operation->target), "%s", release);
	if (operation->marked_good)
		call_store(operation, "confirm", json_pack("{s:s}", "release", release),
			   STORE_TIMEOUT_MSEC);
	else
		call_store(operation, "mark",
			   json_pack("{s:s, s:s}", "release", release, "mark", "good"),
			   STORE_TIMEOUT_MSEC);
}

void operation_mark(struct operation *operation)
{
	json_t *by = operation_by(operation);

	switch (operation->op.kind) {
	case OP_KIND_CONFIRM:
		mark_confirmed(operation);
		break;
	case OP_KIND_HOLD:
		call_store(operation, "hold",
			   json_pack("{s:s, s:I, s:O}", "reason",
				     operation->message ? operation->message : "",
				     "until_sec", (json_int_t)operation->until_sec,
				     "by", by),
			   STORE_TIMEOUT_MSEC);
		break;
	case OP_KIND_UNHOLD:
		call_store(operation, "unhold", NULL, STORE_TIMEOUT_MSEC);
		break;
	case OP_KIND_DEPLOY:
	case OP_KIND_STAGE:
	case OP_KIND_ACTIVATE:
	case OP_KIND_ROLLBACK:
	case OP_KIND_RESTART:
	case OP_KIND_RELOAD:
	case OP_KIND_START:
	case OP_KIND_STOP:
	case OP_KIND_ENABLE:
	case OP_KIND_DISABLE:
	case OP_KIND_FLAG:
	case OP_KIND_RECOVER:
	case OP_KIND_REVERT:
	case OP_KIND_COUNT:
		operation_fail(operation, RESULT_FAILED, "%s marks nothing",
			       op_kind_name(operation->op.kind));
		operation_step_done(operation, false);
		break;
	}
	json_decref(by);
}
