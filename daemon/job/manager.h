#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/store_call.h"
#include "core/queue.h"
#include "core/verification.h"
#include "deploy/app_config.h"
#include "deploy/names.h"
#include "job/job.h"

/*
 * What is known of each app, and whose turn it is: one job an app at a time, some
 * apps at once, the rest waits in line. Also the recovery of every app at start.
 */

#define VERIFICATION_FRESH_MSEC 2000 /* status believes the last verification so long  \
				      */
#define VERIFICATION_RUNNING_MAX 8   /* at once, for status; more get "unknown" */
#define MANAGER_FINISHED_MAX	 64 /* ended jobs that `jobs` and `attach` still know */

struct config_set;
struct daemon;
struct session;

/* An app's run-time side; outlives a reload. */
struct app {
	struct app *next;
	struct manager *manager;
	char name[APP_NAME_MAX + 1];
	json_t *view;	   /* of deployd-store, NULL before recovery; owned */
	char *view_of;	   /* the deploy_dir that was recovered; NULL = none */
	char problem[512]; /* why there is no view, "" when there is one */
	struct job *running;
	struct store_call recovery;
	struct config_set *recovery_config; /* while recovering */
	bool recovering;
	struct {
		uint64_t at_mono_ms; /* 0: never */
		uint32_t main_pid;
		enum verification_verdict verdict;
		char release[RELEASE_ID_SIZE];
		char reason[256];
	} verification;		   /* what status learnt last */
	uint64_t reverted_mono_ms; /* when a going back was last begun, 0 = never */
	struct {
		int64_t deadline_sec; /* that due_ms was reckoned from, 0 = none yet */
		uint64_t due_ms;      /* by CLOCK_BOOTTIME, which nobody sets */
	} confirm;
};

struct finished_job {
	char id[JOB_ID_SIZE];
	char app[APP_NAME_MAX + 1];
	json_t *job;	 /* the wire type Job */
	json_t *outcome; /* the last reply's parameters */
	enum deploy_result result;
};

struct manager {
	struct daemon *daemon;
	struct app *apps;
	struct job *jobs; /* queued and running */
	struct queue *queue;
	struct finished_job finished[MANAGER_FINISHED_MAX];
	unsigned int n_finished, next_finished;
	unsigned int n_recovering;
	size_t next_recovery; /* index into the configuration's apps */
	void (*on_recovered)(struct daemon *daemon); /* no app is being recovered */
	void (*on_idle)(struct daemon *daemon);	     /* no job is left */
	/* Off the list, not yet freed; what it left behind may need doing. */
	void (*on_job_over)(struct daemon *daemon, const struct job *job);
};

int manager_init(struct manager *manager, struct daemon *daemon)
	__attribute__((warn_unused_result, nonnull));
void manager_deinit(struct manager *manager) __attribute__((nonnull));

/*
 * Makes the configuration's apps known and recovers those that are not yet (new ones,
 * ones whose directory changed, ones whose recovery failed). on_recovered is called
 * when all are done, at once when there are none.
 */
void manager_take_config(struct manager *manager) __attribute__((nonnull));

/* Creates the app's entry when there is none. NULL without memory. */
struct app *manager_app(struct manager *manager, const char *name)
	__attribute__((nonnull));

/*
 * Queues a job; manager_run() then starts what can start. session_id watches it
 * (0 = nobody). When a waiting job already does the same, *ret_job is that job. A
 * rollback that will not be refused cancels the app's running deploy, stage or activate
 * if that has not switched. RESULT_BUSY when no place is free; then the archive stays
 * the caller's.
 */
enum deploy_result
manager_submit(struct manager *manager, struct config_set *config,
	       const struct app_config *settings, const struct job_request *request,
	       uint64_t session_id, struct job **ret_job, struct errinfo *error)
	__attribute__((warn_unused_result, nonnull));

/* What a waiting job waits for, as text; false: it runs, or is about to begin.
 */
bool manager_waits_for(const struct job *job, char *ret_text, size_t size)
	__attribute__((nonnull));

/*
 * There is more of a session's archive, or it has failed. Its job can get its
 * turn once the archive flows or is complete.
 */
void manager_archive_changed(struct manager *manager, const struct session *session)
	__attribute__((nonnull));

/* Starts every job whose turn it is. */
void manager_run(struct manager *manager) __attribute__((nonnull));

/* NULL when it has ended or never was. */
struct job *manager_find(const struct manager *manager, const char *id)
	__attribute__((nonnull));
const struct finished_job *manager_find_finished(const struct manager *manager,
						 const char *id)
	__attribute__((nonnull));

/* For recovery.c: nothing stands in the way of a job that has its turn. */
void manager_begin(struct job *job) __attribute__((nonnull));

/*
 * For manager.c: what a crash left undone comes before anything that would hide it.
 * True: the app is being recovered, and the job is begun afterwards.
 */
bool manager_recover_first(struct job *job) __attribute__((nonnull));

/* For manager.c: a reload moved the app's directory while a job was under way.
 */
void manager_follow_config(struct app *app) __attribute__((nonnull));

/* What the disk holds is not known any more; the next job looks first. */
void manager_forget_view(struct app *app, const char *why) __attribute__((nonnull));

/* For job.c: it has ended; replies, remembers, frees, starts the next. */
void manager_job_over(struct manager *manager, struct job *job)
	__attribute__((nonnull));

/* As deployd stops: abandons jobs that lack their archive. on_idle follows, at once
 * when idle. */
void manager_stop(struct manager *manager) __attribute__((nonnull));

bool manager_is_idle(const struct manager *manager) __attribute__((nonnull));

/*
 * The view as a reply of deployd-store has it. Ignored while the app is not recovered:
 * it would look as if it were.
 */
void manager_take_view(struct app *app, const struct app_config *settings,
		       const json_t *view) __attribute__((nonnull(1, 2)));

/* NULL: none. All borrowed, until the next manager_take_view. */
const char *manager_current(const struct app *app) __attribute__((nonnull));
const char *manager_previous(const struct app *app) __attribute__((nonnull));
const char *manager_release_state(const struct app *app, const char *release)
	__attribute__((nonnull));
/* The release's object in the view. */
const json_t *manager_release(const struct app *app, const char *release)
	__attribute__((nonnull));

/* The hold that is in force at now_sec: {reason, until_sec, by, since_sec}. */
const json_t *manager_hold(const struct app *app, int64_t now_sec)
	__attribute__((nonnull));
/*
 * What awaits its confirmation: {release, from, deadline_sec, job, by}. A first release
 * that was stopped because it is bad does not any more.
 */
const json_t *manager_confirm(const struct app *app) __attribute__((nonnull));

/* Goes back from a release whose confirmation did not come; manager_confirm is not
 * NULL. */
void manager_revert_unconfirmed(struct app *app, const struct app_config *settings)
	__attribute__((nonnull));

/* The wire type Job of a queued or running job. */
json_t *manager_job(const struct job *job) __attribute__((warn_unused_result, nonnull));
