#pragma once

#include "job/job.h"

/* The steps that examine what runs; each ends in job_step_done(). */
void job_check(struct job *job) __attribute__((nonnull));
void job_bake(struct job *job) __attribute__((nonnull));
void job_recheck(struct job *job) __attribute__((nonnull));

/* Which releases the app's processes run from: those are not pruned. */
void job_verify(struct job *job) __attribute__((nonnull));
