#pragma once

#include "job/job.h"

/* The steps that the service manager carries out; each ends in job_step_done(). */
void job_restart(struct job *job) __attribute__((nonnull));
void job_restore(struct job *job) __attribute__((nonnull));
void job_stop_unit(struct job *job) __attribute__((nonnull));
