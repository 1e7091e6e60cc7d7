#include "loop/operation.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/manager.h"
#include "loop/session.h"

static void make_id(char id[OPERATION_ID_SIZE])
{
	uint64_t bits = 0;

	/* Eight bytes from the kernel's pool come whole, getrandom(2). */
	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = uv_hrtime();
	(void)snprintf(id, OPERATION_ID_SIZE, "%016llx", (unsigned long long)bits);
}

static bool copy_text(char **slot, const char *text)
{
	if (!text)
		return true;
	*slot = strdup(text);
	return *slot != NULL;
}

struct operation *operation_new(struct daemon *daemon, struct app *app,
				struct config_set *config,
				const struct app_config *settings,
				const struct operation_request *request)
{
	struct operation *operation = calloc(1, sizeof(*operation));

	if (!operation)
		return NULL;
	operation->staging_fd = -1;
	operation->log_output = OUTPUT_NONE;
	if (!copy_text(&operation->sha256, request->sha256) ||
	    !copy_text(&operation->version, request->version) ||
	    !copy_text(&operation->revision, request->revision) ||
	    !copy_text(&operation->message, request->message) ||
	    !copy_text(&operation->if_current, request->if_current)) {
		operation_free(operation);
		return NULL;
	}
	operation->daemon = daemon;
	operation->app = app;
	operation->config = config_set_ref(config);
	operation->settings = settings;
	operation->archive_session = request->archive_session;
	operation->force = request->force;
	operation->confirm_sec = request->confirm_sec;
	operation->until_sec = request->until_sec;
	operation->uid = request->uid;
	operation->owner = request->owner != 0 ? request->owner : request->uid;
	operation->created_sec = (int64_t)time(NULL);
	operation->started_mono_ms = uv_now(daemon->loop);
	(void)snprintf(operation->user, sizeof(operation->user), "%s", request->user);
	(void)snprintf(operation->target, sizeof(operation->target), "%s",
		       request->release ? request->release : "");
	op_init(&operation->op, request->kind);
	if (request->id && strlen(request->id) == sizeof(operation->id) - 1)
		(void)strcpy(operation->id, request->id);
	else
		make_id(operation->id);
	return operation;
}

void operation_free(struct operation *operation)
{
	if (!operation)
		return;
	operation_drop_archive(operation);
	if (operation->staging_fd >= 0)
		(void)close(operation->staging_fd);
	output_close(&operation->log_output);
	config_set_unref(operation->config);
	free(operation->sha256);
	free(operation->version);
	free(operation->revision);
	free(operation->message);
	free(operation->if_current);
	free(operation->unit_log_text);
	free(operation->check_output);
	json_decref(operation->in_use);
	free(operation);
}

void operation_fail(struct operation *operation, enum deploy_result result,
		    const char *fmt, ...)
{
	va_list ap;

	if (operation->result != RESULT_OK)
		return;
	operation->result = result;
	operation->error.result = result;
	va_start(ap, fmt);
	(void)vsnprintf(operation->error.what, sizeof(operation->error.what), fmt, ap);
	va_end(ap);
	(void)names_trim_utf8(operation->error.what);
}

int operation_percent(const struct operation *operation)
{
	if (operation->op.state != OP_STATE_UNPACKING || operation->total_bytes == 0)
		return -1;
	if (operation->bytes >= operation->total_bytes)
		return 100;
	return (int)(operation->bytes * 100 / operation->total_bytes);
}

static json_t *percent_json(const struct operation *operation)
{
	int percent = operation_percent(operation);

	return percent < 0 ? json_null() : json_integer(percent);
}

json_t *operation_to_json(const struct operation *operation)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "id", operation->id, "kind",
			 op_kind_name(operation->op.kind), "phase",
			 op_state_name(operation->op.state), "percent",
			 percent_json(operation));
}

int operation_watch(struct operation *operation, uint64_t session_id)
{
	size_t at = 0;

	/* The place of one who hung up is free. */
	while (at < operation->n_watchers &&
	       server_find(&operation->daemon->server, operation->watchers[at]))
		at++;
	if (at == OPERATION_WATCHERS_MAX)
		return -EBUSY;
	if (at == operation->n_watchers)
		operation->n_watchers++;
	operation->watchers[at] = session_id;
	return 0;
}

/*
 * What a waiting job waits for, or which job it has cancelled to start sooner; while a
 * unit takes long, what systemd is doing.
 */
