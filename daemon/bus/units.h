#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <uv.h>

#include "deploy/errinfo.h"

/*
 * systemd's manager over the system bus (org.freedesktop.systemd1(5)), asynchronously:
 * one connection, reconnected with back-off when the bus goes away. Nothing here
 * blocks, and every request ends, at the latest by its deadline.
 */

enum unit_action {
	UNIT_ACTION_RESTART,
	UNIT_ACTION_RELOAD, /* ReloadUnit */
	UNIT_ACTION_START,
	UNIT_ACTION_STOP,
	UNIT_ACTION_ENABLE,  /* EnableUnitFiles, then Reload */
	UNIT_ACTION_DISABLE, /* DisableUnitFiles, then Reload */
	UNIT_ACTION_REREAD,  /* Reload, where the unit's file has changed */
};

/* A unit's properties as read in one go; strings are never NULL-terminated short. */
struct unit_state {
	char load_state[32];	  /* "loaded", "not-found", "masked", ... */
	char active_state[32];	  /* "active", "failed", ... */
	char sub_state[32];	  /* "running", "exited", ... */
	char result[32];	  /* service Result: "success", "exit-code", ... */
	char unit_file_state[32]; /* "enabled", "disabled", ... */
	uint32_t main_pid;	  /* 0 = none */
	uint32_t n_restarts;
	uint64_t active_enter_usec; /* CLOCK_REALTIME, 0 = never */
	uint64_t active_enter_mono_usec;
	uint64_t active_exit_mono_usec;
	int32_t exec_main_status; /* exit code or signal of the last main process */
	int32_t exec_main_code;	  /* CLD_EXITED, CLD_KILLED, ... */
	bool need_daemon_reload;
	char kill_mode[32]; /* "control-group", "mixed", "process", ... */
	bool send_sigkill;
};

/* What systemd is at while a job runs. */
enum unit_step {
	UNIT_STEP_WAITING,  /* it has not begun */
	UNIT_STEP_STOPPING, /* what ran before */
	UNIT_STEP_STARTING, /* what was stopped is gone */
};

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
};

#define USEC_PER_SEC 1000000ULL

struct units;	 /* the connection */
struct unit_job; /* one request under way */

typedef void (*unit_done_fn)(void *userdata, const struct unit_outcome *outcome);
/* Every few seconds of a job that takes long; limit_sec: what it may take at most. */
typedef void (*unit_step_fn)(void *userdata, enum unit_step step, uint64_t spent_sec,
			     uint64_t limit_sec);
typedef void (*unit_state_fn)(void *userdata, int error,
			      const struct unit_state *state);

/*
 * address NULL = the system bus. Connecting goes on in the background, with back-off
 * 100 ms .. 10 s; on_connected is called at each (re)connection, may be NULL.
 */
int units_new(uv_loop_t *loop, const char *address,
	      void (*on_connected)(void *userdata), void *userdata,
	      struct units **ret_units)
	__attribute__((warn_unused_result, nonnull(1, 5)));

/* True while connected. */
bool units_connected(const struct units *units) __attribute__((nonnull));

/*
 * Closes asynchronously: running requests end with RESULT_FAILED, on_closed is called
 * when the last handle is closed and units is freed.
 */
void units_close(struct units *units, void (*on_closed)(void *userdata), void *userdata)
	__attribute__((nonnull(1)));

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

/*
 * Asks for a start as soon as what stops has ended, and waits for nothing. Best effort:
 * nothing without a bus.
 */
void units_start_later(struct units *units, const char *unit) __attribute__((nonnull));

/*
 * Forgets that the unit has failed and how often it was started, before whatever is
 * asked of the manager next. Best effort: nothing without a bus.
 */
void units_reset_failed(struct units *units, const char *unit) __attribute__((nonnull));

/* Forgets the request without calling done; a job that runs is left to systemd. */
void unit_op_cancel(struct unit_job *op);

/*
 * Reads the unit's state once; done is called once, with error -ENOTCONN when there is
 * no bus, -ETIMEDOUT after 5 s. A unit that is not there has load_state "not-found",
 * error 0. Cancel: unit_query_cancel.
 */
struct unit_query;
struct unit_query *units_query(struct units *units, const char *unit,
			       unit_state_fn done, void *userdata)
	__attribute__((nonnull(1, 2, 3)));
void unit_query_cancel(struct unit_query *query);

/*
 * Runs journalctl, for what UNIT wrote and PID 1 says of it, in a transient unit of
 * deployd-run.slice whose stdout is output (the path of bus/output.h), for the verb
 * logs and for the last lines of a unit that failed. done is called when it ended.
 * lines 0 = all. It is given up after 10 s with into_memory (the output is a file, and
 * bounded), and after 30 s where it does not start.
 */
struct unit_log;
struct unit_log *units_log(struct units *units, const char *unit, uint64_t lines,
			   bool follow, const char *output, bool into_memory,
			   void (*done)(void *userdata, int error), void *userdata)
	__attribute__((nonnull(1, 2, 5, 7)));

/* Stops the transient unit; done is not called. */
void unit_log_cancel(struct unit_log *log);
