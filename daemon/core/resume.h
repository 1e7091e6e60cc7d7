#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/app_view.h"
#include "core/blame.h"
#include "core/job_machine.h"
#include "core/replay.h"
#include "deploy/errinfo.h"

/*
 * What is owed to an app without anybody's asking: the end of a switch that a crash
 * interrupted, and the way back from a release that nobody confirmed. Pure.
 */

#define WAY_BACK_MAX 3 /* releases that are gone back to in turn */

/*
 * From which release an automatic rollback goes back, and why: on the disk before the
 * link is changed. The switch alone does not tell it: on a second way back that is from
 * the release that was tried first, which nobody has blamed.
 */
struct way_back {
	char release[RELEASE_ID_SIZE];		   /* that failed; "": not known */
	char live[RELEASE_ID_SIZE];		   /* when the job began */
	char tried[WAY_BACK_MAX][RELEASE_ID_SIZE]; /* that are not up either */
	size_t n_tried;
	bool release_failed; /* how, in failure */
	struct failure failure;
	bool stop_failed; /* the old process did not end */
	char reason[sizeof(((struct errinfo *)NULL)->what)];
};

/* The switch that deployd-store found begun, and not recorded as ended. */
struct pending_switch {
	bool is_revert; /* an automatic rollback */
	bool same_boot; /* processes of before the crash may still run */
	char to[RELEASE_ID_SIZE];
	char from[RELEASE_ID_SIZE];	    /* "": there was none */
	char job[32];			    /* its id, which goes on; "": not known */
	char key[REPLAY_KEY_BYTES_MAX + 1]; /* "": none was given */
	struct person by;
	int64_t confirm_deadline_sec; /* 0: it needs no confirmation */
	struct way_back way_back;     /* is_revert */
};

struct resume_plan {
	enum job_kind kind;	      /* recover or revert */
	const char *release;	      /* that the job is about */
	const char *back;	      /* what it goes back to; NULL: there is none */
	const char *live;	      /* before the switch; NULL: there was none */
	enum job_fallback fallback;   /* when the release turns out to have failed */
	int64_t confirm_deadline_sec; /* 0: none */
};

/*
 * A switch that was made is checked to its end as if deployd had not died; a rollback
 * that was begun is finished, never turned round. Borrows from pending. False: pending
 * names no release to go to.
 */
bool resume_plan(const struct pending_switch *pending, bool auto_rollback,
		 struct resume_plan *ret_plan)
	__attribute__((warn_unused_result, nonnull));

/*
 * Whether a job of this kind answers the question that --confirm asks, so that the
 * deadline waits for it: it confirms, it goes back, or it is the deploy itself.
 */
bool resume_answers_confirm(enum job_kind kind, bool is_running);

/*
 * Seconds until the deadline, by clocks that anybody may have set: never more than
 * there were at the switch (activated_sec, 0: not known). 0: it is due.
 */
int64_t resume_confirm_left_sec(int64_t deadline_sec, int64_t activated_sec,
				int64_t now_sec);
