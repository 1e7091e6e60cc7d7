#pragma once

#include <stdbool.h>

/*
 * An operation on an app as a state table: what may follow what, and what is to be
 * done. The edges (daemon/loop) do it and report one event. Pure.
 */

enum op_kind {
	OP_KIND_DEPLOY,
	OP_KIND_STAGE,
	OP_KIND_ACTIVATE,
	OP_KIND_ROLLBACK,
	OP_KIND_RESTART,
	OP_KIND_RELOAD,
	OP_KIND_START,
	OP_KIND_STOP,
	OP_KIND_ENABLE,
	OP_KIND_DISABLE,
	OP_KIND_RECOVER, /* the restart that a crash of deployd left undone */
	OP_KIND_COUNT
};

enum op_state {
	OP_STATE_QUEUED,
	OP_STATE_PREPARING,  /* room and a staging directory */
	OP_STATE_UNPACKING,  /* intake | unpack */
	OP_STATE_SEALING,    /* verified, owned by root, durable, in releases/ */
	OP_STATE_SWITCHING,  /* current points at it, durably */
	OP_STATE_ACTING,     /* the unit's job: restart, start, stop, ... */
	OP_STATE_FINISHING,  /* marks, history, pruning */
	OP_STATE_DISCARDING, /* staging is dropped after a failure or a cancel */
	OP_STATE_RECORDING,  /* history of an operation that changed no release */
	OP_STATE_DONE,
	OP_STATE_COUNT
};

enum op_event {
	OP_EVENT_STARTED, /* its turn in the queue */
	OP_EVENT_STEP_OK,
	OP_EVENT_STEP_FAILED,
	OP_EVENT_DEADLINE, /* the step's time is over */
	OP_EVENT_ABANDON,  /* deployd stops: end before the switch, or finish */
	OP_EVENT_COUNT
};

enum op_action {
	OP_ACTION_NONE,
	OP_ACTION_PREPARE,
	OP_ACTION_UNPACK,
	OP_ACTION_SEAL,
	OP_ACTION_SWITCH,
	OP_ACTION_ACT,
	OP_ACTION_FINISH,
	OP_ACTION_DISCARD,
	OP_ACTION_RECORD,
	OP_ACTION_KILL,	 /* kill the step's helpers; a STEP_FAILED follows */
	OP_ACTION_REPLY, /* the operation is over */
	OP_ACTION_COUNT
};

struct op {
	enum op_kind kind;
	enum op_state state;
	bool failed;   /* a step failed; the outcome is not ok */
	bool switched; /* current points at the operation's release; RECOVER: always */
};

void op_init(struct op *op, enum op_kind kind) __attribute__((nonnull));

/*
 * Takes one event. False when it has no place in the state: the caller logs it, the
 * operation is unchanged.
 */
bool op_step(struct op *op, enum op_event event, enum op_action *ret_action)
	__attribute__((warn_unused_result, nonnull));

/* True while the operation can still be dropped without a trace. */
bool op_is_before_switch(const struct op *op) __attribute__((nonnull));

const char *op_kind_name(enum op_kind kind);	/* "deploy" */
const char *op_state_name(enum op_state state); /* "unpacking"; "queued" */
const char *op_event_name(enum op_event event); /* "step failed", for the journal */
