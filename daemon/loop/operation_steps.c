/*
 * The steps of an operation that the helper programs carry out: making room, unpacking,
 * sealing, switching, the final record. Nothing here touches a file itself.
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

static json_t *by_json(const struct operation *operation)
{
	return json_pack("{s:I, s:s}", "uid", (json_int_t)operation->uid, "user",
			 operation->user);
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void on_store_done(struct store_call *call, enum deploy_result result,
			  const json_t *reply, const struct errinfo *error)
{
	struct operation *operation = call->userdata;
	const char *from;

	if (result != RESULT_OK) {
		/*
		 * After a failure of its own the operation keeps that as its result;
		 * what went wrong while cleaning up must still be seen.
		 */
		if (operation->result != RESULT_OK || operation->op.switched)
			journal_log(LOG_ERR, "%s: job %s: %s: %s",
				    operation->settings->app_name, operation->id,
				    op_state_name(operation->op.state), error->what);
		operation_fail(operation, result, "%s", error->what);
		operation_step_done(operation, false);
		return;
	}
	manager_take_view(operation->app, operation->settings,
			  json_object_get(reply, "view"));
	if (operation->op.state == OP_STATE_PREPARING) {
		(void)snprintf(operation->target, sizeof(operation->target), "%s",
			       text_of(reply, "release"));
		(void)snprintf(operation->staging, sizeof(operation->staging), "%s",
			       text_of(reply, "staging"));
	} else if (operation->op.state == OP_STATE_SWITCHING) {
		from = text_of(reply, "from");
		(void)snprintf(operation->from, sizeof(operation->from), "%s",
			       from ? from : "");
		journal_event(JOURNAL_SWITCHED, LOG_NOTICE,
			      &(struct journal_context){
				      .app = operation->settings->app_name,
				      .unit = operation->settings->unit,
				      .release = operation->target,
				      .job = operation->id,
				      .operation = op_kind_name(operation->op.kind),
				      .uid = operation->uid,
				      .user = operation->user,
				      .pid = -1},
			      "%s: current is now %s (before: %s)",
			      operation->settings->app_name, operation->target,
			      from ? from : "none");
	}
	if (operation->op.state == OP_STATE_DISCARDING)
		operation->target[0] = '\0'; /* there is no such release any more */
	operation_step_done(operation, true);
}

static void call_store(struct operation *operation, const char *verb, json_t *fields,
		       uint64_t timeout_ms)
{
	int r;

	operation->store.userdata = operation;
	operation->store.done = on_store_done;
	r = store_call_start(&operation->store, operation->daemon->loop,
			     operation->config, operation->settings, verb, fields,
			     timeout_ms);
	if (r < 0) {
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-store: %s", strerror(-r));
		operation_step_done(operation, false);
	}
}

/* "" stands for none. False: the step has failed. */
static bool check_current(struct operation *operation)
{
	const char *current = manager_current(operation->app);

	if (!operation->if_current ||
	    strcmp(operation->if_current, current ? current : "") == 0)
		return true;
	operation_fail(operation, RESULT_IF_CURRENT,
		       "the current release is %s, not %s; nothing was changed",
		       current ? current : "none",
		       *operation->if_current ? operation->if_current : "none");
	return false;
}

void operation_prepare(struct operation *operation)
{
	if (!check_current(operation)) {
		operation_step_done(operation, false);
		return;
	}
	call_store(operation, "prepare",
		   json_pack("{s:I, s:I}", "need_bytes",
			     (json_int_t)operation->config->daemon->reserve_bytes,
			     "max_entries", (json_int_t)INODES_WANTED),
		   STORE_TIMEOUT_MSEC);
}

/* What the two helpers said, put together; called when both have ended. */
static void judge_pipeline(struct operation *operation)
{
	const json_t *intake_reply = NULL, *unpack_reply = NULL;
	struct errinfo intake_error = {0}, unpack_error = {0};
	enum deploy_result intake, unpack;
	const char *hash;
	bool refused_early;

	intake = child_outcome(&operation->intake, &intake_reply, &intake_error);
	unpack = child_outcome(&operation->unpack, &unpack_reply, &unpack_error);
	/* Intake then only saw its pipe close; the reason is with unpack. */
	refused_early =
		unpack != RESULT_OK &&
		json_is_true(json_object_get(operation->intake.result, "epipe"));
	if (intake != RESULT_OK && !refused_early) {
		operation_fail(operation, intake, "%s", intake_error.what);
		return;
	}
	if (unpack != RESULT_OK) {
		operation_fail(operation, unpack, "%s", unpack_error.what);
		return;
	}
	hash = text_of(intake_reply, "sha256");
	if (!hash || !names_sha256_valid(hash)) {
		operation_fail(operation, RESULT_FAILED,
			       "deployd-intake gave no sha256");
		return;
	}
	(void)snprintf(operation->actual_sha256, sizeof(operation->actual_sha256), "%s",
		       hash);
	operation->archive_bytes =
		(uint64_t)json_integer_value(json_object_get(intake_reply, "bytes"));
	if (operation->sha256 && strcmp(operation->sha256, hash) != 0)
		operation_fail(
			operation, RESULT_REJECTED,
			"sha256 of the archive is %s, not %s: it is not the file "
			"you meant, or it was damaged on the way",
			hash, operation->sha256);
}

