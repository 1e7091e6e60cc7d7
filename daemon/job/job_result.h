#pragma once

#include "job/job.h"

/* How a job ended: the reply, the error, the history, the evidence. */
/* Settles what a job that had to go back is called in the end, and why. */
void job_settle(struct job *job) __attribute__((nonnull));

/* The wire type Outcome. */
json_t *job_outcome(const struct job *job) __attribute__((warn_unused_result, nonnull));

/* The parameters of the error that a bad end is answered with. */
json_t *job_failure(const struct job *job) __attribute__((warn_unused_result, nonnull));

/* The entry of the history as `history --json` shows it. */
json_t *job_history(struct job *job) __attribute__((warn_unused_result, nonnull));

/* What speaks against a bad release, for its meta file. */
json_t *job_evidence(const struct job *job)
	__attribute__((warn_unused_result, nonnull));

/* How its release is marked: "good" or "bad"; NULL: as it was. */
const char *job_release_mark(const struct job *job) __attribute__((nonnull));

/* What status tells of it until a job succeeds (protocol.h); null when it did not fail.
 */
json_t *job_last_failure(const struct job *job)
	__attribute__((warn_unused_result, nonnull));

/* Why what is live now is not healthy: a JSON string; null when it is. */
json_t *job_unhealthy(const struct job *job)
	__attribute__((warn_unused_result, nonnull));
