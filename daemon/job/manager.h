#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config_set.h"
#include "core/queue.h"
#include "deploy/app_config.h"
#include "deploy/names.h"
#include "job/app.h"
#include "job/archive.h"
#include "job/job.h"

/*
 * Every job, and whose turn it is: one job an app at a time, some apps at once, the
 * rest waits in line.
 */

#define MANAGER_FINISHED_MAX 64 /* ended jobs that `jobs` and `attach` still know */

struct finished_job {
	char id[JOB_ID_SIZE];
	char app[APP_NAME_MAX + 1];
	json_t *job;	 /* the wire type Job */
	json_t *outcome; /* the last reply's parameters */
	enum deploy_result result;
};

struct manager_options {
	uv_loop_t *loop;
	struct units *units;
	const struct config_current *config;
	struct job_observer observer;
	struct archive_readers archives;
	void *archives_userdata;
};

/* What recovery.h, above it, has to say about the jobs. */
struct manager_hooks {
	void *userdata;
	/* True: the job that has its turn begins later, by manager_begin(). */
	bool (*must_wait)(void *userdata, struct job *job);
	/* A job of the app has ended. */
	void (*job_gone)(void *userdata, struct app *app);
};

struct manager {
	struct job_context context;
	const struct config_current *config;
	struct manager_hooks hooks;
	struct app *apps;
	struct job *jobs; /* queued and running */
	struct queue *queue;
	struct finished_job finished[MANAGER_FINISHED_MAX];
	unsigned int n_finished, next_finished;
	unsigned int n_recovering; /* apps; manager_recovering() */
	bool stopping;
};

/* 0, or -ENOMEM. */
int manager_init(struct manager *manager, const struct manager_options *options)
	__attribute__((warn_unused_result, nonnull));
void manager_deinit(struct manager *manager) __attribute__((nonnull));

/* The limits of a new configuration hold from now on. */
void manager_take_limits(struct manager *manager) __attribute__((nonnull));

/* Creates the app's entry when there is none. NULL without memory. */
struct app *manager_app(struct manager *manager, const char *name)
	__attribute__((nonnull));

/*
 * Queues a job; manager_run() then starts what can start. watcher hears of it
 * (0 = nobody). When a waiting job already does the same, *ret_job is that job. A
 * rollback that will not be refused cancels the app's running deploy, stage or activate
 * if that has not switched. RESULT_BUSY when no place is free; then the archive stays
 * the caller's.
 */
enum deploy_result manager_submit(struct manager *manager, struct config_set *config,
				  const struct app_config *settings,
				  const struct job_request *request, uint64_t watcher,
				  struct job **ret_job, struct errinfo *error)
	__attribute__((warn_unused_result, nonnull));

/* What a waiting job waits for, as text; false: it runs, or is about to begin.
 */
bool manager_waits_for(const struct job *job, char *ret_text, size_t size)
	__attribute__((nonnull));

/*
 * There is more of the archive, or it has failed. Its job can get its turn once the
 * archive flows or is complete.
 */
void manager_archive_changed(struct manager *manager, uint64_t reader,
			     const struct archive *archive) __attribute__((nonnull));

/* Starts every job whose turn it is. */
void manager_run(struct manager *manager) __attribute__((nonnull));

/* NULL when it has ended or never was. */
struct job *manager_find(const struct manager *manager, const char *id)
	__attribute__((nonnull));
const struct finished_job *manager_find_finished(const struct manager *manager,
						 const char *id)
	__attribute__((nonnull));

/* Nothing stands in the way any more of a job that has its turn. */
void manager_begin(struct job *job) __attribute__((nonnull));

/* Takes the turn of the app's job back, if that has not begun: something else is first.
 */
void manager_put_back(struct app *app) __attribute__((nonnull));

/* An app begins to be recovered, or has been: call manager_check_idle() then. */
void manager_recovering(struct manager *manager, bool begins) __attribute__((nonnull));

/* As deployd stops: abandons jobs that lack their archive. idle follows, at once if so.
 */
void manager_stop(struct manager *manager) __attribute__((nonnull));

/* Tells the observer if there is nothing left to do. */
void manager_check_idle(struct manager *manager) __attribute__((nonnull));

bool manager_is_idle(const struct manager *manager) __attribute__((nonnull));

/* The wire type Job of a queued or running job. */
json_t *manager_job(const struct job *job) __attribute__((warn_unused_result, nonnull));

/* The wire type Progress, with what a waiting job waits for. */
json_t *manager_progress(const struct job *job)
	__attribute__((warn_unused_result, nonnull));
