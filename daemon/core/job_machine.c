#include "core/job_machine.h"

#include <assert.h>
#include <stddef.h>

/* Where the way of a job depends on its kind, or on what it can fall back to. */
enum fork {
	FORK_NONE,
	FORK_STARTED,
	FORK_SEALED,
	FORK_RESTARTED,
	FORK_CHECKED,
	FORK_FAILED,
	FORK_DRIFTED,
	FORK_BACK_FAILED,
	FORK_COUNT
};

/* What a transition notes in the job. */
enum note {
	NOTE_FAILED = 1 << 0,
	NOTE_SWITCHED = 1 << 1,
	NOTE_REVERTED = 1 << 2,
	NOTE_RESTORED = 1 << 3,
};

struct transition {
	enum {
		INVALID,
		STAYS, /* does action, the state remains */
		GOES,  /* does what the state entered is for */
	} how;
	enum fork fork;		/* GOES: looked up in routes[], unless FORK_NONE */
	enum job_state to;	/* GOES, FORK_NONE */
	enum job_action action; /* STAYS */
	unsigned int notes;
};

#define GO_NOTING(state, noted)                                                        \
	{                                                                              \
		.how = GOES, .to = JOB_STATE_##state, .notes = (noted)                 \
	}
#define GO(state)	 GO_NOTING(state, 0)
#define GO_FAILED(state) GO_NOTING(state, NOTE_FAILED)
#define GO_FORK(where)                                                                 \
	{                                                                              \
		.how = GOES, .fork = FORK_##where                                      \
	}
#define GO_FORK_FAILED(where)                                                          \
	{                                                                              \
		.how = GOES, .fork = FORK_##where, .notes = NOTE_FAILED                \
	}
#define STAY(what)                                                                     \
	{                                                                              \
		.how = STAYS, .action = JOB_ACTION_##what                              \
	}
#define STAY_FAILED(what)                                                              \
	{                                                                              \
		.how = STAYS, .action = JOB_ACTION_##what, .notes = NOTE_FAILED        \
	}

/* What a state is for: done when it is entered. */
static const enum job_action entry_actions[] = {
	[JOB_STATE_QUEUED] = JOB_ACTION_NONE,
	[JOB_STATE_PREPARING] = JOB_ACTION_PREPARE,
	[JOB_STATE_UNPACKING] = JOB_ACTION_UNPACK,
	[JOB_STATE_SEALING] = JOB_ACTION_SEAL,
	[JOB_STATE_PREFLIGHT] = JOB_ACTION_PREFLIGHT,
	[JOB_STATE_SWITCHING] = JOB_ACTION_SWITCH,
	[JOB_STATE_RESTARTING] = JOB_ACTION_RESTART,
	[JOB_STATE_CHECKING] = JOB_ACTION_CHECK,
	[JOB_STATE_BAKING] = JOB_ACTION_BAKE,
	[JOB_STATE_REVERTING] = JOB_ACTION_REVERT,
	[JOB_STATE_RESTORING] = JOB_ACTION_RESTORE,
	[JOB_STATE_RECHECKING] = JOB_ACTION_RECHECK,
	[JOB_STATE_STOPPING] = JOB_ACTION_STOP,
	[JOB_STATE_VERIFYING] = JOB_ACTION_VERIFY,
	[JOB_STATE_FINISHING] = JOB_ACTION_FINISH,
	[JOB_STATE_DISCARDING] = JOB_ACTION_DISCARD,
	[JOB_STATE_MARKING] = JOB_ACTION_MARK,
	[JOB_STATE_RECORDING] = JOB_ACTION_RECORD,
	[JOB_STATE_DONE] = JOB_ACTION_REPLY,
};
static_assert(sizeof(entry_actions) / sizeof(*entry_actions) == JOB_STATE_COUNT,
	      "every state is for something");