static void on_helper_done(struct child *child)
{
	struct operation *operation = child->userdata;
	bool ok;

	if (--operation->pipeline_left > 0)
		return;
	judge_pipeline(operation);
	ok = operation->result == RESULT_OK;
	child_deinit(&operation->intake);
	child_deinit(&operation->unpack);
	operation_step_done(operation, ok);
}

static void on_intake_progress(struct child *child, const json_t *progress)
{
	struct operation *operation = child->userdata;

	operation->bytes =
		(uint64_t)json_integer_value(json_object_get(progress, "bytes"));
	operation->total_bytes =
		(uint64_t)json_integer_value(json_object_get(progress, "total"));
	operation_tell(operation);
}

static void on_unpack_progress(struct child *child, const json_t *progress)
{
	struct operation *operation = child->userdata;

	operation->entries =
		(uint64_t)json_integer_value(json_object_get(progress, "entries"));
}

static int start_unpack(struct operation *operation, int fd0)
{
	const struct release_limits *limits = &operation->settings->limits;
	const struct config_set *config = operation->config;
	char args[9][560];
	const char *argv[] = {DEPLOYD_LIBEXECDIR "/deployd-unpack",
			      args[0],
			      args[1],
			      args[2],
			      args[3],
			      args[4],
			      args[5],
			      args[6],
			      args[7],
			      args[8],
			      NULL,
			      NULL};
	char cpu[64];
	struct child_options options = {.argv = argv,
					.fd0 = fd0,
					.fd1 = -1,
					.timeout_ms = limits->unpack_sec * 1000};

	(void)snprintf(args[0], sizeof(args[0]), "--staging=%s", operation->staging);
	(void)snprintf(args[1], sizeof(args[1]), "--uid=%u",
		       (unsigned int)config->unpack_uid);
	(void)snprintf(args[2], sizeof(args[2]), "--gid=%u",
		       (unsigned int)config->unpack_gid);
	(void)snprintf(args[3], sizeof(args[3]), "--max-bytes=%llu",
		       (unsigned long long)limits->max_release_bytes);
	(void)snprintf(args[4], sizeof(args[4]), "--max-entries=%llu",
		       (unsigned long long)limits->max_entries);
	(void)snprintf(args[5], sizeof(args[5]), "--max-file-bytes=%llu",
		       (unsigned long long)limits->max_file_bytes);
	(void)snprintf(args[6], sizeof(args[6]), "--max-ratio=%llu",
		       (unsigned long long)limits->max_ratio);
	(void)snprintf(args[7], sizeof(args[7]), "--max-depth=%llu",
		       (unsigned long long)limits->max_depth);
	(void)snprintf(args[8], sizeof(args[8]), "--memory-bytes=%llu",
		       (unsigned long long)config->daemon->unpack_memory_bytes);
	(void)snprintf(cpu, sizeof(cpu), "--cpu-sec=%llu",
		       (unsigned long long)limits->unpack_sec);
	argv[10] = cpu;
	operation->unpack.userdata = operation;
	operation->unpack.on_progress = on_unpack_progress;
	operation->unpack.on_done = on_helper_done;
	return child_start(&operation->unpack, operation->daemon->loop, &options);
}

