#pragma once

#include <stdbool.h>

#include "core/blame.h"
#include "core/job_machine.h"
#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/* What a job that has ended is called, and what that means for its release. Pure. */

struct job_end {
	const struct job_machine *machine;
	enum deploy_result result; /* of the first failure; RESULT_OK: none */
	bool stop_failed;	   /* the old process did not end: nobody's release */
	bool release_failed;	   /* the unit did not come up, or did not stay so */
	struct failure failure;	   /* how */
	bool back_failed;	   /* nor with the one that was gone back to */
	struct failure back_failure;
	bool awaits_confirm;
	const char *back;	  /* what was gone back to */
	const char *revert_error; /* why that is not up either; "": it is, or was not
				     tried */
};

/*
 * The result of a job that switched and failed: it went back, or could not, or stays.
 * *error has the first failure and gets what it led to behind it, because the first is
 * what has to be fixed. Other jobs keep their result.
 */
enum deploy_result job_verdict(const struct job_end *end, struct errinfo *error)
	__attribute__((nonnull));

/* The release of a job that failed is bad. */
bool job_verdict_is_bad(const struct job_end *end) __attribute__((nonnull));

enum job_mark {
	JOB_MARK_NONE,
	JOB_MARK_GOOD,
	JOB_MARK_BAD,
	JOB_MARK_COUNT
};

/* What its release is marked as, when a job that switched ends. */
enum job_mark job_verdict_mark(const struct job_end *end) __attribute__((nonnull));

/*
 * Whether a process that runs from another release fails the job. started_anew: systemd
 * has ended every earlier process of the unit and started new ones.
 */
bool job_verdict_drift_fails(enum require_verified require, bool started_anew);

/* NULL for none; "good", "bad". */
const char *job_mark_name(enum job_mark mark);
