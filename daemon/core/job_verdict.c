#include "core/job_verdict.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "deploy/names.h"

#define REASON_BYTES_MAX 250 /* of the first failure, before what it led to */

static enum deploy_result conclude(struct errinfo *error, enum deploy_result result,
				   const char *conclusion, const char *detail)
{
	char reason[REASON_BYTES_MAX + 1];

	(void)snprintf(reason, sizeof(reason), "%s", error->what);
	error->result = result;
	(void)snprintf(error->what, sizeof(error->what), "%s; %s%s",
		       names_trim_utf8(reason), conclusion, detail);
	(void)names_trim_utf8(error->what);
	return result;
}

static const struct failure *back_failure(const struct job_end *end)
{
	return end->back_failed ? &end->back_failure : NULL;
}

bool job_verdict_is_bad(const struct job_end *end)
{
	return end->release_failed &&
	       blame_is_release(&end->failure, back_failure(end));
}

/* The unit failed, and no release is the cause. */
static bool is_nobodys_fault(const struct job_end *end)
{
	return end->release_failed &&
	       !blame_is_release(&end->failure, back_failure(end));
}

/* The one gone back to ran, and failed by itself: that is not the machine any more. */
static bool back_is_worse(const struct job_end *end)
{
	return end->back_failed && !blame_is_alike(&end->failure, &end->back_failure);
}

static enum deploy_result unblamed(const struct job_end *end, struct errinfo *error)
{
	const struct job_machine *machine = end->machine;
	char again[160];

	(void)snprintf(again, sizeof(again),
		       "no release is at fault, and %s is live again", end->back);
	if (machine->fallback == JOB_FALLBACK_STOP)
		return conclude(error, RESULT_MACHINE,
				"no release is at fault; the unit ",
				*end->revert_error ? end->revert_error : "was stopped");
	if (machine->reverted && machine->restored)
		return conclude(error, RESULT_MACHINE, again, "");
	(void)snprintf(
		again, sizeof(again),
		"no release is at fault; %s is current again, but does not start "
		"either: ",
		end->back);
	return conclude(error, RESULT_MACHINE, again, end->revert_error);
}

enum deploy_result job_verdict(const struct job_end *end, struct errinfo *error)
{
	const struct job_machine *machine = end->machine;
	char back[96];

	if (!machine->failed || !machine->switched || end->result == RESULT_OK ||
	    machine->fallback == JOB_FALLBACK_NONE)
		return end->result;
	if (end->stop_failed)
		return conclude(
			error, RESULT_MACHINE, "nothing new was started",
			machine->reverted
				? "; what was live before is current again, and "
				  "systemd starts it when that process is gone"
				: "");
	if (is_nobodys_fault(end) && !back_is_worse(end))
		return unblamed(end, error);
	if (machine->fallback == JOB_FALLBACK_STOP)
		return conclude(error, RESULT_ROLLBACK_FAILED,
				"there is no earlier release to go back to, so the "
				"unit ",
				*end->revert_error ? end->revert_error : "was stopped");
	if (machine->reverted && machine->restored)
		return conclude(error, RESULT_ROLLED_BACK, "rolled back to ",
				end->back);
	/* Said once is enough to see that it may not be the release. */
	if (strcmp(error->what, end->revert_error) == 0) {
		(void)snprintf(back, sizeof(back),
			       "the rollback to %s failed in the same way", end->back);
		return conclude(error, RESULT_ROLLBACK_FAILED, back, "");
	}
	(void)snprintf(back, sizeof(back),
		       "and the rollback to %s failed: ", end->back);
	return conclude(error, RESULT_ROLLBACK_FAILED, back, end->revert_error);
}

enum job_mark job_verdict_mark(const struct job_end *end)
{
	/* One that awaits its confirmation is good when that has come. */
	if (end->result == RESULT_OK)
		return end->awaits_confirm ? JOB_MARK_NONE : JOB_MARK_GOOD;
	return job_verdict_is_bad(end) ? JOB_MARK_BAD : JOB_MARK_NONE;
}

bool job_verdict_drift_fails(enum require_verified require, bool started_anew)
{
	switch (require) {
	case REQUIRE_VERIFIED_AUTO:
		break;
	case REQUIRE_VERIFIED_YES:
		return true;
	case REQUIRE_VERIFIED_NO:
		return false;
	}
	return started_anew;
}

const char *job_mark_name(enum job_mark mark)
{
	static const char *const names[] = {
		[JOB_MARK_NONE] = NULL,
		[JOB_MARK_GOOD] = "good",
		[JOB_MARK_BAD] = "bad",
	};
	static_assert(sizeof(names) / sizeof(*names) == JOB_MARK_COUNT,
		      "every mark has a name");

	assert(mark < JOB_MARK_COUNT);
	return names[mark];
}
