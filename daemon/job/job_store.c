/*
 * The steps of a job that deployd-store carries out: making room, sealing,
 * switching there and back, the final record. Nothing here touches a file itself.
 */
#include "job/job_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "build_config.h"
#include "deploy/cleanup.h"
#include "job/job_again.h"
#include "job/job_back.h"
#include "job/job_guard.h"
#include "job/job_result.h"

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

static void log_switch(const struct job *job, const char *to, const char *before)
{
	journal_event(
		JOURNAL_SWITCHED, LOG_NOTICE,
		&(struct journal_context){.app = job->settings->app_name,
					  .unit = job->settings->unit,
					  .release = to,
					  .job = job->id,
					  .kind = job_kind_name(job->machine.kind),
					  .uid = job->uid,
					  .user = job->user,
					  .pid = -1},
		"%s: current is now %s (before: %s)", job->settings->app_name, to,
		before ? before : "none");
}

static void take_switch(struct job *job, const json_t *reply)
{
	const char *from = text_of(reply, "from");

	(void)snprintf(job->from, sizeof(job->from), "%s", from ? from : "");
	job_choose_back(job);
	log_switch(job, job->target, from);
}

/* The directory was made a moment ago: opening it does not wait for the disk. */
static void take_staging(struct job *job, const json_t *reply)
{
	(void)snprintf(job->target, sizeof(job->target), "%s",
		       text_of(reply, "release"));
	(void)snprintf(job->staging, sizeof(job->staging), "%s",
		       text_of(reply, "staging"));
	job->staging_fd =
		open(job->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void call_store(struct job *job, const char *verb, json_t *fields,
		       uint64_t timeout_ms);

/* What the link was before it was changed for the way back. */
static const char *gone_from(const struct job *job)
{
	return job->n_tried > 0 ? job->tried[job->n_tried - 1] : job->target;
}

static bool is_switching(const struct job *job)
{
	return job->machine.state == JOB_STATE_SWITCHING ||
	       job->machine.state == JOB_STATE_REVERTING;
}

/* What is done stays done: who reads this must not do it again. */
static void fail_for_store(struct job *job, enum deploy_result result, const char *why)
{
	const struct job_machine *machine = &job->machine;

	if (machine->state == JOB_STATE_FINISHING && !machine->failed)
		job_fail(job, result,
			 "release %s is live and healthy, but that could not be "
			 "recorded: %s",
			 job->target, why);
	else if (machine->state == JOB_STATE_RECORDING && !machine->failed)
		job_fail(job, result, "%s is done, but that could not be recorded: %s",
			 job_kind_name(machine->kind), why);
	else
		job_fail(job, result, "%s", why);
}

static void on_store_failed(struct job *job, enum deploy_result result,
			    const struct errinfo *error)
{
	/*
	 * After a failure of its own the job keeps that as its result; what went
	 * wrong while cleaning up must still be seen.
	 */
	if (job->result != RESULT_OK || job->machine.switched)
		journal_log(LOG_ERR, "%s: job %s: %s: %s", job->settings->app_name,
			    job->id, job_state_name(job->machine.state), error->what);
	if (job->machine.state == JOB_STATE_REVERTING)
		job->revert_error = *error;
	fail_for_store(job, result, error->what);
	job_step_done(job, false);
}

/*
 * Killed, or failed at the very end: the link may point there all the same. What is
 * live is not guessed.
 */
static void ask_what_is_live(struct job *job, const struct errinfo *error)
{
	job->asking = true;
	job->switch_error = *error;
	journal_log(LOG_WARNING, "%s: job %s: %s: %s; finding out what is live",
		    job->settings->app_name, job->id,
		    job_state_name(job->machine.state), error->what);
	call_store(job, "recover", NULL, STORE_DURABLE_TIMEOUT_MSEC);
}

/*
 * What is pending may be an earlier switch: deployd-store died before it had written
 * down the one that was asked for.
 */
static bool is_switched_to(const json_t *pending, const char *release)
{
	const char *phase = text_of(pending, "phase"), *to = text_of(pending, "to");

	return phase && strcmp(phase, "switched") == 0 && to &&
	       strcmp(to, release) == 0;
}

static void on_what_is_live(struct job *job, enum deploy_result result,
			    const json_t *reply, const struct errinfo *error)
{
	const struct errinfo *why = &job->switch_error;
	const json_t *pending = json_object_get(reply, "pending");
	bool reverting = job->machine.state == JOB_STATE_REVERTING;

	job->asking = false;
	if (result != RESULT_OK) {
		app_forget_view(job->app, error->what);
		on_store_failed(job, why->result, why);
		return;
	}
	app_take_view(job->app, job->settings, json_object_get(reply, "view"));
	if (!is_switched_to(pending, reverting ? job->back : job->target)) {
		on_store_failed(job, why->result, why);
		return;
	}
	if (reverting)
		log_switch(job, job->back, gone_from(job));
	else
		take_switch(job, pending);
	job_step_done(job, true);
}

static void on_store_done(struct store_call *call, enum deploy_result result,
			  const json_t *reply, const struct errinfo *error)
{
	struct job *job = call->userdata;

	if (job->asking) {
		on_what_is_live(job, result, reply, error);
		return;
	}
	if (result == RESULT_FAILED && is_switching(job)) {
		ask_what_is_live(job, error);
		return;
	}
	if (result != RESULT_OK) {
		on_store_failed(job, result, error);
		return;
	}
	app_take_view(job->app, job->settings, json_object_get(reply, "view"));
	if (job->machine.state == JOB_STATE_PREPARING) {
		take_staging(job, reply);
	} else if (job->machine.state == JOB_STATE_MARKING &&
		   job->machine.kind == JOB_KIND_CONFIRM && !job->marked_good) {
		job->marked_good = true;
		job_mark(job);
		return;
	} else if (job->machine.state == JOB_STATE_SWITCHING) {
		take_switch(job, reply);
	} else if (job->machine.state == JOB_STATE_REVERTING) {
		log_switch(job, job->back, gone_from(job));
	} else if (job->machine.state == JOB_STATE_DISCARDING) {
		/* There is no such release any more. */
		(void)snprintf(job->target, sizeof(job->target), "%s",
			       job->unchanged ? app_view_current(job->app->view) : "");
	}
	job_step_done(job, true);
}

static void call_store_fd(struct job *job, const char *verb, json_t *fields, int fd,
			  uint64_t timeout_ms)
{
	int r;

	job->store.userdata = job;
	job->store.done = on_store_done;
	r = store_call_start_fd(&job->store, job->context->loop, job->config,
				job->settings, verb, fields, fd, timeout_ms);
	if (r < 0) {
		job_fail(job, RESULT_FAILED, "cannot start deployd-store: %s",
			 strerror(-r));
		job_step_done(job, false);
	}
}

static void call_store(struct job *job, const char *verb, json_t *fields,
		       uint64_t timeout_ms)
{
	call_store_fd(job, verb, fields, -1, timeout_ms);
}

static void prepare(struct job *job)
{
	call_store(job, "prepare",
		   json_pack("{s:I, s:I}", "need_bytes",
			     (json_int_t)job->config->daemon->reserve_bytes,
			     "max_entries", (json_int_t)INODES_WANTED),
		   STORE_TIMEOUT_MSEC);
}

static void prepare_if_welcome(struct job *job)
{
	if (job->sha256 && !job_archive_is_welcome(job, job->sha256))
		job_step_done(job, false);
	else
		job_with_unit(job, prepare);
}

static void prepare_new(struct job *job)
{
	if (job->machine.kind == JOB_KIND_STAGE)
		prepare(job);
	else if (!job_may_switch(job))
		job_step_done(job, false);
	else
		job_unless_live(job, job->sha256, prepare_if_welcome);
}

void job_prepare(struct job *job)
{
	job_unless_answered(job, prepare_new);
}

static json_t *array_of(char *const *words)
{
	json_t *array = json_array();

	for (char *const *word = words; word && *word; word++)
		(void)json_array_append_new(array, json_string(*word));
	return array;
}

void job_seal(struct job *job)
{
	const struct release_limits *limits = &job->settings->limits;
	const struct app_config *settings = job->settings;
	json_t *meta;

	meta = json_pack(
		"{s:s, s:o, s:I, s:o, s:o, s:o, s:o}", "sha256", job->actual_sha256,
		"layout", text_or_null(job_content(job, NULL).layout), "archive_bytes",
		(json_int_t)job->archive_bytes, "version", text_or_null(job->version),
		"revision", text_or_null(job->revision), "message",
		text_or_null(job->message), "deployed_by", job_by(job));
	call_store_fd(job, "seal",
		      json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I}",
				"release", job->target, "max_bytes",
				(json_int_t)limits->max_release_bytes, "max_entries",
				(json_int_t)limits->max_entries, "max_depth",
				(json_int_t)limits->max_depth, "require",
				array_of(settings->require_files), "meta", meta,
				"linked_dirs", array_of(settings->linked_dirs),
				"linked_files", array_of(settings->linked_files),
				"app_uid", (json_int_t)settings->app_uid),
		      job->staging_fd, STORE_DURABLE_TIMEOUT_MSEC);
}

