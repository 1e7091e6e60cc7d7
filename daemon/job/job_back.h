#pragma once

#include "job/job.h"

/* Which release an automatic rollback goes to. */

/*
 * Right after the switch: sets what is done should the release fail, and the release to
 * go back to.
 */
void job_choose_back(struct job *job) __attribute__((nonnull));

/*
 * The one that was gone back to is not up either, and job_examine() has found out how:
 * chooses the next where there is one; the step has failed.
 */
void job_back_failed(struct job *job) __attribute__((nonnull));
