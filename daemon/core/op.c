#include "core/op.h"

#include <assert.h>
#include <stddef.h>

/* Where the way of an operation depends on its kind. */
enum fork {
	FORK_NONE,
	FORK_STARTED,
	FORK_SEALED,
	FORK_ACTED,
	FORK_COUNT
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
	bool fails;	       /* sets op->failed */
	bool switches;	       /* sets op->switched */
};

#define GO(state)                                                                      \
	{                                                                              \
		.how = GOES, .to = OP_STATE_##state                                    \
	}
#define GO_FAILED(state)                                                               \
	{                                                                              \
		.how = GOES, .to = OP_STATE_##state, .fails = true                     \
	}
#define GO_FORK(where)                                                                 \
	{                                                                              \
		.how = GOES, .fork = FORK_##where                                      \
	}
#define GO_FORK_FAILED(where)                                                          \
	{                                                                              \
		.how = GOES, .fork = FORK_##where, .fails = true                       \
	}
#define STAY(what)                                                                     \
	{                                                                              \
		.how = STAYS, .action = OP_ACTION_##what                               \
	}
#define STAY_FAILED(what)                                                              \
	{                                                                              \
		.how = STAYS, .action = OP_ACTION_##what, .fails = true                \
	}

/* What a state is for: done when it is entered. */
static const enum op_action entry_actions[] = {
	[OP_STATE_QUEUED] = OP_ACTION_NONE,
	[OP_STATE_PREPARING] = OP_ACTION_PREPARE,
	[OP_STATE_UNPACKING] = OP_ACTION_UNPACK,
	[OP_STATE_SEALING] = OP_ACTION_SEAL,
	[OP_STATE_SWITCHING] = OP_ACTION_SWITCH,
	[OP_STATE_ACTING] = OP_ACTION_ACT,
	[OP_STATE_FINISHING] = OP_ACTION_FINISH,
	[OP_STATE_DISCARDING] = OP_ACTION_DISCARD,
	[OP_STATE_RECORDING] = OP_ACTION_RECORD,
	[OP_STATE_DONE] = OP_ACTION_REPLY,
};
static_assert(sizeof(entry_actions) / sizeof(*entry_actions) == OP_STATE_COUNT,
	      "every state is for something");

#define ROUTE(started, sealed, acted)                                                  \
	{                                                                              \
		[FORK_STARTED] = OP_STATE_##started,                                   \
		[FORK_SEALED] = OP_STATE_##sealed, [FORK_ACTED] = OP_STATE_##acted,    \
	}

/* A fork that a kind never comes to leads to its record, and so to its end. */
static const enum op_state routes[][FORK_COUNT] = {
	/*                      when started, when sealed, when acted */
	[OP_KIND_DEPLOY] = ROUTE(PREPARING, SWITCHING, FINISHING),
	[OP_KIND_STAGE] = ROUTE(PREPARING, RECORDING, RECORDING),
	[OP_KIND_ACTIVATE] = ROUTE(SWITCHING, RECORDING, FINISHING),
	[OP_KIND_ROLLBACK] = ROUTE(SWITCHING, RECORDING, FINISHING),
	[OP_KIND_RESTART] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_RELOAD] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_START] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_STOP] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_ENABLE] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_DISABLE] = ROUTE(ACTING, RECORDING, RECORDING),
	[OP_KIND_RECOVER] = ROUTE(ACTING, RECORDING, FINISHING),
};
static_assert(sizeof(routes) / sizeof(*routes) == OP_KIND_COUNT,
	      "every kind has a route");

/*
 * A deadline kills the helper and waits for its end: what it did until then is known
 * only when it is gone. ACTING has no helper; the unit's job reports its own timeout.
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
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[OP_STATE_UNPACKING] =
		{
			[OP_EVENT_STEP_OK] = GO(SEALING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY_FAILED(KILL),
		},
	[OP_STATE_SEALING] =
		{
			[OP_EVENT_STEP_OK] = GO_FORK(SEALED),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DISCARDING),
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_SWITCHING] =
		{
			[OP_EVENT_STEP_OK] = {.how = GOES,
					      .to = OP_STATE_ACTING,
					      .switches = true},
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_ACTING] =
		{
			[OP_EVENT_STEP_OK] = GO_FORK(ACTED),
			[OP_EVENT_STEP_FAILED] = GO_FORK_FAILED(ACTED),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_FINISHING] =
		{
			[OP_EVENT_STEP_OK] = GO(DONE),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_DISCARDING] =
		{
			[OP_EVENT_STEP_OK] = GO(RECORDING),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(RECORDING),
			[OP_EVENT_DEADLINE] = STAY(KILL),
			[OP_EVENT_ABANDON] = STAY(NONE),
		},
	[OP_STATE_RECORDING] =
		{
			[OP_EVENT_STEP_OK] = GO(DONE),
			[OP_EVENT_STEP_FAILED] = GO_FAILED(DONE),
			[OP_EVENT_DEADLINE] = STAY(KILL),
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
		.switched = kind == OP_KIND_RECOVER,
	};
}

bool op_step(struct op *op, enum op_event event, enum op_action *ret_action)
{
	const struct transition *t;

	assert(op->kind < OP_KIND_COUNT);
	assert(op->state < OP_STATE_COUNT);
	assert(event < OP_EVENT_COUNT);
	t = &transitions[op->state][event];
	if (t->how == INVALID)
		return false;
	if (event == OP_EVENT_STEP_OK && op->failed && op_is_before_switch(op))
		t = &too_late;
	if (t->fails)
		op->failed = true;
	if (t->switches)
		op->switched = true;
	if (t->how == GOES)
		op->state = t->fork == FORK_NONE ? t->to : routes[op->kind][t->fork];
	*ret_action = t->how == GOES ? entry_actions[op->state] : t->action;
	return true;
}

bool op_is_before_switch(const struct op *op)
{
	return transitions[op->state][OP_EVENT_ABANDON].fails;
}

const char *op_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
		[OP_KIND_DEPLOY] = "deploy",	 [OP_KIND_STAGE] = "stage",
		[OP_KIND_ACTIVATE] = "activate", [OP_KIND_ROLLBACK] = "rollback",
		[OP_KIND_RESTART] = "restart",	 [OP_KIND_RELOAD] = "reload",
		[OP_KIND_START] = "start",	 [OP_KIND_STOP] = "stop",
		[OP_KIND_ENABLE] = "enable",	 [OP_KIND_DISABLE] = "disable",
		[OP_KIND_RECOVER] = "recover",
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
		[OP_STATE_FINISHING] = "finishing",
		[OP_STATE_DISCARDING] = "discarding",
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
		[OP_EVENT_DEADLINE] = "deadline",
		[OP_EVENT_ABANDON] = "abandon",
	};
	static_assert(sizeof(names) / sizeof(*names) == OP_EVENT_COUNT,
		      "every event has a name");

	assert(event < OP_EVENT_COUNT);
	return names[event];
}