static json_t *switch_fields(struct job *job, const char *to, const char *kind)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "to", to, "kind", kind, "job",
			 job->id, "by", job_by(job), "key", text_or_null(job->key));
}

static void switch_to_target(struct job *job)
{
	json_t *fields =
		switch_fields(job, job->target, job_kind_name(job->machine.kind));

	if (job->if_current)
		(void)json_object_set_new(fields, "if_current",
					  text_or_null(job->if_current));
	/* On disk before the switch: a crash cannot make it forgotten. */
	if (job->confirm_sec > 0) {
		job->confirm_deadline_sec =
			(int64_t)time(NULL) + (int64_t)job->confirm_sec;
		(void)json_object_set_new(
			fields, "confirm_deadline_sec",
			json_integer((json_int_t)job->confirm_deadline_sec));
	}
	call_store(job, "switch", fields, STORE_TIMEOUT_MSEC);
}

void job_switch(struct job *job)
{
	if (job_may_switch(job))
		switch_to_target(job);
	else
		job_step_done(job, false);
}

/* What the disk has is more than a job knows that goes on after a crash. */
static json_t *evidence_of(const struct job *job)
{
	const struct release *release = app_view_release(job->app->view, job->target);
	bool is_kept = job->goes_on && release && release->evidence;

	return job->release_failed && !is_kept ? job_evidence(job) : NULL;
}

