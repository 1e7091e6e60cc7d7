#pragma once

#include "job/job.h"

/* The steps that deployd-store carries out; each ends in job_step_done(). */
void job_prepare(struct job *job) __attribute__((nonnull));
void job_seal(struct job *job) __attribute__((nonnull));
void job_switch(struct job *job) __attribute__((nonnull));
void job_revert(struct job *job) __attribute__((nonnull));
void job_finish(struct job *job) __attribute__((nonnull));
void job_discard(struct job *job) __attribute__((nonnull));
void job_mark(struct job *job) __attribute__((nonnull));
void job_record(struct job *job) __attribute__((nonnull));