static int start_intake(struct operation *operation, int fd1)
{
	const struct config_set *config = operation->config;
	const struct release_limits *limits = &operation->settings->limits;
	char uid[32], gid[32], bytes[48], idle[48];
	const char *argv[] = {
		DEPLOYD_LIBEXECDIR "/deployd-intake", uid, gid, bytes, idle, NULL};
	struct child_options options = {.argv = argv,
					.fd0 = operation->archive_fd,
					.fd1 = fd1,
					.timeout_ms = limits->unpack_sec * 1000};

	(void)snprintf(uid, sizeof(uid), "--uid=%u", (unsigned int)config->intake_uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u", (unsigned int)config->intake_gid);
	(void)snprintf(bytes, sizeof(bytes), "--max-bytes=%llu",
		       (unsigned long long)limits->max_archive_bytes);
	(void)snprintf(idle, sizeof(idle), "--idle-sec=%llu",
		       (unsigned long long)config->daemon->intake_idle_sec);
	operation->intake.userdata = operation;
	operation->intake.on_progress = on_intake_progress;
	operation->intake.on_done = on_helper_done;
	return child_start(&operation->intake, operation->daemon->loop, &options);
}

void operation_unpack(struct operation *operation)
{
	int fds[2];
	int r = pipe2(fds, O_CLOEXEC);

	if (r < 0) {
		operation_fail(operation, RESULT_FAILED, "cannot make a pipe: %s",
			       strerror(errno));
		operation_step_done(operation, false);
		return;
	}
	operation->pipeline_left = 2;
	r = start_unpack(operation, fds[0]);
	(void)close(fds[0]);
	if (r < 0) {
		(void)close(fds[1]);
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-unpack: %s", strerror(-r));
		operation_step_done(operation, false);
		return;
	}
	r = start_intake(operation, fds[1]);
	(void)close(fds[1]);
	/* The helper has it; held here too, the sender would never see it closed. */
	(void)close(operation->archive_fd);
	operation->archive_fd = -1;
	if (r < 0) {
		operation_fail(operation, RESULT_FAILED,
			       "cannot start deployd-intake: %s", strerror(-r));
		operation->pipeline_left = 1;
		child_kill(&operation->unpack);
	}
}

void operation_seal(struct operation *operation)
{
	const struct release_limits *limits = &operation->settings->limits;
	json_t *required = json_array();
	json_t *meta;

	for (char **p = operation->settings->require_files; p && *p; p++)
		(void)json_array_append_new(required, json_string(*p));
	meta = json_pack(
		"{s:s, s:I, s:o, s:o, s:o, s:o}", "sha256", operation->actual_sha256,
		"archive_bytes", (json_int_t)operation->archive_bytes, "version",
		text_or_null(operation->version), "revision",
		text_or_null(operation->revision), "message",
		text_or_null(operation->message), "deployed_by", by_json(operation));
	call_store(operation, "seal",
		   json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "release",
			     operation->target, "max_bytes",
			     (json_int_t)limits->max_release_bytes, "max_entries",
			     (json_int_t)limits->max_entries, "max_depth",
			     (json_int_t)limits->max_depth, "require", required, "meta",
			     meta),
		   STORE_DURABLE_TIMEOUT_MSEC);
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
	if (strcmp(state, "bad") == 0 ||
	    (operation->op.kind == OP_KIND_ROLLBACK && strcmp(state, "good") != 0)) {
		operation_fail(
			operation, RESULT_NOT_FOUND,
			"release %s is %s: only a good one can be gone back to%s",
			operation->target, state,
			strcmp(state, "staged") == 0 ? "; use activate" : "");
		return false;
	}
	return true;
}

void operation_switch(struct operation *operation)
{
	json_t *fields;

	if (!check_current(operation) || !choose_target(operation)) {
		operation_step_done(operation, false);
		return;
	}
	fields = json_pack("{s:s, s:s, s:s, s:o}", "to", operation->target, "op",
			   op_kind_name(operation->op.kind), "job", operation->id, "by",
			   by_json(operation));
	if (operation->if_current)
		(void)json_object_set_new(fields, "if_current",
					  text_or_null(operation->if_current));
	call_store(operation, "switch", fields, STORE_TIMEOUT_MSEC);
}

static json_t *history_entry(struct operation *operation)
{
	char time_text[RFC3339_SIZE];
	json_t *entry;

	operation->took_ms =
		uv_now(operation->daemon->loop) - operation->started_mono_ms;
	names_rfc3339(operation->created_sec, time_text);
	entry = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:I}", "time", time_text,
		"id", operation->id, "app", operation->settings->app_name, "operation",
		op_kind_name(operation->op.kind), "from", text_or_null(operation->from),
		"to", text_or_null(operation->target), "result",
		result_name(operation->result), "by", by_json(operation), "took_ms",
		(json_int_t)operation->took_ms);
	if (operation->have_gap)
		(void)json_object_set_new(entry, "restart_gap_ms",
					  json_integer((json_int_t)operation->gap_ms));
	if (operation->result != RESULT_OK)
		(void)json_object_set_new(entry, "message",
					  json_string(operation->error.what));
	else if (operation->message)
		(void)json_object_set_new(entry, "message",
					  json_string(operation->message));
	return entry;
}

void operation_finish(struct operation *operation)
{
	const char *mark = NULL;

	if (operation->result == RESULT_OK)
		mark = "good";
	else if (operation->release_bad)
		mark = "bad";
	call_store(operation, "finish",
		   json_pack("{s:s, s:o, s:o, s:I, s:[], s:b}", "release",
			     operation->target, "mark", text_or_null(mark), "history",
			     history_entry(operation), "keep",
			     (json_int_t)operation->settings->keep, "in_use",
			     "clear_intent", 1),
		   STORE_DURABLE_TIMEOUT_MSEC);
}

void operation_discard(struct operation *operation)
{
	call_store(operation, "discard",
		   json_pack("{s:s}", "release", operation->target),
		   STORE_DURABLE_TIMEOUT_MSEC);
}

void operation_record(struct operation *operation)
{
	call_store(operation, "record",
		   json_pack("{s:o}", "history", history_entry(operation)),
		   STORE_TIMEOUT_MSEC);
}
