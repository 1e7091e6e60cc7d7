/*
 * Whether a unit is what was asked for, from what it was before and what it is now.
 * Pure: unit_job.c reads the properties, this judges them.
 */
#include <string.h>

#include "bus/unit_request.h"
#include "bus/units.h"

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

static bool starts(enum unit_action action)
{
	return action == UNIT_ACTION_RESTART || action == UNIT_ACTION_START;
}

static bool is_active(const struct unit_state *state)
{
	return is(state->active_state, "active") ||
	       is(state->active_state, "reloading");
}

static bool is_down(const struct unit_state *state)
{
	return is(state->active_state, "inactive") || is(state->active_state, "failed");
}

/* Ran to its end, and that is all it is there for. */
static bool has_run(const struct unit_properties *now)
{
	return is(now->service_type, "oneshot") && !now->remain_after_exit &&
	       is(now->state.active_state, "inactive") &&
	       is(now->state.result, "success") && now->condition_result;
}

bool unit_verdict_wanted(enum unit_action action, const struct unit_properties *now)
{
	switch (action) {
	case UNIT_ACTION_RESTART:
	case UNIT_ACTION_START:
		return is(now->state.load_state, "loaded") &&
		       (is_active(&now->state) || has_run(now));
	case UNIT_ACTION_RELOAD:
		return is_active(&now->state);
	case UNIT_ACTION_STOP:
		return is_down(&now->state);
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
	case UNIT_ACTION_REREAD:
		return true; /* the manager's answer told */
	}
	return false;
}

bool unit_verdict_started(const struct unit_properties *before,
			  const struct unit_properties *now)
{
	return now->inactive_exit_mono_usec > before->inactive_exit_mono_usec;
}

bool unit_verdict_verified(enum unit_action action,
			   const struct unit_properties *before,
			   const struct unit_properties *now)
{
	if (!unit_verdict_wanted(action, now))
		return false;
	switch (action) {
	case UNIT_ACTION_RESTART:
		return unit_verdict_started(before, now);
	case UNIT_ACTION_START:
		return is_active(&now->state) || unit_verdict_started(before, now);
	case UNIT_ACTION_STOP:
		return true;
	case UNIT_ACTION_RELOAD:
	case UNIT_ACTION_ENABLE:
	case UNIT_ACTION_DISABLE:
		return false;
	case UNIT_ACTION_REREAD:
		return !now->state.need_daemon_reload;
	}
	return false;
}

bool unit_verdict_settles(enum unit_action action, const struct unit_properties *now)
{
	return starts(action) && is_active(&now->state) &&
	       (is(now->service_type, "simple") || is(now->service_type, "exec") ||
		is(now->service_type, "idle"));
}

/*
 * A start that systemd refused before it began leaves everything as it was, the Result
 * of the failure before included: that is the start limit, though Result does not say
 * so.
 */
void unit_verdict_start_limit(enum unit_action action, const char *job_result,
			      const struct unit_properties *before,
			      struct unit_properties *now)
{
	if (action == UNIT_ACTION_START && is(job_result, "failed") &&
	    is(before->state.active_state, "failed") &&
	    is(now->state.active_state, "failed") && !unit_verdict_started(before, now))
		(void)strcpy(now->state.result, "start-limit-hit");
}

void unit_verdict_gap(enum unit_action action, const struct unit_properties *before,
		      const struct unit_properties *now, struct unit_outcome *outcome)
{
	uint64_t enter = now->state.active_enter_mono_usec;
	uint64_t exit = now->state.active_exit_mono_usec;

	/* 0 = never active before; unchanged = it was running and went on. */
	if (!starts(action) || exit == 0 || exit > enter ||
	    enter == before->state.active_enter_mono_usec)
		return;
	outcome->have_gap = true;
	outcome->gap_usec = enter - exit;
}