#define ROUTE(started, sealed, restarted, checked)                                     \
	{                                                                              \
		[FORK_STARTED] = JOB_STATE_##started,                                  \
		[FORK_SEALED] = JOB_STATE_##sealed,                                    \
		[FORK_RESTARTED] = JOB_STATE_##restarted,                              \
		[FORK_CHECKED] = JOB_STATE_##checked,                                  \
	}

/* A fork that a kind never comes to leads to its record, and so to its end. */
static const enum job_state routes[][FORK_COUNT] = {
	/*                      started, sealed, restarted, checked */
	[JOB_KIND_DEPLOY] = ROUTE(PREPARING, PREFLIGHT, CHECKING, BAKING),
	[JOB_KIND_STAGE] = ROUTE(PREPARING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_ACTIVATE] = ROUTE(PREFLIGHT, RECORDING, CHECKING, BAKING),
	[JOB_KIND_ROLLBACK] = ROUTE(PREFLIGHT, RECORDING, CHECKING, VERIFYING),
	[JOB_KIND_RESTART] = ROUTE(RESTARTING, RECORDING, CHECKING, RECORDING),
	[JOB_KIND_RELOAD] = ROUTE(RESTARTING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_START] = ROUTE(RESTARTING, RECORDING, CHECKING, RECORDING),
	[JOB_KIND_STOP] = ROUTE(RESTARTING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_ENABLE] = ROUTE(RESTARTING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_DISABLE] = ROUTE(RESTARTING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_FLAG] = ROUTE(RESTARTING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_CONFIRM] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_HOLD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_UNHOLD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_MARK_GOOD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_MARK_BAD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_PIN] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_UNPIN] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[JOB_KIND_RECOVER] = ROUTE(RESTARTING, RECORDING, CHECKING, BAKING),
	[JOB_KIND_REVERT] = ROUTE(REVERTING, RECORDING, RECORDING, RECORDING),
};
static_assert(sizeof(routes) / sizeof(*routes) == JOB_KIND_COUNT,
	      "every kind has a route");

/* FORK_FAILED, where current points at the failed release. */
static const enum job_state fallbacks[] = {
	[JOB_FALLBACK_NONE] = JOB_STATE_VERIFYING,
	[JOB_FALLBACK_BACK] = JOB_STATE_REVERTING,
	[JOB_FALLBACK_STOP] = JOB_STATE_STOPPING,
};
static_assert(sizeof(fallbacks) / sizeof(*fallbacks) == JOB_FALLBACK_COUNT,
	      "every fallback leads somewhere");

/*
 * A step whose time is over has failed; its helper is dead by then. From the switch on
 * nothing is dropped: the live release is found healthy, or deployd goes back.
 */
