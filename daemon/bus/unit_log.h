#pragma once

#include <stdbool.h>
#include <stdint.h>

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

/*
 * As units_log() into memory, the newest entries since a time (CLOCK_REALTIME), one
 * JSON object a line. main_pid: of a process that was to become the unit's and may be
 * gone; 0 = none. errors: only those of level err and above.
 */
struct unit_log *units_log_since(struct units *units, const char *unit,
				 uint64_t since_usec, uint32_t main_pid, bool errors,
				 const char *output,
				 void (*done)(void *userdata, int error),
				 void *userdata) __attribute__((nonnull(1, 2, 6, 7)));

/* Stops the transient unit; done is not called. Accepts NULL. */
void unit_log_cancel(struct unit_log *log);