/* For a start that finds nothing but the disk. */
static json_t *way_back(const struct job *job)
{
	const struct failure *failure = &job->failure;
	json_t *tried = json_array();

	for (size_t i = 0; i < job->n_tried; i++)
		(void)json_array_append_new(tried, json_string(job->tried[i]));
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:i, s:i, s:b}", "release",
			 job->target, "live", text_or_null(job->from), "tried", tried,
			 "reason", job->error.what, "failure",
			 text_or_null(job->release_failed
					      ? failure_kind_name(failure->kind)
					      : NULL),
			 "step", (int)failure->step, "errnum", failure->errnum,
			 "stop_failed", job->stop_failed);
}

void job_revert(struct job *job)
{
	const char *current = app_view_current(job->app->view);
	json_t *fields, *evidence;

	/* A crash came between this switch and the restart that follows. */
	if (current && strcmp(current, job->back) == 0) {
		job_step_done(job, true);
		return;
	}
	evidence = evidence_of(job);
	fields = switch_fields(job, job->back, "revert");
	(void)json_object_set_new(fields, "way_back", way_back(job));
	if (evidence)
		(void)json_object_set_new(fields, "evidence", evidence);
	call_store(job, "switch", fields, STORE_TIMEOUT_MSEC);
}

void job_finish(struct job *job)
{
	json_t *fields, *evidence;

	job_settle(job);
	fields = json_pack(
		"{s:s, s:o, s:o, s:I, s:o, s:b}", "release", job->target, "mark",
		text_or_null(job_release_mark(job)), "history", job_history(job),
		"keep", job->in_use ? (json_int_t)job->settings->keep : KEEP_ALL,
		"in_use", job->in_use ? json_incref(job->in_use) : json_array(),
		"clear_intent", 1);
	(void)json_object_set_new(fields, "failed", job_unhealthy(job));
	(void)json_object_set_new(fields, "failure", job_last_failure(job));
	evidence = evidence_of(job);
	if (evidence)
		(void)json_object_set_new(fields, "evidence", evidence);
	call_store(job, "finish", fields, STORE_DURABLE_TIMEOUT_MSEC);
}

