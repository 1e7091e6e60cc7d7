#pragma once

#include <systemd/sd-bus.h>
#include <uv.h>

#include "bus/busloop.h"
#include "bus/units.h"

/*
 * Inside of units*.c: what the requests to systemd have in common. A request has a
 * deadline and at most one call under way, and hears what becomes of the connection. It
 * ends once, by unit_request_end(), and reports from the close callback of its timer:
 * so `done` is never called from within the function that the caller is still in, and
 * forgetting a request is safe until then.
 */

#define UNITS_DESTINATION "org.freedesktop.systemd1"
#define UNITS_PATH	  "/org/freedesktop/systemd1"
#define UNITS_MANAGER	  "org.freedesktop.systemd1.Manager"

#define UNITS_JOB_PATH_SIZE 64
#define UNITS_JOBS_MAX	    64 /* removed jobs that are remembered */

struct unit_request;
struct unit_reader;

/* NULL where a request does not care. Not called once it has ended, but for end. */
struct unit_request_type {
	void (*on_ready)(struct unit_request *request); /* calls can be made (again) */
	/* The call under way, if any, stays without an answer. */
	void (*on_lost)(struct unit_request *request);
	void (*on_deadline)(struct unit_request *request);
	void (*on_job_removed)(struct unit_request *request, const char *job,
			       const char *result);
	void (*on_unit_removed)(struct unit_request *request, const char *unit);
	void (*on_closing)(struct unit_request *request);
	/* Reports, unless forgotten, and frees the request. */
	void (*end)(struct unit_request *request);
};

struct unit_request {
	const struct unit_request_type *type;
	struct units *units;
	struct unit_request *next;
	uv_timer_t deadline;
	sd_bus_slot *call;
	struct unit_reader *reader; /* whose call it is, NULL = not a reading */
	bool forgotten;
};

struct removed_job {
	char path[UNITS_JOB_PATH_SIZE];
	char result[32];
};

struct units {
	uv_loop_t *loop;
	char *address; /* NULL = the system bus */
	sd_bus *bus;
	struct busloop busloop;
	char owner[64]; /* unique name of the manager, "" on a direct connection */
	sd_bus_slot *handshake;
	uv_timer_t retry;
	bool retry_closed;
	uint64_t backoff_ms;
	bool ready;	/* subscribed: calls can be made */
	bool told_lost; /* one entry in the journal for each break */
	bool closing;
	struct unit_request *requests;
	/* Ends of jobs: one may come before the reply that tells the job's path. */
	struct removed_job jobs[UNITS_JOBS_MAX];
	unsigned int next_job;
	void (*on_connected)(void *userdata);
	void *userdata;
	void (*on_closed)(void *userdata);
	void *closed_userdata;
};

/* Puts the request on the list; timeout_ms 0 = no deadline. Never fails. */
void unit_request_init(struct unit_request *request,
		       const struct unit_request_type *type, struct units *units,
		       uint64_t timeout_ms) __attribute__((nonnull));

/* A new deadline, from now. */
void unit_request_set_deadline(struct unit_request *request, uint64_t timeout_ms)
	__attribute__((nonnull));

/* type->end follows. Idempotent. */
void unit_request_end(struct unit_request *request) __attribute__((nonnull));
bool unit_request_ended(const struct unit_request *request) __attribute__((nonnull));

/* Ends it without a report. */
void unit_request_forget(struct unit_request *request) __attribute__((nonnull));

/* A call of a method of any of the manager's objects; -ENOTCONN when not ready. */
int units_new_call_at(struct units *units, const char *path, const char *interface,
		      const char *member, sd_bus_message **ret_message)
	__attribute__((warn_unused_result, nonnull));

/* A call of a method of the manager object, to be filled. */
int units_new_call(struct units *units, const char *member,
		   sd_bus_message **ret_message)
	__attribute__((warn_unused_result, nonnull));

/*
 * Sends it, instead of the call before. Takes over the message, in any case. on_reply
 * gets the request as userdata. No time limit but the request's own deadline.
 */
int unit_request_call(struct unit_request *request, sd_bus_message *message,
		      sd_bus_message_handler_t on_reply)
	__attribute__((warn_unused_result, nonnull));

/* Sends it without wanting an answer. Takes over the message. */
void units_send(struct units *units, sd_bus_message *message) __attribute__((nonnull));

/* True for errors of the way, not of the manager: the call may have been carried out.
 */
bool units_is_break(const sd_bus_error *error) __attribute__((nonnull));

