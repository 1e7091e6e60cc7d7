#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/child.h"
#include "base/store_call.h"
#include "bus/output.h"
#include "bus/unit_job.h"
#include "bus/unit_log.h"
#include "core/blame.h"
#include "core/job_machine.h"
#include "core/resume.h"
#include "core/verification.h"
#include "deploy/errinfo.h"
#include "deploy/limits.h"
#include "deploy/names.h"
#include "job/app.h"
#include "job/archive.h"

/* releases_dir/.staging/ID; names_release_valid() ids are shorter. */
#define JOB_STAGING_SIZE (APP_DIR_MAX + sizeof("/.staging/") + RELEASE_ID_SIZE)

/*
 * One job under way: carries out what the state table (core/job_machine.h) asks for,
 * with the helper programs and the unit's jobs, and tells who watches. It outlives the
 * session that asked for it.
 */

#define JOB_ID_SIZE	 17 /* 16 hex digits: random, not to be guessed */
#define JOB_WATCHERS_MAX 16
#define JOB_LOG_LINES	 20
#define BAKE_SLACK_MSEC	 10000u /* for the bus, beyond bake_sec */

struct config_set;
struct job;

/*
 * Who is told of jobs. watcher: a number that is never reused, of whoever started the
 * job or follows it; it may have gone.
 */
struct job_observer {
	void *userdata;
	bool (*is_there)(void *userdata, uint64_t watcher);
	/* There is news for those who watch the job. */
	void (*progress)(void *userdata, const struct job *job);
	/* It is about to act on its unit. */
	void (*unit_begins)(void *userdata, const struct job *job);
	/*
	 * It has ended and is on no list any more, but not freed yet. reply: the
	 * parameters of its last reply, as manager_find_finished() keeps them.
	 */
	void (*ended)(void *userdata, const struct job *job, json_t *reply);
	/* The last job has ended, and no app is being recovered. */
	void (*idle)(void *userdata);
};

/* What every job needs, the same for all of them. */
struct job_context {
	uv_loop_t *loop;
	struct units *units;
	struct job_observer observer;
	struct archive_readers archives;
	void *archives_userdata;
	/* Does what the state table asks for; ends in job_step_done(). */
	void (*carry_out)(struct job *job, enum job_action action);
	/* The job is over: takes it off every list and frees it. */
	void (*over)(struct job *job);
};

/* What the client asked for; strings may be NULL. */
struct job_request {
	enum job_kind kind;
	const char *id;	     /* of a job that goes on after a crash; NULL = a new one */
	const char *release; /* activate, rollback: the target */
	const char *sha256;
	const char *version;
	const char *revision;
	const char *message;
	const char *if_current;	 /* "" = none must be current */
	uint64_t archive_reader; /* 0: there is no archive */
	const char *key;	 /* of a request that may come again; NULL: none */
	bool force;		 /* a release known to be bad is taken all the same */
	bool redeploy;		 /* what is live already is deployed all the same */
	int strip_components;	 /* -1: as the app's file has it */
	uint64_t confirm_sec; /* goes back unless confirmed by then; 0 = no need to */
	int64_t until_sec;    /* hold: CLOCK_REALTIME, 0 = for good */
	uid_t uid;
	uid_t owner; /* the user who answers for uid (subuid(5)); 0 = uid itself */
	const char *user;
};

#define JOB_WARNING_BYTES 400 /* as unpack/omission.h has it */

struct job {
	struct job *next; /* manager's list */
	const struct job_context *context;
	struct app *app;
	struct config_set *config;	   /* as it was when the request was allowed */
	const struct app_config *settings; /* of the app, in config */
	struct job_machine machine;
	char id[JOB_ID_SIZE];
	uid_t uid;
	uid_t owner; /* whose share of the places it takes */
	char user[PERSON_NAME_SIZE];
	char target[RELEASE_ID_SIZE]; /* the release it is about, "" = not known yet */
	char from[RELEASE_ID_SIZE];   /* what was current before the switch */
	char back[RELEASE_ID_SIZE];   /* what is gone back to; `from` in most cases */
	char tried[WAY_BACK_MAX][RELEASE_ID_SIZE]; /* those that are not up either */
	size_t n_tried;
	char *sha256, *version, *revision, *message, *if_current, *key;
	uint64_t archive_reader; /* 0: there is no archive, or it is done with */
	struct archive archive;	 /* as its reader said last, which may have gone */
	int staging_fd; /* open since before the first write: syncfs(2) tells of all */
	char *layout; /* how its archive is unpacked, core/content.h; NULL: as it is */
	uint64_t strip_components;
	bool force, redeploy;
	bool unchanged;		   /* what it was to do was done already */
	char repeats[JOB_ID_SIZE]; /* the job whose result is its own; "" = none */
	json_t *answer;		   /* that job's history entry; NULL; owned */
	uint64_t confirm_sec;
	int64_t confirm_deadline_sec; /* CLOCK_REALTIME; 0 = none */
	int64_t until_sec;
	char staging[JOB_STAGING_SIZE];

