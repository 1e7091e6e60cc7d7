#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/unit_job.h"
#include "bus/unit_properties.h"

/*
 * Which of its own steps systemd is at while one of our jobs runs, and until when it
 * may take: stopping what ran before and starting what comes are timed apart. Pure; all
 * times are CLOCK_MONOTONIC in microseconds, as systemd's timestamps are.
 */

struct unit_steps {
	bool stops;	      /* what is up has to be stopped first */
	uint64_t called_usec; /* when the job was asked for */
	uint64_t stop_limit_usec, start_limit_usec;
	enum unit_step step;
	uint64_t since_usec; /* when the step began */
	uint64_t due_usec;   /* when it has taken too long */
	uint64_t shown_usec; /* what people are told that it may take at most */
	bool stopped;	     /* there was a stop, and it is over */
	uint64_t stop_usec;  /* how long it took */
	bool overdue;	     /* it took longer than TimeoutStopSec= */
	bool killed;	     /* SIGKILL was needed, systemd's or ours */
	bool stop_forced;    /* ours, once */
	bool started;	     /* a new start began */
};

void unit_steps_begin(struct unit_steps *steps, bool stops, uint64_t stop_limit_usec,
		      uint64_t start_limit_usec, uint64_t now_usec)
	__attribute__((nonnull));

/* Takes what was read of the unit at now_usec. */
void unit_steps_take(struct unit_steps *steps, const struct unit_properties *now,
		     uint64_t now_usec) __attribute__((nonnull));

/*
 * A signal said so. It may be the only trace that systemd had to kill: a process that
 * is killed is gone before it can be read, and the next start clears the unit's Result.
 */
void unit_steps_hear(struct unit_steps *steps, const char *sub_state,
		     uint64_t inactive_exit_usec) __attribute__((nonnull));

/* We have sent SIGKILL: it has until then. */
void unit_steps_kill(struct unit_steps *steps, uint64_t due_usec)
	__attribute__((nonnull));
