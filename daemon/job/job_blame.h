#pragma once

#include "health/health.h"
#include "job/job.h"

/* Whose fault it is that the unit is not up, and what the journal says of that start.
 */

/*
 * The unit is not up, or did not stay so: finds out how, from its state as read last
 * and where need be from the journal, notes it for the release, or while it goes back
 * for the one that it goes back to, and goes on.
 */
void job_examine(struct job *job, bool never_started, void (*go_on)(struct job *job))
	__attribute__((nonnull));

/* The step ends, failed, once the unit's last lines are here or cannot be had. */
void job_fail_with_log(struct job *job) __attribute__((nonnull));
