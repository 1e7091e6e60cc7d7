#include "job/job_actions.h"

#include "job/job_health.h"
#include "job/job_preflight.h"
#include "job/job_store.h"
#include "job/job_unit.h"
#include "job/job_unpack.h"

static void kill_step(struct job *job)
{
	if (job->machine.state == JOB_STATE_UNPACKING)
		job_kill_pipeline(job);
	else if (job->machine.state == JOB_STATE_PREFLIGHT)
		job_preflight_kill(job);
	else
		store_call_kill(&job->store);
}

void job_carry_out(struct job *job, enum job_action action)
{
	const struct job_observer *observer = &job->context->observer;

	switch (action) {
	case JOB_ACTION_PREPARE:
		job_prepare(job);
		break;
	case JOB_ACTION_UNPACK:
		job_unpack(job);
		break;
	case JOB_ACTION_SEAL:
		job_seal(job);
		break;
	case JOB_ACTION_PREFLIGHT:
		job_preflight(job);
		break;
	case JOB_ACTION_SWITCH:
		job_switch(job);
		break;
	case JOB_ACTION_RESTART:
		observer->unit_begins(observer->userdata, job);
		job_restart(job);
		break;
	case JOB_ACTION_CHECK:
		job_check(job);
		break;
	case JOB_ACTION_BAKE:
		job_bake(job);
		break;
	case JOB_ACTION_REVERT:
		job_revert(job);
		break;
	case JOB_ACTION_RESTORE:
		job_restore(job);
		break;
	case JOB_ACTION_RECHECK:
		job_recheck(job);
		break;
	case JOB_ACTION_STOP:
		job_stop_unit(job);
		break;
	case JOB_ACTION_VERIFY:
		job_verify(job);
		break;
	case JOB_ACTION_FINISH:
		job_finish(job);
		break;
	case JOB_ACTION_MARK:
		job_mark(job);
		break;
	case JOB_ACTION_DISCARD:
		job_discard(job);
		break;
	case JOB_ACTION_RECORD:
		job_record(job);
		break;
	case JOB_ACTION_KILL:
		kill_step(job);
		break;
	case JOB_ACTION_REPLY: /* the job is over, job.c */
	case JOB_ACTION_NONE:
	case JOB_ACTION_COUNT:
		break;
	}
}
