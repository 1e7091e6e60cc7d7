#include "core/op.h"

#include <assert.h>
#include <stddef.h>

/* Where the way of an operation depends on its kind, or on what it can fall back to. */
enum fork {
	FORK_NONE,
	FORK_STARTED,
	FORK_SEALED,
	FORK_ACTED,
	FORK_CHECKED,
	FORK_SICK,
	FORK_COUNT
};

/* What a transition notes in the operation. */
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
	enum fork fork;	       /* GOES: looked up in routes[], unless FORK_NONE */
	enum op_state to;      /* GOES, FORK_NONE */
	enum op_action action; /* STAYS */
	unsigned int notes;
};

#define GO_NOTING(state, noted)                                                        \
	{                                                                              \
		.how = GOES, .to = OP_STATE_##state, .notes = (noted)                  \
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
		.how = STAYS, .action = OP_ACTION_##what                               \
	}
#define STAY_FAILED(what)                                                              \
	{                                                                              \
		.how = STAYS, .action = OP_ACTION_##what, .notes = NOTE_FAILED         \
	}

/* What a state is for: done when it is entered. */
static const enum op_action entry_actions[] = {
	[OP_STATE_QUEUED] = OP_ACTION_NONE,
	[OP_STATE_PREPARING] = OP_ACTION_PREPARE,
	[OP_STATE_UNPACKING] = OP_ACTION_UNPACK,
	[OP_STATE_SEALING] = OP_ACTION_SEAL,
	[OP_STATE_SWITCHING] = OP_ACTION_SWITCH,
	[OP_STATE_ACTING] = OP_ACTION_ACT,
	[OP_STATE_CHECKING] = OP_ACTION_CHECK,
	[OP_STATE_BAKING] = OP_ACTION_BAKE,
	[OP_STATE_REVERTING] = OP_ACTION_REVERT,
	[OP_STATE_RESTORING] = OP_ACTION_RESTORE,
	[OP_STATE_RECHECKING] = OP_ACTION_RECHECK,
	[OP_STATE_STOPPING] = OP_ACTION_STOP,
	[OP_STATE_PROVING] = OP_ACTION_PROVE,
	[OP_STATE_FINISHING] = OP_ACTION_FINISH,
	[OP_STATE_DISCARDING] = OP_ACTION_DISCARD,
	[OP_STATE_MARKING] = OP_ACTION_MARK,
	[OP_STATE_RECORDING] = OP_ACTION_RECORD,
	[OP_STATE_DONE] = OP_ACTION_REPLY,
};
static_assert(sizeof(entry_actions) / sizeof(*entry_actions) == OP_STATE_COUNT,
	      "every state is for something");

#define ROUTE(started, sealed, acted, checked)                                         \
	{                                                                              \
		[FORK_STARTED] = OP_STATE_##started,                                   \
		[FORK_SEALED] = OP_STATE_##sealed, [FORK_ACTED] = OP_STATE_##acted,    \
		[FORK_CHECKED] = OP_STATE_##checked,                                   \
	}

/* A fork that a kind never comes to leads to its record, and so to its end. */
static const enum op_state routes[][FORK_COUNT] = {
	/*                      started, sealed, acted, checked */
	[OP_KIND_DEPLOY] = ROUTE(PREPARING, SWITCHING, CHECKING, BAKING),
	[OP_KIND_STAGE] = ROUTE(PREPARING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_ACTIVATE] = ROUTE(SWITCHING, RECORDING, CHECKING, BAKING),
	[OP_KIND_ROLLBACK] = ROUTE(SWITCHING, RECORDING, CHECKING, PROVING),
	[OP_KIND_RESTART] = ROUTE(ACTING, RECORDING, CHECKING, RECORDING),
	[OP_KIND_RELOAD] = ROUTE(ACTING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_START] = ROUTE(ACTING, RECORDING, CHECKING, RECORDING),
	[OP_KIND_STOP] = ROUTE(ACTING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_ENABLE] = ROUTE(ACTING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_DISABLE] = ROUTE(ACTING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_FLAG] = ROUTE(ACTING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_CONFIRM] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_HOLD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_UNHOLD] = ROUTE(MARKING, RECORDING, RECORDING, RECORDING),
	[OP_KIND_RECOVER] = ROUTE(ACTING, RECORDING, CHECKING, BAKING),
	[OP_KIND_REVERT] = ROUTE(REVERTING, RECORDING, RECORDING, RECORDING),
};
static_assert(sizeof(routes) / sizeof(*routes) == OP_KIND_COUNT,
	      "every kind has a route");

