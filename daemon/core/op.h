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
	OP_KIND_FLAG,	 /* the restart that a touch of restart.flag asks for */
	OP_KIND_CONFIRM, /* what is live stays */
	OP_KIND_HOLD,
	OP_KIND_UNHOLD,
	OP_KIND_RECOVER, /* what a crash of deployd left undone after a switch */
	OP_KIND_REVERT,	 /* back to `from`: not confirmed in time, or a crash in between
			  */
	OP_KIND_COUNT
};

enum op_state {
	OP_STATE_QUEUED,
	OP_STATE_PREPARING,  /* room and a staging directory */
	OP_STATE_UNPACKING,  /* intake | unpack */
	OP_STATE_SEALING,    /* verified, owned by root, durable, in releases/ */
	OP_STATE_SWITCHING,  /* current points at it, durably */
	OP_STATE_ACTING,     /* the unit's job: restart, start, stop, ... */
	OP_STATE_CHECKING,   /* is it healthy */
	OP_STATE_BAKING,     /* does it stay so */
	OP_STATE_REVERTING,  /* current points back at what was live before */
	OP_STATE_RESTORING,  /* the unit's job, for that one */
	OP_STATE_RECHECKING, /* is that one healthy */
	OP_STATE_STOPPING,   /* sick, and nothing to go back to: the unit is stopped */
	OP_STATE_PROVING,    /* which releases the unit's processes run from */
	OP_STATE_FINISHING,  /* marks, history, pruning */
	OP_STATE_DISCARDING, /* staging is dropped after a failure or a cancel */
	OP_STATE_MARKING,    /* a durable word about the app: confirm, hold, unhold */
	OP_STATE_RECORDING,  /* history of an operation that changed no release */
	OP_STATE_DONE,
	OP_STATE_COUNT
};

enum op_event {
	OP_EVENT_STARTED, /* its turn in the queue */
	OP_EVENT_STEP_OK,
	OP_EVENT_STEP_FAILED, /* also when its time was over */
	OP_EVENT_ABANDON, /* cancelled, or deployd stops: end before the switch, or go
			     on */
	OP_EVENT_COUNT
};

enum op_action {
	OP_ACTION_NONE,
	OP_ACTION_PREPARE,
	OP_ACTION_UNPACK,
	OP_ACTION_SEAL,
	OP_ACTION_SWITCH,
	OP_ACTION_ACT,
	OP_ACTION_CHECK,
	OP_ACTION_BAKE,
	OP_ACTION_REVERT,
	OP_ACTION_RESTORE,
	OP_ACTION_RECHECK,
	OP_ACTION_STOP,
	OP_ACTION_PROVE,
	OP_ACTION_FINISH,
	OP_ACTION_DISCARD,
	OP_ACTION_MARK,
	OP_ACTION_RECORD,
	OP_ACTION_KILL,	 /* kill the step's helpers; a STEP_FAILED follows */
	OP_ACTION_REPLY, /* the operation is over */
	OP_ACTION_COUNT
};

/* What is done about a release that is live and sick. */
enum op_fallback {
	OP_FALLBACK_NONE, /* it stays (auto_rollback = no) */
	OP_FALLBACK_BACK, /* the release that was live before */
	OP_FALLBACK_STOP, /* there was none: the unit is stopped */
	OP_FALLBACK_COUNT
};

struct op {
	enum op_kind kind;
	enum op_state state;
	enum op_fallback
		fallback; /* set by the edge once it knows, before ACTING ends */
	bool failed;	  /* a step failed; the outcome is not ok */
	bool switched;	  /* current points at the operation's release, or did */
	bool reverted;	  /* current points back */
	bool restored;	  /* what it points back at is up, and healthy */
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

/* True for kinds that point current at another release. */
bool op_kind_switches(enum op_kind kind);

const char *op_kind_name(enum op_kind kind);	/* "deploy" */
const char *op_state_name(enum op_state state); /* "unpacking"; "queued" */
const char *op_event_name(enum op_event event); /* "step failed", for the journal */
