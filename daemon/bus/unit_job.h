#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/unit_properties.h"
#include "bus/units.h"
#include "deploy/errinfo.h"

/* systemd's unit jobs (RestartUnit and the like), and changes of unit files. */

enum unit_action {
	UNIT_ACTION_RESTART,
	UNIT_ACTION_RELOAD, /* ReloadUnit */
	UNIT_ACTION_START,
	UNIT_ACTION_STOP,
	UNIT_ACTION_ENABLE,  /* EnableUnitFiles, then Reload */
	UNIT_ACTION_DISABLE, /* DisableUnitFiles, then Reload */
	UNIT_ACTION_REREAD,  /* Reload, where the unit's file has changed */
};

/* What systemd is at while a job runs. */
enum unit_step {
	UNIT_STEP_WAITING,  /* it has not begun */
	UNIT_STEP_STOPPING, /* what ran before */
	UNIT_STEP_STARTING, /* what was stopped is gone */
};

#define USEC_PER_SEC 1000000ULL

/* How a unit job ended. */
struct unit_outcome {
	enum deploy_result
		result; /* RESULT_OK: job done and, where one is due, unit active */
	struct errinfo error;	 /* what and what to do, when not ok */
	struct unit_state state; /* after the job; zero when it could not be read */
	bool have_gap;
	uint64_t gap_usec; /* restart, start: from the last stop of "active" to active
			      again */
	/* Of the stop, where units_act_in_steps() asked for the action. */
	bool stop_killed;   /* it took a SIGKILL */
	bool stop_overdue;  /* it took longer than the unit's TimeoutStopSec= */
	uint64_t stop_usec; /* how long it took */
	bool stop_failed;   /* it did not end: the job is cancelled, nothing started */
	bool never_started; /* the job ended before a new process could be to blame */
	char id_before[UNIT_INVOCATION_SIZE]; /* InvocationID of the start before */
};

struct unit_job; /* one action under way */

typedef void (*unit_done_fn)(void *userdata, const struct unit_outcome *outcome);
/* Every few seconds of a job that takes long; limit_sec: what it may take at most. */
typedef void (*unit_step_fn)(void *userdata, enum unit_step step, uint64_t spent_sec,
			     uint64_t limit_sec);

/*
 * Runs the action on the unit and reports once, also when the bus breaks in between (it
 * reconnects and reads the job's and unit's state; unknown is not success). Waits for
 * the bus when it is not there. JobRemoved is matched before the call. RESTART of a
 * unit in start-limit-hit resets it first (ResetFailedUnit: this is an explicit
 * request). Masked, missing, canceled job, dependency failure, timeout: each its own
 * words. RESTART and START are ok only when the unit is active (or, for a oneshot
 * without RemainAfterExit, inactive with Result=success). REREAD calls Reload only when
 * NeedDaemonReload says that the unit has changed, and only one at a time: if another
 * REREAD has read the change meanwhile, it is not read again. NULL only without memory
 * (then done is not called).
 */
struct unit_job *units_act(struct units *units, enum unit_action action,
			   const char *unit, uint64_t timeout_ms, unit_done_fn done,
			   void *userdata) __attribute__((nonnull(1, 3, 5)));

/*
 * As units_act(), for RESTART, START and STOP, with two limits: start_ms for the start
 * alone, from when what ran before has ended, and stop_ms for that to end. A stop that
 * takes longer than systemd itself allows it, or than stop_ms, gets one SIGKILL; where
 * that does not help either, the job is cancelled (stop_failed).
 */
struct unit_job *units_act_in_steps(struct units *units, enum unit_action action,
				    const char *unit, uint64_t start_ms,
				    uint64_t stop_ms, unit_step_fn on_step,
				    unit_done_fn done, void *userdata)
	__attribute__((nonnull(1, 3, 7)));

/* done is not called; a job that runs is left to systemd. Accepts NULL. */
void unit_job_cancel(struct unit_job *job);
