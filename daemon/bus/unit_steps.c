#include "bus/unit_steps.h"

#include <string.h>

#include "bus/unit_properties.h"

/*
 * Beside each stop command, systemd waits for four signals to have their effect:
 * SIGTERM, SIGKILL, and both once more after the commands of ExecStopPost=.
 */
#define STOP_SIGNALS 4

static bool is(const char *text, const char *other)
{
	return strcmp(text, other) == 0;
}

static bool is_killing(const char *sub_state)
{
	return is(sub_state, "stop-sigkill") || is(sub_state, "final-sigkill");
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t usec, uint64_t n)
{
	return usec > UINT64_MAX / n ? UINT64_MAX : usec * n;
}

void unit_steps_begin(struct unit_steps *steps, bool stops, uint64_t stop_limit_usec,
		      uint64_t start_limit_usec, uint64_t now_usec)
{
	*steps = (struct unit_steps){.stops = stops,
				     .called_usec = now_usec,
				     .stop_limit_usec = stop_limit_usec,
				     .start_limit_usec = start_limit_usec,
				     .step = UNIT_STEP_WAITING,
				     .since_usec = now_usec,
				     .due_usec = add(now_usec, stop_limit_usec),
				     .shown_usec = stop_limit_usec};
}

/*
 * systemd's own patience and no more; where a service has asked for more by
 * EXTEND_TIMEOUT_USEC=, which no property shows, systemd is still not at its SIGKILL by
 * then, and has up to our limit.
 */
static uint64_t stop_due(const struct unit_steps *steps,
			 const struct unit_properties *now, uint64_t now_usec)
{
	uint64_t limit = add(steps->since_usec, steps->stop_limit_usec);
	uint64_t own = add(steps->since_usec,
			   times(now->timeout_stop_usec,
				 (uint64_t)now->n_stop_commands + STOP_SIGNALS));
	bool extended = now_usec >= own && is(now->state.result, "success") &&
			!is_killing(now->state.sub_state);

	return extended || own > limit ? limit : own;
}

static void take_stopping(struct unit_steps *steps, const struct unit_properties *now,
			  uint64_t now_usec)
{
	if (steps->step != UNIT_STEP_STOPPING) {
		steps->step = UNIT_STEP_STOPPING;
		steps->since_usec =
			later_of(steps->called_usec, now->state.active_exit_mono_usec);
		steps->due_usec = 0;
	}
	if (is_killing(now->state.sub_state))
		steps->killed = true;
	/* Once we have killed, that is the limit. */
	if (steps->due_usec == 0 || !steps->stop_forced)
		steps->due_usec = stop_due(steps, now, now_usec);
	steps->shown_usec = now->timeout_stop_usec;
	if (now_usec - steps->since_usec > steps->shown_usec ||
	    steps->shown_usec > steps->stop_limit_usec)
		steps->shown_usec = steps->due_usec - steps->since_usec;
}

/* Whether or not a reading came in time to see it, the timestamps tell of the stop. */
static void take_stop(struct unit_steps *steps, const struct unit_properties *now)
{
	uint64_t began = steps->step == UNIT_STEP_STOPPING
				 ? steps->since_usec
				 : later_of(steps->called_usec,
					    now->state.active_exit_mono_usec);
	uint64_t ended = now->inactive_enter_mono_usec;

	if (ended < began)
		return;
	steps->stopped = true;
	steps->stop_usec = ended - began;
	steps->overdue = steps->stop_usec >= now->timeout_stop_usec;
}

void unit_steps_take(struct unit_steps *steps, const struct unit_properties *now,
		     uint64_t now_usec)
{
	bool down = is(now->state.active_state, "inactive") ||
		    is(now->state.active_state, "failed");

	steps->started =
		steps->started || now->inactive_exit_mono_usec >= steps->called_usec;
	if (steps->step == UNIT_STEP_STARTING)
		return;
	if (!steps->started && is(now->state.active_state, "deactivating")) {
		take_stopping(steps, now, now_usec);
		return;
	}
	/* The job waits: for others before it, or for a dependent unit to stop first.
	 */
	if (steps->stops && !steps->started && !down)
		return;
	take_stop(steps, now);
	steps->step = UNIT_STEP_STARTING;
	steps->since_usec =
		steps->stopped ? now->inactive_enter_mono_usec : steps->called_usec;
	steps->due_usec = add(steps->since_usec, steps->start_limit_usec);
	steps->shown_usec = steps->start_limit_usec;
}

void unit_steps_hear(struct unit_steps *steps, const char *sub_state,
		     uint64_t inactive_exit_usec)
{
	if (is_killing(sub_state) && inactive_exit_usec < steps->called_usec)
		steps->killed = true;
}

void unit_steps_kill(struct unit_steps *steps, uint64_t due_usec)
{
	steps->stop_forced = true;
	steps->killed = true;
	steps->due_usec = due_usec;
}
