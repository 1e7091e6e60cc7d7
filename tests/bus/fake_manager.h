#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <uv.h>

#include "bus/busloop.h"

/*
 * A stand-in for org.freedesktop.systemd1 on a private socket, on the test's own loop.
 * It knows one unit, and does with each call for a job what the test told it to.
 */

struct fake_unit {
	const char *load_state, *active_state, *sub_state, *result, *type, *job;
	bool condition_failed, remain_after_exit, need_daemon_reload;
	uint32_t main_pid, n_restarts;
	int32_t exec_main_code, exec_main_status;
	uint64_t inactive_exit, active_enter, active_exit; /* monotonic, us */
	uint64_t inactive_enter;
	uint64_t timeout_stop; /* us; 0 = 90 s */
	unsigned int n_stop_commands;
};

/* What becomes of a call for a job. */
enum fake_plan {
	FAKE_REPLY_FIRST,   /* then JobRemoved */
	FAKE_SIGNAL_FIRST,  /* JobRemoved, then the reply */
	FAKE_NO_END,	    /* replies, and the job runs on */
	FAKE_SILENT,	    /* no reply */
	FAKE_REFUSE,	    /* an error */
	FAKE_BREAK_UNHEARD, /* the connection breaks before anything is done */
	FAKE_BREAK_HEARD,   /* ... after it was done, before the reply */
	FAKE_BREAK_REPLIED, /* ... after the reply, before JobRemoved */
};

struct fake_manager {
	uv_loop_t *loop;
	char address[108];
	int listener_fd;
	uv_poll_t listener;
	sd_bus *bus; /* the connection, one at a time */
	struct busloop busloop;
	unsigned int n_connections;

	struct fake_unit unit;
	struct fake_unit after;	       /* what unit becomes when the job is run */
	const struct fake_unit *later; /* ... at the read after the next, or NULL */
	enum fake_plan plan;
	enum fake_plan next_plan; /* after the first call */
	const char *job_result;	  /* "done" */
	const char *refusal, *refusal_text;
	bool no_install; /* EnableUnitFiles: nothing to install */

	/* Appends "{sv}" to what is read of every unit; may be NULL. */
	void (*more_properties)(sd_bus_message *reply);

	unsigned int n_jobs;
	char job[64]; /* path of the last one */

	/* Everything that was called, in order, each with a blank after it. */
	char calls[1024];
	/* After a call was recorded, before it is handled; may be NULL. */
	void (*on_call)(void *userdata, const char *member);
	void *userdata;

	/* What a transient unit writes, and whether it stays. */
	const char *log_text;
	const char *transient_state; /* ActiveState, where it is not the unit's */
	const char *control_group;   /* of all units, or NULL */
	/* What every *.socket is, or NULL: the same as the unit. */
	const struct fake_unit *socket;
	bool log_stays;
	char log_unit[64];
	bool log_over;
	/* The last one's properties: "Name=", its values with commas, and a newline. */
	char transient_properties[16384];
};

void fake_manager_open(struct fake_manager *fake, uv_loop_t *loop);
/* Closes the connection; the next one is taken. */
void fake_manager_break(struct fake_manager *fake);
void fake_manager_close(struct fake_manager *fake);

/* The transient unit has exited with 0, and PropertiesChanged says so. */
void fake_manager_end_log(struct fake_manager *fake);
/* PropertiesChanged of the transient unit. */
void fake_manager_send_transient_changed(struct fake_manager *fake);
void fake_manager_end_job(struct fake_manager *fake);
/* What systemd sends of a unit that changes. */
void fake_manager_send_changed(struct fake_manager *fake, const char *sub_state,
			       uint64_t inactive_exit);
