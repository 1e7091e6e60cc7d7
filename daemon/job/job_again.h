#pragma once

#include "core/content.h"
#include "job/job.h"

/* The same request once more, or the same archive. */

/* What a release made of the archive would hold. Borrows both. */
struct content job_content(const struct job *job, const char *sha256)
	__attribute__((nonnull(1)));

/*
 * Finds out whether the request was carried out before (core/replay.h), and ends the
 * job with that result if so; else calls go_on. In state preparing.
 */
void job_unless_answered(struct job *job, void (*go_on)(struct job *job))
	__attribute__((nonnull));

/*
 * Ends the job if the archive is what is live and healthy, else calls go_on. sha256
 * NULL: it is not known yet.
 */
void job_unless_live(struct job *job, const char *sha256,
		     void (*go_on)(struct job *job)) __attribute__((nonnull(1, 3)));
