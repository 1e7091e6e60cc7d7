#include "loop/status.h"

#include <string.h>
#include <time.h>

#include "loop/daemon.h"

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static const char *health_word(const struct app *app, const struct unit_state *unit)
{
	if (!manager_current(app))
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

/* live, none or degraded; *ret_reason says why degraded. */
static const char *state_word(const struct app *app, const struct unit_state *unit,
			      const char **ret_reason)
{
	const char *current = manager_current(app);
	const char *degraded =
		json_string_value(json_object_get(app->view, "degraded"));
	const char *sick = json_string_value(json_object_get(app->view, "failed"));
	const char *mark = current ? manager_release_state(app, current) : NULL;

	*ret_reason = NULL;
	if (!app->view)
		*ret_reason = *app->problem ? app->problem : "not recovered yet";
	else if (degraded)
		*ret_reason = degraded;
	else if (sick)
		*ret_reason = sick;
	else if (!current)
		return "none";
	else if (mark && strcmp(mark, "bad") == 0)
		*ret_reason =
			"the current release is bad; roll back, or deploy a good one";
	else if (mark && strcmp(mark, "unknown") == 0)
		*ret_reason =
			"what was known of the current release was lost; "
			"`deployctl restart` or a deploy finds out anew whether it "
			"is healthy";
	else if (strcmp(unit->active_state, "failed") == 0)
		*ret_reason = "the unit has failed";
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

static json_t *hold_json(const json_t *hold)
{
	json_int_t until = json_integer_value(json_object_get(hold, "until_sec"));

	if (!hold)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "reason", copy_or_null(hold, "reason"),
			 "until", time_json((uint64_t)until * 1000000), "by",
			 copy_or_null(hold, "by"));
}

static json_t *proven_json(enum proof_verdict verdict)
{
	switch (verdict) {
	case PROOF_PROVEN:
		return json_true();
	case PROOF_DRIFT:
		return json_false();
	case PROOF_UNKNOWN:
		break;
	}
	return json_null();
}

static json_t *release_json(const json_t *view, const json_t *release)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "version",
			 copy_or_null(release, "version"), "revision",
			 copy_or_null(release, "revision"), "deployedBy",
			 copy_or_null(view, "activated_by"), "deployedAt",
			 copy_or_null(view, "activated_at"));
}

json_t *status_make(const struct app *app, const struct app_config *settings,
		    const struct status_facts *facts)
{
	const struct unit_state *unit = &facts->unit;
	const char *current = manager_current(app);
	const json_t *release = current ? manager_release(app, current) : NULL;
	const json_t *hold = manager_hold(app, (int64_t)time(NULL));
	json_int_t deadline = json_integer_value(
		json_object_get(manager_confirm(app), "deadline_sec"));
	bool active = strcmp(unit->active_state, "active") == 0;
	const char *reason = NULL;
	const char *state = state_word(app, unit, &reason);
	json_t *status, *more;

	status = json_pack(
		"{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:I, s:o, s:s, s:s, "
		"s:b}",
		"schema", 1, "app", settings->app_name, "unit", settings->unit, "state",
		state, "reason", text_json(reason), "release", text_json(current),
		"previous", text_json(manager_previous(app)), "unitState",
		*unit->active_state ? unit->active_state : "unknown", "unitSubState",
		*unit->sub_state ? unit->sub_state : "unknown", "mainPid",
		(json_int_t)unit->main_pid, "activeSince",
		time_json(active ? unit->active_enter_usec : 0), "health",
		health_word(app, unit), "restartMethod",
		restart_method_name(settings->restart_method), "held", hold != NULL);
	more = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o}", "proven", proven_json(facts->proof),
		"drift",
		text_json(facts->proof == PROOF_DRIFT ? facts->proof_reason : NULL),
		"flagTrouble", text_json(facts->flag_trouble), "hold", hold_json(hold),
		"confirmBy", time_json((uint64_t)deadline * 1000000), "operation",
		app->running ? operation_to_json(app->running) : json_null());
	if (status && more)
		(void)json_object_update(status, more);
	json_decref(more);
	more = release_json(app->view, release);
	if (status && more)
		(void)json_object_update(status, more);
	json_decref(more);
	return status;
}

json_t *status_summary(const struct app *app, const struct app_config *settings,
		       const struct unit_state *unit)
{
	const char *current = manager_current(app);
	const json_t *release = current ? manager_release(app, current) : NULL;
	const char *reason = NULL;

	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "app",
			 settings->app_name, "unit", settings->unit, "state",
			 state_word(app, unit, &reason), "release", text_json(current),
			 "version", copy_or_null(release, "version"), "unitState",
			 *unit->active_state ? unit->active_state : "unknown",
			 "operation",
			 app->running ? operation_to_json(app->running) : json_null());
}