static void add_message(json_t *progress, const struct operation *operation)
{
	char waits_for[160], text[192] = "";

	if (*operation->step)
		(void)json_object_set_new(progress, "message",
					  json_string(operation->step));
	if (operation->op.state != OP_STATE_QUEUED)
		return;
	if (*operation->note)
		(void)snprintf(text, sizeof(text), "%s", operation->note);
	else if (manager_waits_for(operation, waits_for, sizeof(waits_for)))
		(void)snprintf(text, sizeof(text), "waits for %s", waits_for);
	if (*text)
		(void)json_object_set_new(progress, "message", json_string(text));
}

void operation_tell(struct operation *operation)
{
	for (size_t i = 0; i < operation->n_watchers; i++) {
		struct session *session =
			server_find(&operation->daemon->server, operation->watchers[i]);
		json_t *progress;

		if (!session || !session_wants_more(session))
			continue;
		progress = json_pack("{s:s, s:s, s:s, s:o}", "job", operation->id,
				     "app", operation->settings->app_name, "phase",
				     op_state_name(operation->op.state), "percent",
				     percent_json(operation));
		add_message(progress, operation);
		if (operation->op.state == OP_STATE_UNPACKING) {
			(void)json_object_set_new(
				progress, "bytes",
				json_integer((json_int_t)operation->bytes));
			(void)json_object_set_new(
				progress, "totalBytes",
				operation->total_bytes > 0
					? json_integer(
						  (json_int_t)operation->total_bytes)
					: json_null());
			(void)json_object_set_new(
				progress, "entries",
				json_integer((json_int_t)operation->entries));
		}
		session_reply(session, json_pack("{s:o}", "progress", progress), true);
	}
}

static void kill_step(struct operation *operation)
{
	if (operation->op.state == OP_STATE_UNPACKING) {
		operation_kill_pipeline(operation);
	} else {
		store_call_kill(&operation->store);
	}
}

static void carry_out(struct operation *operation, enum op_action action)
{
	operation_tell(operation);
	switch (action) {
	case OP_ACTION_PREPARE:
		operation_prepare(operation);
		break;
	case OP_ACTION_UNPACK:
		operation_unpack(operation);
		break;
	case OP_ACTION_SEAL:
		operation_seal(operation);
		break;
	case OP_ACTION_SWITCH:
		operation_switch(operation);
		break;
	case OP_ACTION_ACT:
		flags_operation_began(operation->daemon->flags, operation);
		operation_act(operation);
		break;
	case OP_ACTION_CHECK:
		operation_check(operation);
		break;
	case OP_ACTION_BAKE:
		operation_bake(operation);
		break;
	case OP_ACTION_REVERT:
		operation_revert(operation);
		break;
	case OP_ACTION_RESTORE:
		operation_restore(operation);
		break;
	case OP_ACTION_RECHECK:
		operation_recheck(operation);
		break;
	case OP_ACTION_STOP:
		operation_stop_unit(operation);
		break;
	case OP_ACTION_PROVE:
		operation_prove(operation);
		break;
	case OP_ACTION_FINISH:
		operation_finish(operation);
		break;
	case OP_ACTION_MARK:
		operation_mark(operation);
		break;
	case OP_ACTION_DISCARD:
		operation_discard(operation);
		break;
	case OP_ACTION_RECORD:
		operation_record(operation);
		break;
	case OP_ACTION_KILL:
		kill_step(operation);
		break;
	case OP_ACTION_REPLY:
		manager_operation_over(&operation->daemon->manager, operation);
		break;
	case OP_ACTION_NONE:
	case OP_ACTION_COUNT:
		break;
	}
}

static void feed(struct operation *operation, enum op_event event)
{
	enum op_action action = OP_ACTION_NONE;

	if (!op_step(&operation->op, event, &action)) {
		journal_log(LOG_ERR, "job %s: event %d has no place in state %s",
			    operation->id, (int)event,
			    op_state_name(operation->op.state));
		return;
	}
	carry_out(operation, action);
}

void operation_step_done(struct operation *operation, bool ok)
{
	feed(operation, ok ? OP_EVENT_STEP_OK : OP_EVENT_STEP_FAILED);
}

void operation_start(struct operation *operation)
{
	operation->running = true;
	feed(operation, OP_EVENT_STARTED);
}

void operation_abandon(struct operation *operation, enum deploy_result result,
		       const char *why)
{
	if (op_is_before_switch(&operation->op))
		operation_fail(operation, result, "%s", why);
	feed(operation, OP_EVENT_ABANDON);
}