/* FORK_SICK, where current points at the sick release. */
static const enum op_state fallbacks[] = {
	[OP_FALLBACK_NONE] = OP_STATE_PROVING,
	[OP_FALLBACK_BACK] = OP_STATE_REVERTING,
	[OP_FALLBACK_STOP] = OP_STATE_STOPPING,
};
static_assert(sizeof(fallbacks) / sizeof(*fallbacks) == OP_FALLBACK_COUNT,
	      "every fallback leads somewhere");

/*
 * A step whose time is over has failed; its helper is dead by then. From the switch on
 * nothing is dropped: what is live must be known to be well, or be gone back from.
 */
static const struct transition transitions[OP_STATE_COUNT][OP_EVENT_COUNT] = {
	[OP_STATE_QUEUED] =
		{
			[OP_EVENT_STARTED] = GO_FORK(STARTED),
			[OP_EVENT_ABANDON] = GO_FAILED(DONE),
		},
	[OP_STATE_PREPARING] =
		{
			[OP_EVENT_STEP_OK] = GO(UNPACKING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[OP_STATE_UNPACKING] =
		{
			[OP_EVENT_STEP_OK] = GO(SEALING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[OP_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[OP_STATE_SEALING] =
		{
			[OP_EVENT_STEP_OK] = GO_FORK(SEALED),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[OP_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[OP_STATE_SWITCHING] =
		{
			[OP_EVENT_STEP_OK] = GO_NOTING(ACTING, NOTE_SWITCHED),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_ACTING] =
		{
			[OP_EVENT_STEP_OK] = GO_FORK(ACTED),
			[OP_EVENT_STEP_FAILED] = GO_FORK_FAILED(SICK),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_CHECKING] =
		{
			[OP_EVENT_STEP_OK] = GO_FORK(CHECKED),
			[OP_EVENT_STEP_FAILED] = GO_FORK_FAILED(SICK),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_BAKING] =
		{
			[OP_EVENT_STEP_OK] = GO(PROVING),
			[OP_EVENT_STEP_FAILED] = GO_FORK_FAILED(SICK),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_REVERTING] =
		{
			[OP_EVENT_STEP_OK] =
				GO_NOTING(RESTORING, NOTE_FAILED | NOTE_REVERTED),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(PROVING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_RESTORING] =
		{
			[OP_EVENT_STEP_OK] = GO(RECHECKING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(PROVING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_RECHECKING] =
		{
			[OP_EVENT_STEP_OK] = GO_NOTING(PROVING, NOTE_RESTORED),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(PROVING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_STOPPING] =
		{
			[OP_EVENT_STEP_OK] = GO_FAILED(FINISHING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(PROVING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_PROVING] =
		{
			[OP_EVENT_STEP_OK] = GO(FINISHING),
			[OP_EVENT_STEP_FAILED] = GO(FINISHING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_FINISHING] =
		{
			[OP_EVENT_STEP_OK] = GO(DONE),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_DISCARDING] =
		{
			[OP_EVENT_STEP_OK] = GO(RECORDING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_MARKING] =
		{
			[OP_EVENT_STEP_OK] = GO(RECORDING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_RECORDING] =
		{
			[OP_EVENT_STEP_OK] = GO(DONE),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
};

/* An abandoned step that was faster than its kill: its staging directory exists. */
static const struct transition too_late = GO_FAILED(DISCARDING);

void op_init(struct op *op, enum op_kind kind)
{
	assert(kind < OP_KIND_COUNT);
	*op = (struct op){
		.kind = kind,
		.state = OP_STATE_QUEUED,
		.switched = kind == OP_KIND_RECOVER || kind == OP_KIND_REVERT,
	};
}

static enum op_state destination(const struct op *op, const struct transition *t)
{
	switch (t->fork) {
	case FORK_NONE:
		return t->to;
	case FORK_SICK:
		return op->switched ? fallbacks[op->fallback] : OP_STATE_RECORDING;
	case FORK_STARTED:
		if (op->kind == OP_KIND_REVERT && op->fallback == OP_FALLBACK_STOP)
			return OP_STATE_STOPPING;
		break;
	case FORK_SEALED:
	case FORK_ACTED:
	case FORK_CHECKED:
	case FORK_COUNT:
		break;
	}
	return routes[op->kind][t->fork];
}

bool op_step(struct op *op, enum op_event event, enum op_action *ret_action)
{
	const struct transition *t;

	assert(op->kind < OP_KIND_COUNT);
	assert(op->state < OP_STATE_COUNT);
	assert(op->fallback < OP_FALLBACK_COUNT);
	assert(event < OP_EVENT_COUNT);
	t = &transitions[op->state][event];
	if (t->how == INVALID)
		return false;
	if (event == OP_EVENT_STEP_OK && op->failed && op_is_before_switch(op))
		t = &too_late;
	op->failed |= (t->notes & NOTE_FAILED) != 0;
	op->switched |= (t->notes & NOTE_SWITCHED) != 0;
	op->reverted |= (t->notes & NOTE_REVERTED) != 0;
	op->restored |= (t->notes & NOTE_RESTORED) != 0;
	if (t->how == GOES)
		op->state = destination(op, t);
	*ret_action = t->how == GOES ? entry_actions[op->state] : t->action;
	return true;
}

bool op_is_before_switch(const struct op *op)
{
	return (transitions[op->state][OP_EVENT_ABANDON].notes & NOTE_FAILED) != 0;
}

bool op_kind_switches(enum op_kind kind)
{
	return routes[kind][FORK_STARTED] == OP_STATE_SWITCHING ||
	       routes[kind][FORK_SEALED] == OP_STATE_SWITCHING;
}

const char *op_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_KIND_DEPLOY] = "deploy",	 [OP_KIND_STAGE] = "stage",
		[OP_KIND_ACTIVATE] = "activate", [OP_KIND_ROLLBACK] = "rollback",
		[OP_KIND_RESTART] = "restart",	 [OP_KIND_RELOAD] = "reload",
		[OP_KIND_START] = "start",	 [OP_KIND_STOP] = "stop",
		[OP_KIND_ENABLE] = "enable",	 [OP_KIND_DISABLE] = "disable",
		[OP_KIND_FLAG] = "flag",	 [OP_KIND_CONFIRM] = "confirm",
		[OP_KIND_HOLD] = "hold",	 [OP_KIND_UNHOLD] = "unhold",
		[OP_KIND_RECOVER] = "recover",	 [OP_KIND_REVERT] = "revert",
	};
	static_assert(sizeof(names) / sizeof(*names) == OP_KIND_COUNT,
		      "every kind has a name");

	assert(kind < OP_KIND_COUNT);
	return names[kind];
}

const char *op_state_name(enum op_state state)
{
	static const char *const names[] = {
		[OP_STATE_QUEUED] = "queued",
		[OP_STATE_PREPARING] = "preparing",
		[OP_STATE_UNPACKING] = "unpacking",
		[OP_STATE_SEALING] = "sealing",
		[OP_STATE_SWITCHING] = "switching",
		[OP_STATE_ACTING] = "acting",
		[OP_STATE_CHECKING] = "checking",
		[OP_STATE_BAKING] = "baking",
		[OP_STATE_REVERTING] = "reverting",
		[OP_STATE_RESTORING] = "restoring",
		[OP_STATE_RECHECKING] = "rechecking",
		[OP_STATE_STOPPING] = "stopping",
		[OP_STATE_PROVING] = "proving",
		[OP_STATE_FINISHING] = "finishing",
		[OP_STATE_DISCARDING] = "discarding",
		[OP_STATE_MARKING] = "marking",
		[OP_STATE_RECORDING] = "recording",
		[OP_STATE_DONE] = "done",
	};
	static_assert(sizeof(names) / sizeof(*names) == OP_STATE_COUNT,
		      "every state has a name");

	assert(state < OP_STATE_COUNT);
	return names[state];
}

const char *op_event_name(enum op_event event)
{
	static const char *const names[] = {
		[OP_EVENT_STARTED] = "started",
		[OP_EVENT_STEP_OK] = "step ok",
		[OP_EVENT_STEP_FAILED] = "step failed",
		[OP_EVENT_ABANDON] = "abandon",
	};
	static_assert(sizeof(names) / sizeof(*names) == OP_EVENT_COUNT,
		      "every event has a name");

	assert(event < OP_EVENT_COUNT);
	return names[event];
}