void job_discard(struct job *job)
{
	call_store(job, "discard", json_pack("{s:s}", "release", job->target),
		   STORE_DURABLE_TIMEOUT_MSEC);
}

void job_record(struct job *job)
{
	json_t *fields;

	/* The history has it: a second entry would be another job that has ended. */
	if (*job->repeats) {
		job_step_done(job, true);
		return;
	}
	fields = json_pack("{s:o}", "history", job_history(job));
	/* Only these have looked at the app's health. */
	if (job_kind(job->machine.kind)->examines_health)
		(void)json_object_set_new(fields, "failed", job_unhealthy(job));
	call_store(job, "record", fields, STORE_TIMEOUT_MSEC);
}

/*
 * Good first, then no more deadline: killed in between, it goes back as it would have
 * without the confirmation.
 */
static void mark_confirmed(struct job *job)
{
	const struct app_confirm *confirm = app_view_confirm(job->app->view);

	if (!confirm) {
		job_fail(job, RESULT_NOT_FOUND,
			 "no release of %s awaits its confirmation",
			 job->settings->app_name);
		job_step_done(job, false);
		return;
	}
	(void)snprintf(job->target, sizeof(job->target), "%s", confirm->release);
	if (job->marked_good)
		call_store(job, "confirm", json_pack("{s:s}", "release", job->target),
			   STORE_TIMEOUT_MSEC);
	else
		call_store(
			job, "mark",
			json_pack("{s:s, s:s}", "release", job->target, "mark", "good"),
			STORE_TIMEOUT_MSEC);
}

/* What deployd-store calls it; NULL: the kind marks no release. */
static const char *mark_of(enum job_kind kind)
{
	switch (kind) {
	case JOB_KIND_MARK_GOOD:
		return "good";
	case JOB_KIND_MARK_BAD:
		return "bad";
	case JOB_KIND_PIN:
		return "pinned";
	case JOB_KIND_UNPIN:
		return "unpinned";
	case JOB_KIND_DEPLOY:
	case JOB_KIND_STAGE:
	case JOB_KIND_ACTIVATE:
	case JOB_KIND_ROLLBACK:
	case JOB_KIND_RESTART:
	case JOB_KIND_RELOAD:
	case JOB_KIND_START:
	case JOB_KIND_STOP:
	case JOB_KIND_ENABLE:
	case JOB_KIND_DISABLE:
	case JOB_KIND_FLAG:
	case JOB_KIND_CONFIRM:
	case JOB_KIND_HOLD:
	case JOB_KIND_UNHOLD:
	case JOB_KIND_RECOVER:
	case JOB_KIND_REVERT:
	case JOB_KIND_COUNT:
		break;
	}
	return NULL;
}

static void mark_release(struct job *job, const char *mark)
{
	json_t *fields = json_pack("{s:s, s:s}", "release", job->target, "mark", mark);
	char reason[PERSON_NAME_SIZE + 32];

	(void)snprintf(reason, sizeof(reason), "marked bad by %s", job->user);
	if (job->machine.kind == JOB_KIND_MARK_BAD)
		(void)json_object_set_new(
			fields, "evidence",
			json_pack("{s:s, s:n, s:n, s:[]}", "reason",
				  job->message ? job->message : reason, "unit_result",
				  "check_output", "journal"));
	call_store(job, "mark", fields, STORE_TIMEOUT_MSEC);
}

void job_mark(struct job *job)
{
	const char *mark = mark_of(job->machine.kind);
	json_t *by = job_by(job);

	if (mark) {
		mark_release(job, mark);
	} else if (job->machine.kind == JOB_KIND_CONFIRM) {
		mark_confirmed(job);
	} else if (job->machine.kind == JOB_KIND_HOLD) {
		call_store(job, "hold",
			   json_pack("{s:s, s:I, s:O}", "reason",
				     job->message ? job->message : "", "until_sec",
				     (json_int_t)job->until_sec, "by", by),
			   STORE_TIMEOUT_MSEC);
	} else {
		assert(job->machine.kind == JOB_KIND_UNHOLD);
		call_store(job, "unhold", NULL, STORE_TIMEOUT_MSEC);
	}
	json_decref(by);
}
