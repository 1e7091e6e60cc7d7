#include "core/job_kind.h"

#include <assert.h>

/* What is not named is "none", "never" or false. */
static const struct job_kind_traits kinds[] = {
	[JOB_KIND_DEPLOY] =
		{
			.name = "deploy",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_DEPLOY,
			.unit = JOB_UNIT_ACTIVATE,
			.answers_confirm = JOB_ANSWER_RUNNING,
			.switches = true,
			.about_releases = true,
			.takes_archive = true,
		},
	[JOB_KIND_STAGE] =
		{
			.name = "stage",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_DEPLOY,
			.about_releases = true,
			.takes_archive = true,
		},
	[JOB_KIND_ACTIVATE] =
		{
			.name = "activate",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_DEPLOY,
			.unit = JOB_UNIT_ACTIVATE,
			.answers_confirm = JOB_ANSWER_RUNNING,
			.switches = true,
			.about_releases = true,
		},
	[JOB_KIND_ROLLBACK] =
		{
			.name = "rollback",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_ROLLBACK,
			.unit = JOB_UNIT_ACTIVATE,
			.twin = JOB_TWIN_SAME_RELEASE,
			.answers_confirm = JOB_ANSWER_ALWAYS,
			.switches = true,
			.about_releases = true,
		},
	[JOB_KIND_RESTART] =
		{
			.name = "restart",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_RESTART,
			.twin = JOB_TWIN_SAME_KIND,
			.loads_unit = true,
			.examines_health = true,
		},
	[JOB_KIND_RELOAD] =
		{
			.name = "reload",
			.unit_phase = "reloading",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_RELOAD,
			.twin = JOB_TWIN_SAME_KIND,
			.loads_unit = true,
		},
	[JOB_KIND_START] =
		{
			.name = "start",
			.unit_phase = "starting",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_START,
			.twin = JOB_TWIN_SAME_KIND,
			.loads_unit = true,
			.examines_health = true,
		},
	[JOB_KIND_STOP] =
		{
			.name = "stop",
			.unit_phase = "stopping",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_STOP,
			.twin = JOB_TWIN_SAME_KIND,
		},
	[JOB_KIND_ENABLE] =
		{
			.name = "enable",
			.unit_phase = "enabling",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_ENABLE,
			.twin = JOB_TWIN_SAME_KIND,
		},
	[JOB_KIND_DISABLE] =
		{
			.name = "disable",
			.unit_phase = "disabling",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_DISABLE,
			.twin = JOB_TWIN_SAME_KIND,
		},
	[JOB_KIND_FLAG] =
		{
			.name = "flag",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.unit = JOB_UNIT_RESTART,
			.loads_unit = true,
			.of_deployd = true,
		},
	[JOB_KIND_CONFIRM] =
		{
			.name = "confirm",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_ROLLBACK,
			.answers_confirm = JOB_ANSWER_ALWAYS,
			.about_releases = true,
		},
	[JOB_KIND_HOLD] =
		{
			.name = "hold",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
		},
	[JOB_KIND_UNHOLD] =
		{
			.name = "unhold",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
		},
	[JOB_KIND_MARK_GOOD] =
		{
			.name = "mark-good",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.about_releases = true,
		},
	[JOB_KIND_MARK_BAD] =
		{
			.name = "mark-bad",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.about_releases = true,
		},
	[JOB_KIND_PIN] =
		{
			.name = "pin",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.about_releases = true,
		},
	[JOB_KIND_UNPIN] =
		{
			.name = "unpin",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_URGENT,
			.about_releases = true,
		},
	[JOB_KIND_RECOVER] =
		{
			.name = "recover",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_OWED,
			.unit = JOB_UNIT_RECOVER,
			.answers_confirm = JOB_ANSWER_ALWAYS,
			.of_deployd = true,
		},
	[JOB_KIND_REVERT] =
		{
			.name = "revert",
			.unit_phase = "restarting",
			.rank = QUEUE_RANK_OWED,
			.answers_confirm = JOB_ANSWER_ALWAYS,
			.of_deployd = true,
		},
};
static_assert(sizeof(kinds) / sizeof(*kinds) == JOB_KIND_COUNT, "every kind has a row");

const struct job_kind_traits *job_kind(enum job_kind kind)
{
	assert(kind < JOB_KIND_COUNT);
	return &kinds[kind];
}

const char *job_kind_name(enum job_kind kind)
{
	return job_kind(kind)->name;
}

bool job_kind_switches(enum job_kind kind)
{
	return job_kind(kind)->switches;
}