/*
 * Greets the manager anew, after a break that the connection itself has survived, as
 * when systemd re-executes: every request is told on_lost, then on_ready.
 */
void units_resync(struct units *units) __attribute__((nonnull));

/* How the job ended; NULL when that is not known (yet). */
const char *units_removed_job(const struct units *units, const char *path)
	__attribute__((nonnull));

/* What is read of a unit, beside what others see of it. */
struct unit_properties {
	struct unit_state state;
	char service_type[32]; /* "notify", "oneshot", ...; "" when it is no service */
	bool remain_after_exit;
	bool condition_result;
	char job[UNITS_JOB_PATH_SIZE];	  /* the pending job's path, "" = none */
	uint64_t inactive_exit_mono_usec; /* start began */
	uint64_t inactive_enter_mono_usec;
	uint64_t timeout_stop_usec; /* of each step of a stop; UINT64_MAX = infinity */
	unsigned int n_stop_commands; /* of ExecStop= and ExecStopPost= */
};

/* Reads a unit's properties for a request, as the request's call. */
struct unit_reader {
	struct unit_request *request;
	struct unit_properties properties;
	/* error: negative errno; -ENOTCONN after a break. */
	void (*done)(struct unit_reader *reader, int error);
};

/* reader outlives the request's call. done follows, never from within. */

int unit_reader_start(struct unit_reader *reader, struct unit_request *request,
		      const char *unit,
		      void (*done)(struct unit_reader *reader, int error))
	__attribute__((warn_unused_result, nonnull));

/* --- unit_verdict.c: what came of it ------------------------------------------ */

/* The unit is now as the action was to make it. */
bool unit_verdict_wanted(enum unit_action action, const struct unit_properties *now)
	__attribute__((nonnull));

/* A start of it began since. */
bool unit_verdict_started(const struct unit_properties *before,
			  const struct unit_properties *now) __attribute__((nonnull));

/*
 * The unit itself shows that the action was carried out, whoever did it: for a job
 * whose end nobody heard.
 */
bool unit_verdict_verified(enum unit_action action,
			   const struct unit_properties *before,
			   const struct unit_properties *now) __attribute__((nonnull));

/* It is active, but only the lapse of time tells whether it came up. */
bool unit_verdict_settles(enum unit_action action, const struct unit_properties *now)
	__attribute__((nonnull));

/* Puts start-limit-hit where systemd still shows the failure before it. */
void unit_verdict_start_limit(enum unit_action action, const char *job_result,
			      const struct unit_properties *before,
			      struct unit_properties *now) __attribute__((nonnull));

/* Between the last end of "active" and its new begin, if there was one. */
void unit_verdict_gap(enum unit_action action, const struct unit_properties *before,
		      const struct unit_properties *now, struct unit_outcome *outcome)
	__attribute__((nonnull));

/* --- unit_words.c: what came of it, in words ---------------------------------- */

/* "restart" and "restarted". */
const char *unit_words_verb(enum unit_action action);
const char *unit_words_past(enum unit_action action);

/* The call never came to a reply: error is what kept it. */
void unit_words_no_call(enum unit_action action, const char *unit, int error,
			struct unit_outcome *outcome) __attribute__((nonnull));

/* Why the manager refused the call. */
void unit_words_refused(enum unit_action action, const char *unit,
			const sd_bus_error *error, struct unit_outcome *outcome)
	__attribute__((nonnull));

/*
 * Why the unit is not what was asked for, though its job ended with job_result (NULL:
 * the job is gone, and nobody heard how it ended).
 */
void unit_words_failed(enum unit_action action, const char *unit,
		       const char *job_result, const struct unit_properties *properties,
		       struct unit_outcome *outcome) __attribute__((nonnull(2, 4, 5)));

/* There is nothing that enabling it could do. */
void unit_words_no_install(const char *unit, struct unit_outcome *outcome)
	__attribute__((nonnull));

/*
 * The step took too long, for sec. While it waits or stops, nothing is said against
 * what was to be started.
 */
void unit_words_step_late(enum unit_action action, const char *unit,
			  enum unit_step step, uint64_t sec,
			  struct unit_outcome *outcome) __attribute__((nonnull));

/* The deadline passed; connected and begun say how far it came. */
void unit_words_late(enum unit_action action, const char *unit, uint64_t timeout_ms,
		     bool connected, bool begun, struct unit_outcome *outcome)
	__attribute__((nonnull));
