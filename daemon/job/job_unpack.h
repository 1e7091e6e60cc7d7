#pragma once

#include "job/job.h"

/* The step that turns an archive into files: reader, deployd-intake, deployd-unpack. */
/* Ends in job_step_done(). */
void job_unpack(struct job *job) __attribute__((nonnull));

/* The reader has come further with the archive, or has failed. */
void job_archive_changed(struct job *job, const struct archive *archive)
	__attribute__((nonnull));

/* It was begun, and all that it needs of its client is here. */
bool job_has_archive(const struct job *job) __attribute__((nonnull));

/* Ends what is under way of it; the step is done when all of it has ended. */
void job_kill_pipeline(struct job *job) __attribute__((nonnull));
