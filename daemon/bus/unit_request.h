#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <uv.h>

/*
 * Inside of daemon/bus: what all requests to systemd have in common, and the connection
 * as they see it. A request has a deadline and at most one call under way, and hears
 * what becomes of the connection. It ends once, by unit_request_end(), and reports from
 * the close callback of its timer: so `done` is never called from within the function
 * that the caller is still in, and forgetting a request is safe until then.
 */

#define UNITS_DESTINATION "org.freedesktop.systemd1"
#define UNITS_PATH	  "/org/freedesktop/systemd1"
#define UNITS_MANAGER	  "org.freedesktop.systemd1.Manager"

#define UNITS_JOB_PATH_SIZE 64
#define UNITS_JOBS_MAX	    64 /* removed jobs that are remembered */

/*
 * Calls at the same time. The bus allows 128 without a reply, dbus-daemon(1)
 * max_replies_per_connection, and breaks what is beyond.
 */
#define UNITS_CALLS_MAX                                                                \
	32 /* calls to systemd at the same time; others wait their turn */

struct unit_reader;
struct unit_request;

/* NULL where a request does not care. Not called once it has ended, but for end. */
struct unit_request_type {
	bool patient; /* its calls wait until those of all others are sent */
	void (*on_ready)(struct unit_request *request); /* calls can be made (again) */
	/* The call under way, if any, stays without an answer. */
	void (*on_lost)(struct unit_request *request);
	void (*on_deadline)(struct unit_request *request);
	void (*on_job_removed)(struct unit_request *request, const char *job,
			       const char *result);
	void (*on_closing)(struct unit_request *request);
	/* Reports, unless forgotten, and frees the request. */
	void (*end)(struct unit_request *request);
};

struct unit_request {
	const struct unit_request_type *type;
	struct units *units;
	struct unit_request *next;
	uv_timer_t deadline;
	sd_bus_slot *call;	 /* under way */
	sd_bus_message *message; /* waits for its turn to be sent */
	sd_bus_message_handler_t on_reply;
	struct unit_request *next_waiting;
	struct unit_reader *reader; /* whose call it is, NULL = not a reading */
	bool forgotten;
};

struct removed_job {
	char path[UNITS_JOB_PATH_SIZE];
	char result[32];
};

/* units.c makes it and keeps it up to date. */
struct units {
	uv_loop_t *loop;
	sd_bus *bus;
	bool direct;	/* the peer is the manager itself, not a bus */
	char owner[64]; /* unique name of the manager, "" on a direct connection */
	bool ready;	/* subscribed: calls can be made */
	bool closing;
	struct unit_request *requests;
	unsigned int n_calls;	      /* under way */
	struct unit_request *waiting; /* those whose call waits, in order */
	/* Ends of jobs: one may come before the reply that tells the job's path. */
	struct removed_job jobs[UNITS_JOBS_MAX];
	unsigned int next_job;
	/* After each request that has ended: the last one may free the connection. */
	void (*on_request_ended)(struct units *units);
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

/*
 * Sends it in its turn, instead of the call before. Takes over the message, in any
 * case. on_reply gets the request as userdata, and has to drop the call or make another
 * one. No time limit but the request's own deadline.
 */
int unit_request_call(struct unit_request *request, sd_bus_message *message,
		      sd_bus_message_handler_t on_reply)
	__attribute__((warn_unused_result, nonnull));

/* Forgets its call, be it under way or waiting: on_reply is not called (again). */
void unit_request_drop_call(struct unit_request *request) __attribute__((nonnull));

/* A call of a method of any of the manager's objects; -ENOTCONN when not ready. */
int units_new_call_at(struct units *units, const char *path, const char *interface,
		      const char *member, sd_bus_message **ret_message)
	__attribute__((warn_unused_result, nonnull));

/* A call of a method of the manager object, to be filled. */
int units_new_call(struct units *units, const char *member,
		   sd_bus_message **ret_message)
	__attribute__((warn_unused_result, nonnull));

/*
 * A call of a method of the manager object whose answer nobody needs. types and what
 * follows are those of sd_bus_message_append(3). Best effort: nothing without a bus.
 */
void units_send(struct units *units, const char *member, const char *types, ...)
	__attribute__((nonnull(1, 2, 3)));

/* True for errors of the way, not of the manager: the call may have been carried out.
 */
bool units_is_break(const sd_bus_error *error) __attribute__((nonnull));

/*
 * Everybody may send us a signal that names any object; only the sender's unique name,
 * which the bus sets, tells whether it is systemd's.
 */
bool units_is_from_manager(const struct units *units, sd_bus_message *message)
	__attribute__((nonnull));

/* How the job ended; NULL when that is not known (yet). */
const char *units_removed_job(const struct units *units, const char *path)
	__attribute__((nonnull));
