#pragma once

#include "job/job.h"

/*
 * Before the switch: settles the target, and refuses a release with which the unit is
 * known not to start; --force goes on all the same. Ends in job_step_done().
 */
void job_preflight(struct job *job) __attribute__((nonnull));

/* Ends the step at once, failed, where it examines the release. */
void job_preflight_kill(struct job *job) __attribute__((nonnull));
