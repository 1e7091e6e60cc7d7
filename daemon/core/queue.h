#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decides which job runs next. Jobs, known here only by their ids, wait in one line for
 * each app; an app runs one job at a time. Pure.
 *
 * Nobody starves:
 * - Each rank has its own waiting places and running slots, and root's jobs have
 *   additional ones: a user who fills one kind leaves the others free.
 * - One user gets at most half of the places and slots, rounded up; root gets all.
 * - In a line the higher rank goes first, and jobs of one rank in order of arrival. But
 *   after QUEUE_OVERTAKEN_MAX jobs have overtaken a waiting deploy, the oldest deploy
 *   goes before everything but rollbacks, which would only have to cancel it.
 * - A job that is not ready, because its archive does not flow yet, holds up nobody.
 * - Apps take turns: an app whose job has ended goes behind all others that wait.
 */

#define QUEUE_ID_MAX		 31 /* bytes of an id, without the NUL */
#define QUEUE_URGENT_WAITING_MAX 8  /* per app, for each rank above deploy */
#define QUEUE_URGENT_RUNNING_MAX 16 /* on this machine, for each rank above deploy */
#define QUEUE_OVERTAKEN_MAX	 2

enum queue_rank {
	QUEUE_RANK_DEPLOY,   /* brings something new; root's goes as urgent */
	QUEUE_RANK_URGENT,   /* repairs, stops, notes */
	QUEUE_RANK_ROLLBACK, /* goes back, or keeps what is live from going back */
	QUEUE_RANK_OWED,     /* deployd's own: no limit on waiting */
	QUEUE_RANK_COUNT
};

struct queue_job {
	const char *app;
	const char *id;
	enum queue_rank rank;
	uint32_t owner; /* uid; 0 is root */
	bool ready;	/* false: waits for queue_set_ready() as well */
};

struct queue;

/*
 * running_max: deploys at once on this machine, at least 1. waiting_max: deploys of one
 * app that may wait behind its running job. NULL without memory.
 */
struct queue *queue_new(size_t running_max, size_t waiting_max)
	__attribute__((warn_unused_result));

void queue_free(struct queue *queue);

/* After a reload. Jobs that run or wait stay, even above the new limits. */
void queue_set_limits(struct queue *queue, size_t running_max, size_t waiting_max)
	__attribute__((nonnull));

/*
 * Puts the job into its app's line. -EBUSY when all places of its rank behind a job
 * that runs, or is about to, are taken; -EDQUOT when its owner already has half of
 * them; -EEXIST when the id is known; -ENOMEM. A job of rank OWED goes before all that
 * wait.
 */
int queue_add(struct queue *queue, const struct queue_job *job)
	__attribute__((warn_unused_result, nonnull));

/* Its archive flows now. False: unknown. */
bool queue_set_ready(struct queue *queue, const char *id) __attribute__((nonnull));

/* A job that was started has not begun yet: it waits again, before the others of its
 * rank. False: it does not run. */
bool queue_put_back(struct queue *queue, const char *id) __attribute__((nonnull));

/*
 * The job that is to start now, counted as running from here on; NULL when none may.
 * Call until NULL after every queue_add, queue_set_ready, queue_put_back, queue_remove
 * and queue_set_limits. The id is valid until the job is removed.
 */
const char *queue_start_next(struct queue *queue)
	__attribute__((warn_unused_result, nonnull));

/* The job has ended, or is cancelled while it waits. False: unknown. */
bool queue_remove(struct queue *queue, const char *id) __attribute__((nonnull));

/* False also when the id is unknown. */
bool queue_is_ready(const struct queue *queue, const char *id) __attribute__((nonnull));

/* 0: it runs. n: it is the n-th in its app's line. -1: unknown. */
int queue_position(const struct queue *queue, const char *id) __attribute__((nonnull));

/* Jobs that run, and that wait. */
size_t queue_running(const struct queue *queue) __attribute__((nonnull));
size_t queue_waiting(const struct queue *queue) __attribute__((nonnull));