	struct store_call store;
	struct child intake, unpack;
	unsigned int pipeline_left; /* of intake and unpack, those still running */
	bool archive_awaited;	    /* both are done, the session has not said so */
	char actual_sha256[65];
	uint64_t archive_bytes;
	struct unit_job *unit_job;
	enum unit_action action; /* the job to come, and who hears of it */
	unit_done_fn job_done;
	struct unit_query *unit_query;
	void (*with_unit)(struct job *job);  /* goes on after unit_query */
	void (*if_up)(struct job *job);	     /* the same, when the unit runs */
	void (*unanswered)(struct job *job); /* goes on after a lookup */
	bool unit_runs;			     /* as unit_query had it */
	bool reread;			     /* systemd has read the unit's file anew */
	struct unit_log *unit_log;
	struct output log_output;
	struct health *health;
	struct verification *verification;
	struct preflight *preflight;
	struct touch *touch;
	struct unit_state unit_state; /* as the last job left it */
	bool restarted;	  /* a restart job was done for what is current now */
	bool marked_good; /* confirm: the first half is done */
	bool asking;	  /* what became of a switch that failed */
	struct errinfo switch_error; /* how it did */
	bool same_boot;	     /* recover: processes of before the crash may still run */
	bool release_failed; /* the unit did not come up with it, or did not stay so */
	bool goes_on;	     /* a way back after a crash: what it knew is on the disk */
	struct failure failure;	     /* how */
	bool back_failed;	     /* nor with the one gone back to */
	struct failure back_failure; /* how that one did */
	bool never_started, oom_killed, memory_limit_is_hit; /* of the failure */
	uint64_t unit_begun_usec; /* the last unit job was asked for, CLOCK_REALTIME */
	char id_before[UNIT_INVOCATION_SIZE]; /* of the start before it: not its lines
					       */
	void (*examined)(struct job *job);
	char unit_result[32]; /* evidence: systemd's Result */
	char *check_output;   /* evidence: of the check that failed last; may be NULL */
	/* Of the unit's processes, as seen last; "unknown" with no reason: not looked.
	 */
	enum verification_verdict runs;
	char runs_reason[VERIFICATION_REASON_SIZE];
	struct errinfo revert_error; /* why the release gone back to is not up either */
	json_t *in_use; /* releases that processes run from; NULL = not known; owned */

	uint64_t bytes, total_bytes,
		entries; /* progress of the phase; total 0 = unknown */
	int64_t created_sec;
	uint64_t started_mono_ms;
	bool running;

	enum deploy_result result;
	struct errinfo error;
	char stop_note[320]; /* how the stop went, where that was not as it should; or
				"" */
	char step[96];	     /* what systemd is at, in words; "" = nothing to tell */
	bool stop_failed;    /* the old process did not end: the machine is at fault */
	char note[160]; /* what else it did: a rollback that ended another job; or "" */
	char warning[JOB_WARNING_BYTES]; /* of the archive, or "" */
	char *unit_log_text;		 /* last lines of a unit that failed */
	bool have_gap;
	uint64_t gap_ms;	       /* without a healthy process */
	uint64_t down_since_mono_usec; /* when it began; 0 = not known */
	uint64_t took_ms;

	uint64_t watchers[JOB_WATCHERS_MAX];
	size_t n_watchers;
};

/* Copies the request. NULL without memory; the archive fd is the caller's then. */
struct job *job_new(const struct job_context *context, struct app *app,
		    struct config_set *config, const struct app_config *settings,
		    const struct job_request *request)
	__attribute__((warn_unused_result, nonnull));

void job_free(struct job *job);

/* Its turn has come. Ends in context->over(). */
void job_start(struct job *job) __attribute__((nonnull));

/*
 * deployd stops, or the operator cancels: ends at once before the switch, else goes on
 * to its end.
 */
void job_abandon(struct job *job, enum deploy_result result, const char *why)
	__attribute__((nonnull));

/* -EBUSY when too many watch already. */
int job_watch(struct job *job, uint64_t watcher)
	__attribute__((warn_unused_result, nonnull));

/* {id, kind, phase, percent}: the wire type Job. */
json_t *job_to_json(const struct job *job) __attribute__((warn_unused_result, nonnull));

/* The wire type Progress, without what a job in the queue waits for. */
json_t *job_progress(const struct job *job)
	__attribute__((warn_unused_result, nonnull));

/* {uid, user} of who asked for it. */
json_t *job_by(const struct job *job) __attribute__((warn_unused_result, nonnull));

/* -1 when it cannot be said. */
int job_percent(const struct job *job) __attribute__((nonnull));

/* records the first failure; later ones are consequences. */
void job_fail(struct job *job, enum deploy_result result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* the step under way has ended. */
void job_step_done(struct job *job, bool ok) __attribute__((nonnull));

/* the step under way has ended: there is nothing left to do. */
void job_step_unchanged(struct job *job) __attribute__((nonnull));

/* tells the observer. */
void job_tell(struct job *job) __attribute__((nonnull));

/* The archive is not needed any more. Harmless when there is none. */
void job_drop_archive(struct job *job) __attribute__((nonnull));
