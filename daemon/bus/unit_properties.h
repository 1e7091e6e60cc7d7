#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "bus/unit_request.h"
#include "bus/units.h"

/*
 * The properties of a unit, all of one moment, as org.freedesktop.systemd1(5) has them.
 * units_query() is for everyone; what follows it is for the requests of daemon/bus.
 */

#define UNIT_INVOCATION_SIZE 33 /* 32 hex digits */

/* A unit's properties as read in one go; strings are never NULL-terminated short. */
struct unit_state {
	char load_state[32];	  /* "loaded", "not-found", "masked", ... */
	char active_state[32];	  /* "active", "failed", ... */
	char sub_state[32];	  /* "running", "exited", ... */
	char result[32];	  /* service Result: "success", "exit-code", ... */
	char unit_file_state[32]; /* "enabled", "disabled", ... */
	uint32_t main_pid;	  /* 0 = none */
	uint32_t exec_main_pid;	  /* of the last main process, 0 = none */
	uint32_t n_restarts;
	uint64_t active_enter_usec; /* CLOCK_REALTIME, 0 = never */
	uint64_t active_enter_mono_usec;
	uint64_t active_exit_mono_usec;
	int32_t exec_main_status; /* exit code or signal of the last main process */
	int32_t exec_main_code;	  /* CLD_EXITED, CLD_KILLED, ... */
	bool need_daemon_reload;
	/* Nothing is wrong where it does not run: a oneshot, or a socket, timer or path
	 * starts it. */
	bool may_rest;
	char kill_mode[32]; /* "control-group", "mixed", "process", ... */
	bool send_sigkill;
	uint64_t memory_max;			  /* UINT64_MAX: no limit */
	char invocation_id[UNIT_INVOCATION_SIZE]; /* of the last start, "" = none */
	char working_dir[1024];			  /* as written, so maybe with a "!" */
	char control_group[1024]; /* below /sys/fs/cgroup, "" = has none now */
};

typedef void (*unit_state_fn)(void *userdata, int error,
			      const struct unit_state *state);

/*
 * Reads the unit's state once; done is called once, with error -ENOTCONN when there is
 * no bus, -ETIMEDOUT after 5 s. A unit that is not there has load_state "not-found",
 * error 0. NULL only without memory. Cancel: unit_query_cancel.
 */
struct unit_query;
struct unit_query *units_query(struct units *units, const char *unit,
			       unit_state_fn done, void *userdata)
	__attribute__((nonnull(1, 2, 3)));

/* The same, for one of many that nobody waits for alone: all other calls go first. */
struct unit_query *units_query_patiently(struct units *units, const char *unit,
					 unit_state_fn done, void *userdata)
	__attribute__((nonnull(1, 2, 3)));

/* done is not called. Accepts NULL. */
void unit_query_cancel(struct unit_query *query);

/* --- for requests: what is read of a unit, beside what others see of it ---------- */

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

/* --- for requests that want others of them ---------------------------------------- */

/* Reads or skips the value, a variant. */
typedef int (*unit_property_fn)(const char *name, sd_bus_message *value,
				void *userdata);

/*
 * Asks for all of them as the request's call; a unit that is not loaded is loaded by
 * systemd for that. Negative errno: nothing was sent.
 */
int unit_properties_call(struct unit_request *request, const char *unit,
			 sd_bus_message_handler_t on_reply)
	__attribute__((warn_unused_result, nonnull));

/*
 * For on_reply: calls take for each property. -ENOTCONN for the error that a break ends
 * in, other negative errno for any other, also that of take.
 */
int unit_properties_each(sd_bus_message *reply, unit_property_fn take, void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 2)));

/* Reads a string; -ENOBUFS when it is longer than the room for it. */
int unit_properties_text(sd_bus_message *value, char *ret_text, size_t size)
	__attribute__((warn_unused_result, nonnull));

/*
 * Calls handler for PropertiesChanged of the unit until ret_slot is released; it has to
 * ask units_is_from_manager() first. on_installed hears whether the bus agreed.
 */
int unit_properties_match(struct units *units, const char *unit,
			  sd_bus_message_handler_t handler,
			  sd_bus_message_handler_t on_installed, void *userdata,
			  sd_bus_slot **ret_slot)
	__attribute__((warn_unused_result, nonnull));

/* For handler: the properties that the signal brings with it. */
int unit_properties_each_changed(sd_bus_message *signal, unit_property_fn take,
				 void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 2)));
