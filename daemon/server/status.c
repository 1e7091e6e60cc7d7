#include "server/status.h"

#include <string.h>
#include <time.h>

#include "job/app_view_json.h"

static const char *health_word(const struct app *app, const struct unit_state *unit)
{
	if (!app_view_current(app->view))
		return "none";
	if (!*unit->active_state)
		return "unknown";
	if (strcmp(unit->active_state, "active") == 0 ||
	    strcmp(unit->active_state, "reloading") == 0)
		return "healthy";
	if (strcmp(unit->active_state, "activating") == 0)
		return "starting";
	if (strcmp(unit->active_state, "failed") == 0)
		return "failed";
	return "stopped";
}

/* Where it is meant to run; a job that restarts it is no time to ask. */
static bool is_stopped(const struct app *app, const struct unit_state *unit)
{
	return strcmp(unit->active_state, "inactive") == 0 && !unit->may_rest &&
	       !app->running;
}

/* live, none or degraded; *ret_reason says why degraded. */
static const char *state_word(const struct app *app, const struct unit_state *unit,
			      const char **ret_reason)
{
	const char *current = app_view_current(app->view);
	const struct release *release =
		current ? app_view_release(app->view, current) : NULL;

	*ret_reason = NULL;
	if (!app->view)
		*ret_reason = app_problem(app);
	else if (app->view->degraded)
		*ret_reason = app->view->degraded;
	else if (app->view->failed)
		*ret_reason = app->view->failed;
	else if (!current)
		return "none";
	else if (release && release->state == RELEASE_STATE_BAD)
		*ret_reason =
			"the current release is bad; roll back, or deploy a good one";
	else if (release && release->state == RELEASE_STATE_UNKNOWN)
		*ret_reason =
			"what was known of the current release was lost; "
			"`deployctl restart` or a deploy finds out anew whether it "
			"is healthy";
	else if (strcmp(unit->active_state, "failed") == 0)
		*ret_reason = "the unit has failed";
	else if (is_stopped(app, unit))
		*ret_reason = "the unit is stopped; `deployctl start` starts it";
	return *ret_reason ? "degraded" : "live";
}

static json_t *text_json(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *time_json(uint64_t usec)
{
	char text[RFC3339_SIZE];

	if (usec == 0)
		return json_null();
	names_rfc3339((int64_t)(usec / 1000000), text);
	return json_string(text);
}

static json_t *failure_json(const struct app_view *view)
{
	const struct app_failure *failure = view ? view->failure : NULL;

	if (!failure)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "job",
			 text_json(failure->job), "kind", text_json(failure->kind),
			 "release", text_json(failure->release), "result",
			 text_json(failure->result), "message",
			 text_json(failure->message), "time", text_json(failure->time),
			 "by", person_to_json(&failure->by));
}

static json_t *hold_json(const struct app_hold *hold)
{
	if (!hold)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "reason",
			 json_string(hold->reason ? hold->reason : ""), "until",
			 time_json((uint64_t)hold->until_sec * 1000000), "by",
			 person_to_json(&hold->by));
}

static json_t *verified_json(enum verification_verdict verdict)
{
	switch (verdict) {
	case VERIFICATION_VERIFIED:
		return json_true();
	case VERIFICATION_DRIFT:
		return json_false();
	case VERIFICATION_UNKNOWN:
		break;
	}
	return json_null();
}

static const struct release *current_release(const struct app *app)
{
	const char *current = app_view_current(app->view);

	return current ? app_view_release(app->view, current) : NULL;
}

static json_t *release_json(const struct app *app)
{
	const struct release *release = current_release(app);
	const struct app_view *view = app->view;

	return json_pack("{s:o, s:o, s:o, s:o}", "version",
			 text_json(release ? release->version : NULL), "revision",
			 text_json(release ? release->revision : NULL), "deployedBy",
			 view ? person_to_json(&view->activated_by) : json_null(),
			 "deployedAt", text_json(view ? view->activated_at : NULL));
}

json_t *status_make(const struct app *app, const struct app_config *settings,
		    const struct status_facts *facts)
{
	const struct unit_state *unit = &facts->unit;
	const char *current = app_view_current(app->view);
	const struct app_hold *hold = app_view_hold(app->view, (int64_t)time(NULL));
	const struct app_confirm *confirm = app_view_confirm(app->view);
	bool active = strcmp(unit->active_state, "active") == 0;
	const char *reason = NULL;
	const char *state = state_word(app, unit, &reason);
	json_t *status, *more;

	status = json_pack(
		"{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:I, s:o, s:s, s:s, "
		"s:b}",
		"schema", 1, "app", settings->app_name, "unit", settings->unit, "state",
		state, "reason", text_json(reason), "release", text_json(current),
		"previous", text_json(app_view_previous(app->view)), "unitState",
		*unit->active_state ? unit->active_state : "unknown", "unitSubState",
		*unit->sub_state ? unit->sub_state : "unknown", "mainPid",
		(json_int_t)unit->main_pid, "activeSince",
		time_json(active ? unit->active_enter_usec : 0), "health",
		health_word(app, unit), "restartMethod",
		restart_method_name(settings->restart_method), "held", hold != NULL);
	more = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "failure",
		failure_json(app->view), "verified", verified_json(facts->verification),
		"drift",
		text_json(facts->verification == VERIFICATION_DRIFT
				  ? facts->verification_reason
				  : NULL),
		"flagTrouble", text_json(facts->flag_trouble), "hold", hold_json(hold),
		"confirmBy",
		time_json(confirm ? (uint64_t)confirm->deadline_sec * 1000000 : 0),
		"job", app->running ? job_to_json(app->running) : json_null());
	if (status && more)
		(void)json_object_update(status, more);
	json_decref(more);
	more = release_json(app);
	if (status && more)
		(void)json_object_update(status, more);
	json_decref(more);
	return status;
}

json_t *status_summary(const struct app *app, const struct app_config *settings,
		       const struct unit_state *unit)
{
	const char *current = app_view_current(app->view);
	const struct release *release = current_release(app);
	const struct app_hold *hold = app_view_hold(app->view, (int64_t)time(NULL));
	const char *reason = NULL;
	const char *state = state_word(app, unit, &reason);

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "app",
			 settings->app_name, "unit", settings->unit, "state", state,
			 "reason", text_json(reason), "hold", hold_json(hold),
			 "failure", failure_json(app->view), "release",
			 text_json(current), "version",
			 text_json(release ? release->version : NULL), "unitState",
			 *unit->active_state ? unit->active_state : "unknown", "job",
			 app->running ? job_to_json(app->running) : json_null());
}
