#include "job/job.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "core/content.h"

static void make_id(char id[JOB_ID_SIZE])
{
	uint64_t bits = 0;

	/* Eight bytes from the kernel's pool come whole, getrandom(2). */
	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = uv_hrtime();
	(void)snprintf(id, JOB_ID_SIZE, "%016llx", (unsigned long long)bits);
}

static bool copy_text(char **slot, const char *text)
{
	if (!text)
		return true;
	*slot = strdup(text);
	return *slot != NULL;
}

/* False without memory. Only of what makes a release. */
static bool set_layout(struct job *job, const struct app_config *settings,
		       const struct job_request *request)
{
	bool given =
		request->kind == JOB_KIND_DEPLOY || request->kind == JOB_KIND_STAGE;

	if (!given)
		return true;
	job->strip_components = request->strip_components >= 0
					? (uint64_t)request->strip_components
					: settings->limits.strip_components;
	return content_layout(job->strip_components, settings->linked_dirs,
			      settings->linked_files, &job->layout);
}

struct job *job_new(const struct job_context *context, struct app *app,
		    struct config_set *config, const struct app_config *settings,
		    const struct job_request *request)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->staging_fd = -1;
	job->log_output = OUTPUT_NONE;
	job->runs = VERIFICATION_UNKNOWN;
	if (!copy_text(&job->sha256, request->sha256) ||
	    !copy_text(&job->version, request->version) ||
	    !copy_text(&job->revision, request->revision) ||
	    !copy_text(&job->message, request->message) ||
	    !copy_text(&job->if_current, request->if_current) ||
	    !copy_text(&job->key, request->key) ||
	    !set_layout(job, settings, request)) {
		job_free(job);
		return NULL;
	}
	job->context = context;
	job->app = app;
	job->config = config_set_ref(config);
	job->settings = settings;
	job->archive_reader = request->archive_reader;
	job->force = request->force;
	job->redeploy = request->redeploy;
	job->confirm_sec = request->confirm_sec;
	job->until_sec = request->until_sec;
	job->uid = request->uid;
	job->owner = request->owner != 0 ? request->owner : request->uid;
	job->created_sec = (int64_t)time(NULL);
	job->started_mono_ms = uv_now(context->loop);
	(void)snprintf(job->user, sizeof(job->user), "%s", request->user);
	(void)snprintf(job->target, sizeof(job->target), "%s",
		       request->release ? request->release : "");
	job_machine_init(&job->machine, request->kind);
	if (request->id && strlen(request->id) == sizeof(job->id) - 1)
		(void)strcpy(job->id, request->id);
	else
		make_id(job->id);
	return job;
}

void job_free(struct job *job)
{
	if (!job)
		return;
	job_drop_archive(job);
	if (job->staging_fd >= 0)
		(void)close(job->staging_fd);
	output_close(&job->log_output);
	config_set_unref(job->config);
	free(job->sha256);
	free(job->version);
	free(job->revision);
	free(job->message);
	free(job->if_current);
	free(job->key);
	free(job->layout);
	json_decref(job->answer);
	free(job->unit_log_text);
	free(job->check_output);
	json_decref(job->in_use);
	free(job);
}

void job_fail(struct job *job, enum deploy_result result, const char *fmt, ...)
{
	va_list ap;

	if (job->result != RESULT_OK)
		return;
	job->result = result;
	job->error.result = result;
	va_start(ap, fmt);
	(void)vsnprintf(job->error.what, sizeof(job->error.what), fmt, ap);
	va_end(ap);
	(void)names_trim_utf8(job->error.what);
}

int job_percent(const struct job *job)
{
	if (job->machine.state != JOB_STATE_UNPACKING || job->total_bytes == 0)
		return -1;
	if (job->bytes >= job->total_bytes)
		return 100;
	return (int)(job->bytes * 100 / job->total_bytes);
}

static json_t *percent_json(const struct job *job)
{
	int percent = job_percent(job);

	return percent < 0 ? json_null() : json_integer(percent);
}

json_t *job_to_json(const struct job *job)
{
	return json_pack("{s:s, s:s, s:s, s:o}", "id", job->id, "kind",
			 job_kind_name(job->machine.kind), "phase",
			 job_phase_name(&job->machine), "percent", percent_json(job));
}

int job_watch(struct job *job, uint64_t watcher)
{
	const struct job_observer *observer = &job->context->observer;
	size_t at = 0;

	/* Reuse the slot of a watcher that has gone. */
	while (at < job->n_watchers &&
	       observer->is_there(observer->userdata, job->watchers[at]))
		at++;
	if (at == JOB_WATCHERS_MAX)
		return -EBUSY;
	if (at == job->n_watchers)
		job->n_watchers++;
	job->watchers[at] = watcher;
	return 0;
}

json_t *job_by(const struct job *job)
{
	return json_pack("{s:I, s:s}", "uid", (json_int_t)job->uid, "user", job->user);
}

json_t *job_progress(const struct job *job)
{
	json_t *progress = json_pack(
		"{s:s, s:s, s:s, s:o}", "job", job->id, "app", job->settings->app_name,
		"phase", job_phase_name(&job->machine), "percent", percent_json(job));

	if (*job->step)
		(void)json_object_set_new(progress, "message", json_string(job->step));
	if (job->machine.state != JOB_STATE_UNPACKING)
		return progress;
	(void)json_object_set_new(progress, "bytes",
				  json_integer((json_int_t)job->bytes));
	(void)json_object_set_new(progress, "totalBytes",
				  job->total_bytes > 0
					  ? json_integer((json_int_t)job->total_bytes)
					  : json_null());
	(void)json_object_set_new(progress, "entries",
				  json_integer((json_int_t)job->entries));
	return progress;
}

void job_tell(struct job *job)
{
	const struct job_observer *observer = &job->context->observer;

	observer->progress(observer->userdata, job);
}

void job_drop_archive(struct job *job)
{
	const struct job_context *context = job->context;
	uint64_t reader = job->archive_reader;

	job->archive_reader = 0;
	if (reader != 0)
		context->archives.drop(context->archives_userdata, reader);
}

static void feed(struct job *job, enum job_event event)
{
	enum job_action action = JOB_ACTION_NONE;

	if (!job_machine_step(&job->machine, event, &action)) {
		journal_log(LOG_ERR, "job %s: event %d has no place in state %s",
			    job->id, (int)event, job_state_name(job->machine.state));
		return;
	}
	job_tell(job);
	if (action == JOB_ACTION_REPLY)
		job->context->over(job);
	else
		job->context->carry_out(job, action);
}

void job_step_done(struct job *job, bool ok)
{
	feed(job, ok ? JOB_EVENT_STEP_OK : JOB_EVENT_STEP_FAILED);
}

void job_step_unchanged(struct job *job)
{
	feed(job, JOB_EVENT_UNCHANGED);
}

void job_start(struct job *job)
{
	job->running = true;
	feed(job, JOB_EVENT_STARTED);
}

void job_abandon(struct job *job, enum deploy_result result, const char *why)
{
	if (job_machine_is_before_switch(&job->machine))
		job_fail(job, result, "%s", why);
	feed(job, JOB_EVENT_ABANDON);
}
