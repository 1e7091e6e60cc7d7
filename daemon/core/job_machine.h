#pragma once

#include <stdbool.h>

#include "core/job_kind.h"

/*
 * A job of an app as a state table: what may follow what, and what is to be done.
 * daemon/job does it and reports one event. Pure.
 */

enum job_state {
	JOB_STATE_QUEUED,
	JOB_STATE_PREPARING,  /* room and a staging directory */
	JOB_STATE_UNPACKING,  /* intake | unpack */
	JOB_STATE_SEALING,    /* verified, owned by root, durable, in releases/ */
	JOB_STATE_PREFLIGHT,  /* can the unit start with it */
	JOB_STATE_SWITCHING,  /* current points at it, durably */
	JOB_STATE_RESTARTING, /* the unit's job: restart, start, stop, ... */
	JOB_STATE_CHECKING,   /* is it healthy */
	JOB_STATE_BAKING,     /* does it stay so */
	JOB_STATE_REVERTING,  /* current points back at what was live before */
	JOB_STATE_RESTORING,  /* the unit's job, for that one */
	JOB_STATE_RECHECKING, /* is that one healthy */
	JOB_STATE_STOPPING, /* failed, and nothing to go back to: the unit is stopped */
	JOB_STATE_VERIFYING,  /* which releases the unit's processes run from; it fails
				 where that fails the job */
	JOB_STATE_FINISHING,  /* marks, history, pruning */
	JOB_STATE_DISCARDING, /* staging is dropped after a failure or a cancel */
	JOB_STATE_MARKING,    /* a durable word about the app: confirm, hold, unhold */
	JOB_STATE_RECORDING,  /* history of a job that changed no release */
	JOB_STATE_DONE,
	JOB_STATE_COUNT
};

enum job_event {
	JOB_EVENT_STARTED, /* its turn in the queue */
	JOB_EVENT_STEP_OK,
	JOB_EVENT_STEP_FAILED, /* also when its time was over */
	JOB_EVENT_UNCHANGED,   /* there is nothing to do: what is wanted is live */
	JOB_EVENT_ABANDON, /* cancelled, or deployd stops: end before the switch, or go
			     on */
	JOB_EVENT_COUNT
};

enum job_action {
	JOB_ACTION_NONE,
	JOB_ACTION_PREPARE,
	JOB_ACTION_UNPACK,
	JOB_ACTION_SEAL,
	JOB_ACTION_PREFLIGHT,
	JOB_ACTION_SWITCH,
	JOB_ACTION_RESTART,
	JOB_ACTION_CHECK,
	JOB_ACTION_BAKE,
	JOB_ACTION_REVERT,
	JOB_ACTION_RESTORE,
	JOB_ACTION_RECHECK,
	JOB_ACTION_STOP,
	JOB_ACTION_VERIFY,
	JOB_ACTION_FINISH,
	JOB_ACTION_DISCARD,
	JOB_ACTION_MARK,
	JOB_ACTION_RECORD,
	JOB_ACTION_KILL,  /* kill the step's helpers; a STEP_FAILED follows */
	JOB_ACTION_REPLY, /* the job is over */
	JOB_ACTION_COUNT
};

/* What is done about a release that is live and failed. */
enum job_fallback {
	JOB_FALLBACK_NONE, /* it stays (auto_rollback = no) */
	JOB_FALLBACK_BACK, /* the release that was live before */
	JOB_FALLBACK_STOP, /* there was none: the unit is stopped */
	JOB_FALLBACK_COUNT
};

struct job_machine {
	enum job_kind kind;
	enum job_state state;
	enum job_fallback
		fallback; /* set by the edge once it knows, before ACTING ends */
	bool has_next; /* set by the edge before RESTORING or RECHECKING fails: there is
			  another one to go back to */
	bool failed;   /* a step failed; the outcome is not ok */
	bool switched; /* current points at the job's release, or did */
	bool reverted; /* current points back */
	bool restored; /* what it points back at is up, and healthy */
};

void job_machine_init(struct job_machine *machine, enum job_kind kind)
	__attribute__((nonnull));

/*
 * Takes one event. False when it has no place in the state: the caller logs it, the
 * job is unchanged.
 */
bool job_machine_step(struct job_machine *machine, enum job_event event,
		      enum job_action *ret_action)
	__attribute__((warn_unused_result, nonnull));

/* True while the job can still be dropped without a trace. */
bool job_machine_is_before_switch(const struct job_machine *machine)
	__attribute__((nonnull));

const char *job_state_name(enum job_state state); /* "restoring", for the journal */

/* What people are told of the state: "restarting", where that is its state's name or
 * not. */
const char *job_phase_name(const struct job_machine *machine) __attribute__((nonnull));

const char *job_event_name(enum job_event event); /* "step failed", for the journal */