static const struct transition transitions[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
	[JOB_STATE_QUEUED] =
		{
			[JOB_EVENT_STARTED] = GO_FORK(STARTED),
			[JOB_EVENT_ABANDON] = GO_FAILED(DONE),
		},
	[JOB_STATE_PREPARING] =
		{
			[JOB_EVENT_STEP_OK] = GO(UNPACKING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[JOB_EVENT_UNCHANGED] = GO(RECORDING),
			[JOB_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[JOB_STATE_UNPACKING] =
		{
			[JOB_EVENT_STEP_OK] = GO(SEALING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[JOB_EVENT_UNCHANGED] = GO(DISCARDING),
			[JOB_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[JOB_STATE_SEALING] =
		{
			[JOB_EVENT_STEP_OK] = GO_FORK(SEALED),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[JOB_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[JOB_STATE_PREFLIGHT] =
		{
			[JOB_EVENT_STEP_OK] = GO(SWITCHING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[JOB_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[JOB_STATE_SWITCHING] =
		{
			[JOB_EVENT_STEP_OK] = GO_NOTING(RESTARTING, NOTE_SWITCHED),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_RESTARTING] =
		{
			[JOB_EVENT_STEP_OK] = GO_FORK(RESTARTED),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(FAILED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_CHECKING] =
		{
			[JOB_EVENT_STEP_OK] = GO_FORK(CHECKED),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(FAILED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_BAKING] =
		{
			[JOB_EVENT_STEP_OK] = GO(VERIFYING),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(FAILED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_REVERTING] =
		{
			[JOB_EVENT_STEP_OK] =
				GO_NOTING(RESTORING, NOTE_FAILED | NOTE_REVERTED),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(VERIFYING),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_RESTORING] =
		{
			[JOB_EVENT_STEP_OK] = GO(RECHECKING),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(BACK_FAILED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_RECHECKING] =
		{
			[JOB_EVENT_STEP_OK] = GO_NOTING(VERIFYING, NOTE_RESTORED),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(BACK_FAILED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_STOPPING] =
		{
			[JOB_EVENT_STEP_OK] = GO_FAILED(FINISHING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(VERIFYING),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_VERIFYING] =
		{
			[JOB_EVENT_STEP_OK] = GO(FINISHING),
			[JOB_EVENT_STEP_FAILED] = GO_FORK_FAILED(DRIFTED),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_FINISHING] =
		{
			[JOB_EVENT_STEP_OK] = GO(DONE),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_DISCARDING] =
		{
			[JOB_EVENT_STEP_OK] = GO(RECORDING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_MARKING] =
		{
			[JOB_EVENT_STEP_OK] = GO(RECORDING),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
	[JOB_STATE_RECORDING] =
		{
			[JOB_EVENT_STEP_OK] = GO(DONE),
			[JOB_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[JOB_EVENT_ABANDON] = STAY(NONE),
		},
};

/*
 * An abandoned step that was faster than its kill. What it left in staging is dropped;
 * a release that a preflight was about stays.
 */
static const struct transition too_late = GO_FAILED(DISCARDING);
static const struct transition too_late_for_preflight = GO_FAILED(RECORDING);

void job_machine_init(struct job_machine *machine, enum job_kind kind)
{
	assert(kind < JOB_KIND_COUNT);
	*machine = (struct job_machine){
		.kind = kind,
		.state = JOB_STATE_QUEUED,
		.switched = kind == JOB_KIND_RECOVER || kind == JOB_KIND_REVERT,
	};
}

/* What runs is known by then: where nothing is gone back to, this is the end. */
static enum job_state after_drift(const struct job_machine *machine)
{
	return machine->failed || !machine->switched ||
			       machine->fallback == JOB_FALLBACK_NONE
		       ? JOB_STATE_FINISHING
		       : fallbacks[machine->fallback];
}

static enum job_state destination(const struct job_machine *machine,
				  const struct transition *t)
{
	switch (t->fork) {
	case FORK_NONE:
		return t->to;
	case FORK_FAILED:
		return machine->switched ? fallbacks[machine->fallback]
					 : JOB_STATE_RECORDING;
	case FORK_BACK_FAILED:
		return machine->has_next ? JOB_STATE_REVERTING : JOB_STATE_VERIFYING;
	case FORK_DRIFTED:
		return after_drift(machine);
	case FORK_STARTED:
		if (machine->kind == JOB_KIND_REVERT &&
		    machine->fallback == JOB_FALLBACK_STOP)
			return JOB_STATE_STOPPING;
		break;
	case FORK_SEALED:
	case FORK_RESTARTED:
	case FORK_CHECKED:
	case FORK_COUNT:
		break;
	}
	return routes[machine->kind][t->fork];
}

bool job_machine_step(struct job_machine *machine, enum job_event event,
		      enum job_action *ret_action)
{
	const struct transition *t;
	enum job_state to;

	assert(machine->kind < JOB_KIND_COUNT);
	assert(machine->state < JOB_STATE_COUNT);
	assert(machine->fallback < JOB_FALLBACK_COUNT);
	assert(event < JOB_EVENT_COUNT);
	t = &transitions[machine->state][event];
	if (t->how == INVALID)
		return false;
	if (event == JOB_EVENT_STEP_OK && machine->failed &&
	    job_machine_is_before_switch(machine))
		t = machine->state == JOB_STATE_PREFLIGHT ? &too_late_for_preflight
							  : &too_late;
	to = t->how == GOES ? destination(machine, t) : machine->state;
	machine->failed |= (t->notes & NOTE_FAILED) != 0;
	machine->switched |= (t->notes & NOTE_SWITCHED) != 0;
	machine->reverted |= (t->notes & NOTE_REVERTED) != 0;
	machine->restored |= (t->notes & NOTE_RESTORED) != 0;
	machine->state = to;
	*ret_action = t->how == GOES ? entry_actions[machine->state] : t->action;
	return true;
}

bool job_machine_is_before_switch(const struct job_machine *machine)
{
	return (transitions[machine->state][JOB_EVENT_ABANDON].notes & NOTE_FAILED) !=
	       0;
}

const char *job_state_name(enum job_state state)
{
	static const char *const names[] = {
		[JOB_STATE_QUEUED] = "queued",
		[JOB_STATE_PREPARING] = "preparing",
		[JOB_STATE_UNPACKING] = "unpacking",
		[JOB_STATE_SEALING] = "sealing",
		[JOB_STATE_PREFLIGHT] = "preflight",
		[JOB_STATE_SWITCHING] = "switching",
		[JOB_STATE_RESTARTING] = "restarting",
		[JOB_STATE_CHECKING] = "checking",
		[JOB_STATE_BAKING] = "baking",
		[JOB_STATE_REVERTING] = "reverting",
		[JOB_STATE_RESTORING] = "restoring",
		[JOB_STATE_RECHECKING] = "rechecking",
		[JOB_STATE_STOPPING] = "stopping",
		[JOB_STATE_VERIFYING] = "verifying",
		[JOB_STATE_FINISHING] = "finishing",
		[JOB_STATE_DISCARDING] = "discarding",
		[JOB_STATE_MARKING] = "marking",
		[JOB_STATE_RECORDING] = "recording",
		[JOB_STATE_DONE] = "done",
	};
	static_assert(sizeof(names) / sizeof(*names) == JOB_STATE_COUNT,
		      "every state has a name");

	assert(state < JOB_STATE_COUNT);
	return names[state];
}

const char *job_phase_name(const struct job_machine *machine)
{
	switch (machine->state) {
	case JOB_STATE_RESTARTING:
		return job_kind(machine->kind)->unit_phase;
	case JOB_STATE_REVERTING:
		return job_state_name(JOB_STATE_SWITCHING);
	case JOB_STATE_RESTORING:
		return job_state_name(JOB_STATE_RESTARTING);
	case JOB_STATE_RECHECKING:
		return job_state_name(JOB_STATE_CHECKING);
	case JOB_STATE_DISCARDING:
	case JOB_STATE_MARKING:
	case JOB_STATE_RECORDING:
		return job_state_name(JOB_STATE_FINISHING);
	case JOB_STATE_QUEUED:
	case JOB_STATE_PREPARING:
	case JOB_STATE_UNPACKING:
	case JOB_STATE_SEALING:
	case JOB_STATE_PREFLIGHT:
	case JOB_STATE_SWITCHING:
	case JOB_STATE_CHECKING:
	case JOB_STATE_BAKING:
	case JOB_STATE_STOPPING:
	case JOB_STATE_VERIFYING:
	case JOB_STATE_FINISHING:
	case JOB_STATE_DONE:
	case JOB_STATE_COUNT:
		break;
	}
	return job_state_name(machine->state);
}

const char *job_event_name(enum job_event event)
{
	static const char *const names[] = {
		[JOB_EVENT_STARTED] = "started",
		[JOB_EVENT_STEP_OK] = "step ok",
		[JOB_EVENT_STEP_FAILED] = "step failed",
		[JOB_EVENT_UNCHANGED] = "unchanged",
		[JOB_EVENT_ABANDON] = "abandon",
	};
	static_assert(sizeof(names) / sizeof(*names) == JOB_EVENT_COUNT,
		      "every event has a name");

	assert(event < JOB_EVENT_COUNT);
	return names[event];
}
