/*
 * A pipeline that runs again sends an archive that is live, or a request whose answer
 * it did not get. Neither restarts anything.
 */
#include "job/job_again.h"

#include <stdio.h>
#include <string.h>

#include "core/replay.h"
#include "core/switch_rules.h"

static const char already_live[] = "already live; nothing was changed";

struct content job_content(const struct job *job, const char *sha256)
{
	return (struct content){sha256, job->layout};
}

/* --- is it live ------------------------------------------------------------------- */

static void on_unit_state(void *userdata, int error, const struct unit_state *state)
{
	struct job *job = userdata;
	bool up = error == 0 && state && strcmp(state->active_state, "active") == 0;

	job->unit_query = NULL;
	if (job->machine.failed)
		job_step_done(job, false); /* abandoned meanwhile */
	else if (up)
		job->if_up(job);
	else
		job->with_unit(job);
}

/* if_up, where the unit of what is live runs, else go_on. */
static void ask_unit(struct job *job, void (*if_up)(struct job *job),
		     void (*go_on)(struct job *job))
{
	/* Nobody but the app's people knows: what was recorded counts. */
	if (job->settings->activate_method == ACTIVATE_METHOD_NONE) {
		if_up(job);
		return;
	}
	job->if_up = if_up;
	job->with_unit = go_on;
	job->unit_query = units_query(job->context->units, job->settings->unit,
				      on_unit_state, job);
	if (!job->unit_query) {
		job_fail(job, RESULT_FAILED, "out of memory");
		job_step_done(job, false);
	}
}

static void end_unchanged(struct job *job)
{
	job->unchanged = true;
	/* Until it is discarded, the target is what was unpacked. */
	if (job->machine.state == JOB_STATE_PREPARING)
		(void)snprintf(job->target, sizeof(job->target), "%s",
			       app_view_current(job->app->view));
	(void)snprintf(job->note, sizeof(job->note), "%s", already_live);
	job_step_unchanged(job);
}

void job_unless_live(struct job *job, const char *sha256,
		     void (*go_on)(struct job *job))
{
	const struct content content = job_content(job, sha256);

	if (job->redeploy || job->machine.kind != JOB_KIND_DEPLOY ||
	    !switch_is_live(job->app->view, &content))
		go_on(job);
	else
		ask_unit(job, end_unchanged, go_on);
}

/* --- was it answered -------------------------------------------------------------- */

static const char *text_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text ? text : "";
}

static enum job_kind kind_of(const json_t *entry)
{
	enum job_kind kind = 0;

	while (kind < JOB_KIND_COUNT &&
	       strcmp(job_kind_name(kind), text_of(entry, "kind")) != 0)
		kind++;
	return kind;
}

/* An automatic rollback is recorded by where it came from and went to. */
static const char *release_of(const json_t *entry)
{
	return text_of(entry, kind_of(entry) == JOB_KIND_REVERT ? "from" : "to");
}

static const char *previous_of(const json_t *entry)
{
	return text_of(entry, kind_of(entry) == JOB_KIND_REVERT ? "to" : "from");
}

static struct ended_job ended_of(const json_t *entry)
{
	return (struct ended_job){
		.kind = kind_of(entry),
		.result = result_from_name(text_of(entry, "result")),
		.content = {json_string_value(json_object_get(entry, "sha256")),
			    json_string_value(json_object_get(entry, "layout"))},
		.release = release_of(entry)};
}

/* The job ends as that one did. */
static void repeat(struct job *job)
{
	const json_t *entry = job->answer;
	const json_t *gap = json_object_get(entry, "restart_gap_ms");

	(void)snprintf(job->repeats, sizeof(job->repeats), "%s", text_of(entry, "id"));
	(void)snprintf(job->target, sizeof(job->target), "%s", release_of(entry));
	(void)snprintf(job->from, sizeof(job->from), "%s", previous_of(entry));
	job->unchanged = json_is_false(json_object_get(entry, "changed"));
	job->have_gap = json_is_integer(gap);
	job->gap_ms = (uint64_t)json_integer_value(gap);
	job->took_ms = (uint64_t)json_integer_value(json_object_get(entry, "took_ms"));
	if (result_from_name(text_of(entry, "result")) != RESULT_OK)
		job_fail(job, result_from_name(text_of(entry, "result")), "%s",
			 text_of(entry, "message"));
	if (job->unchanged)
		(void)snprintf(job->note, sizeof(job->note), "%s", already_live);
	else
		(void)snprintf(job->note, sizeof(job->note),
			       "as job %s of %s ended; nothing was done again",
			       job->repeats, text_of(entry, "time"));
	job_step_unchanged(job);
}

static bool is_current(const struct job *job, const char *release)
{
	const struct app_view *view = job->app->view;
	const char *current = app_view_current(view);

	return current && strcmp(current, release) == 0 && !view->degraded &&
	       !view->failed;
}

static void answer(struct job *job, const json_t *keyed_entry,
		   const json_t *latest_entry)
{
	const struct replay_request request = {.kind = job->machine.kind,
					       .app = job->settings->app_name,
					       .key = job->key,
					       .content = job_content(job, job->sha256),
					       .redeploy = job->redeploy};
	const struct ended_job keyed = ended_of(keyed_entry),
			       latest = ended_of(latest_entry);
	enum replay_verdict verdict;
	struct errinfo why = {0};

	verdict = replay_decide(&request, &keyed, &latest, &why);
	job->answer = json_incref((json_t *)(verdict == REPLAY_VERDICT_REPEAT
						     ? keyed_entry
						     : latest_entry));
	switch (verdict) {
	case REPLAY_VERDICT_REPEAT:
		repeat(job);
		return;
	case REPLAY_VERDICT_IF_LIVE:
		if (is_current(job, latest.release)) {
			ask_unit(job, repeat, job->unanswered);
			return;
		}
		break;
	case REPLAY_VERDICT_IF_THERE:
		if (app_view_release(job->app->view, latest.release)) {
			repeat(job);
			return;
		}
		break;
	case REPLAY_VERDICT_REFUSED:
		job_fail(job, why.result, "%s", why.what);
		job_step_done(job, false);
		return;
	case REPLAY_VERDICT_NEW:
	case REPLAY_VERDICT_COUNT:
		break;
	}
	job->unanswered(job);
}

static void on_lookup(struct store_call *call, enum deploy_result result,
		      const json_t *reply, const struct errinfo *error)
{
	struct job *job = call->userdata;

	if (result != RESULT_OK)
		job_fail(job, result, "%s", error->what);
	if (job->result != RESULT_OK)
		job_step_done(job, false); /* or abandoned meanwhile */
	else
		answer(job, json_object_get(reply, "keyed"),
		       json_object_get(reply, "latest"));
}

void job_unless_answered(struct job *job, void (*go_on)(struct job *job))
{
	int r;

	if (!job->key && (!job->sha256 || job->redeploy)) {
		go_on(job);
		return;
	}
	job->unanswered = go_on;
	job->store.userdata = job;
	job->store.done = on_lookup;
	r = store_call_start(&job->store, job->context->loop, job->config,
			     job->settings, "lookup",
			     json_pack("{s:o}", "key",
				       job->key ? json_string(job->key) : json_null()),
			     STORE_TIMEOUT_MSEC);
	if (r < 0) {
		job_fail(job, RESULT_FAILED, "cannot start deployd-store: %s",
			 strerror(-r));
		job_step_done(job, false);
	}
}
