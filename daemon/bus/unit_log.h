#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/unit_properties.h"
#include "bus/units.h"

/*
 * Runs journalctl, for what UNIT wrote and PID 1 says of it, in a transient unit of
 * deployd-run.slice whose stdout is output (the path of bus/output.h), for the verb
 * logs and for the last lines of a unit that failed. done is called when it ended.
 * lines 0 = all. It is given up after 10 s with into_memory (the output is a file, and
 * bounded), and after 20 s where it does not start; some seconds more where systemd
 * does not answer. NULL only without memory.
 */
struct unit_log;
struct unit_log *units_log(struct units *units, const char *unit, uint64_t lines,
			   bool follow, const char *output, bool into_memory,
			   void (*done)(void *userdata, int error), void *userdata)
	__attribute__((nonnull(1, 2, 5, 7)));

#define UNIT_LOG_STARTS_MAX 2

/* Which starts of a unit its lines are wanted of. */
struct unit_log_starts {
	/* InvocationIDs, "" = none; none at all: only what PID 1 says of the unit. */
	char ids[UNIT_LOG_STARTS_MAX][UNIT_INVOCATION_SIZE];
	uint32_t main_pid;   /* of the last of them, 0: not known */
	uint64_t since_usec; /* CLOCK_REALTIME: nothing of before */
};

/*
 * As units_log() into memory, only of these starts. errors: not as text but as one JSON
 * object a line, and only those of level err and above.
 */
struct unit_log *units_log_of_starts(struct units *units, const char *unit,
				     const struct unit_log_starts *starts,
				     uint64_t lines, bool errors, const char *output,
				     void (*done)(void *userdata, int error),
				     void *userdata)
	__attribute__((nonnull(1, 2, 3, 6, 7)));

/* Stops the transient unit; done is not called. Accepts NULL. */
void unit_log_cancel(struct unit_log *log);
