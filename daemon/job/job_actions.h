#pragma once

#include "job/job.h"

/* What each action of the state table means: calls the step that carries it out. */
void job_carry_out(struct job *job, enum job_action action) __attribute__((nonnull));
