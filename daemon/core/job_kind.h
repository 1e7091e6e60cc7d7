#pragma once

#include <stdbool.h>

#include "core/queue.h"

/*
 * The kinds of job, and everything in which they differ, in one table: a new kind is a
 * constant here and a row in job_kind.c. Pure.
 */

enum job_kind {
	JOB_KIND_DEPLOY,
	JOB_KIND_STAGE,
	JOB_KIND_ACTIVATE,
	JOB_KIND_ROLLBACK,
	JOB_KIND_RESTART,
	JOB_KIND_RELOAD,
	JOB_KIND_START,
	JOB_KIND_STOP,
	JOB_KIND_ENABLE,
	JOB_KIND_DISABLE,
	JOB_KIND_FLAG,	  /* the restart that a touch of restart.flag asks for */
	JOB_KIND_CONFIRM, /* what is live stays */
	JOB_KIND_HOLD,
	JOB_KIND_UNHOLD,
	JOB_KIND_MARK_GOOD, /* what somebody says of a release */
	JOB_KIND_MARK_BAD,
	JOB_KIND_PIN, /* it is never pruned */
	JOB_KIND_UNPIN,
	JOB_KIND_RECOVER, /* what a crash of deployd left undone after a switch */
	JOB_KIND_REVERT, /* back to `from`: not confirmed in time, or a crash in between
			  */
	JOB_KIND_COUNT
};

/* What the job does to its unit, in the step of that purpose. */
enum job_unit_step {
	JOB_UNIT_NONE,
	JOB_UNIT_ACTIVATE, /* what activate_method says */
	JOB_UNIT_RECOVER, /* the same after a crash: restart, or start after a reboot */
	JOB_UNIT_RESTART,
	JOB_UNIT_RELOAD,
	JOB_UNIT_START,
	JOB_UNIT_STOP,
	JOB_UNIT_ENABLE,
	JOB_UNIT_DISABLE,
	JOB_UNIT_COUNT
};

/* When one that waits does already what another request asks for. */
enum job_twin {
	JOB_TWIN_NEVER,
	JOB_TWIN_SAME_KIND,
	JOB_TWIN_SAME_RELEASE,
};

/* Whether it answers the question that --confirm asks: the deadline waits for it. */
enum job_answer {
	JOB_ANSWER_NONE,
	JOB_ANSWER_RUNNING, /* while it runs: one that waits will be refused */
	JOB_ANSWER_ALWAYS,
};

struct job_kind_traits {
	const char *name;	/* "deploy" */
	const char *unit_phase; /* what people see while the unit's job runs */
	enum queue_rank rank;
	enum job_unit_step unit;
	enum job_twin twin;
	enum job_answer answers_confirm;
	bool switches;	     /* points current at another release */
	bool about_releases; /* waits until the app's releases are known */
	bool takes_archive;
	bool loads_unit;      /* reads the unit's file with nothing checked before */
	bool examines_health; /* its end says whether what is live is healthy */
	bool of_deployd;      /* begun by deployd itself: nobody's to cancel */
};

const struct job_kind_traits *job_kind(enum job_kind kind);

const char *job_kind_name(enum job_kind kind);
bool job_kind_switches(enum job_kind kind);
