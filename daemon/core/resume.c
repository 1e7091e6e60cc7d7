#include "core/resume.h"

bool resume_plan(const struct pending_switch *pending, bool auto_rollback,
		 struct resume_plan *ret_plan)
{
	const char *to = *pending->to ? pending->to : NULL;
	const char *from = *pending->from ? pending->from : NULL;
	struct resume_plan plan = {
		.kind = JOB_KIND_RECOVER,
		.release = to,
		.back = from,
		.live = from,
		.fallback = from ? JOB_FALLBACK_BACK : JOB_FALLBACK_STOP,
		.confirm_deadline_sec = pending->confirm_deadline_sec};

	if (!to || (pending->is_revert && !from))
		return false;
	if (pending->is_revert) {
		const struct way_back *way = &pending->way_back;

		plan.kind = JOB_KIND_REVERT;
		plan.release = *way->release ? way->release : from;
		plan.back = to;
		plan.live = *way->live ? way->live : to;
		plan.fallback = JOB_FALLBACK_BACK;
		plan.confirm_deadline_sec = 0;
	} else if (!auto_rollback) {
		plan.fallback = JOB_FALLBACK_NONE;
	}
	*ret_plan = plan;
	return true;
}

bool resume_answers_confirm(enum job_kind kind, bool is_running)
{
	switch (job_kind(kind)->answers_confirm) {
	case JOB_ANSWER_RUNNING:
		return is_running;
	case JOB_ANSWER_ALWAYS:
		return true;
	case JOB_ANSWER_NONE:
		break;
	}
	return false;
}

int64_t resume_confirm_left_sec(int64_t deadline_sec, int64_t activated_sec,
				int64_t now_sec)
{
	int64_t left = deadline_sec - now_sec;

	if (activated_sec > 0 && activated_sec < deadline_sec &&
	    left > deadline_sec - activated_sec)
		left = deadline_sec - activated_sec;
	return left > 0 ? left : 0;
}
