#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Whose turn it is. Operations, known here by their ids alone, wait in one line an app;
 * of an app one runs at a time, of all apps running_max. Apps take turns: one whose
 * operation has ended goes behind every other that waits. Pure.
 */

#define QUEUE_ID_MAX 31 /* bytes of an id, without the NUL */

struct queue;

/*
 * running_max: operations at once on this machine, at least 1. waiting_max: operations
 * of one app that may wait behind its running one. NULL without memory.
 */
struct queue *queue_new(size_t running_max, size_t waiting_max)
	__attribute__((warn_unused_result));

void queue_free(struct queue *queue);

/* After a reload. What runs and waits stays, also above the new limits. */
void queue_set_limits(struct queue *queue, size_t running_max, size_t waiting_max)
	__attribute__((nonnull));

/*
 * Puts the operation at the end of its app's line. -EBUSY when waiting_max wait already
 * behind one that runs or is about to, -EEXIST when the id is known, -ENOMEM.
 */
int queue_add(struct queue *queue, const char *app, const char *id)
	__attribute__((warn_unused_result, nonnull));

/*
 * The same, in front of all that wait and beyond waiting_max: what deployd owes the app
 * comes before what others want of it. -EEXIST, -ENOMEM.
 */
int queue_add_first(struct queue *queue, const char *app, const char *id)
	__attribute__((warn_unused_result, nonnull));

/* One that runs has not begun yet: it waits again, in front. False: it does not run. */
bool queue_put_back(struct queue *queue, const char *id) __attribute__((nonnull));

/*
 * The operation that is to start now, counted as running from here on; NULL when none
 * may. Call until NULL after every queue_add, queue_remove and queue_set_limits. The id
 * is valid until the operation is removed.
 */
const char *queue_start_next(struct queue *queue)
	__attribute__((warn_unused_result, nonnull));

/* The operation has ended, or is cancelled while it waits. False: unknown. */
bool queue_remove(struct queue *queue, const char *id) __attribute__((nonnull));

/* 0: it runs. n: it is the n-th in its app's line. -1: unknown. */
int queue_position(const struct queue *queue, const char *id) __attribute__((nonnull));

/* Operations that run, and that wait. */
size_t queue_running(const struct queue *queue) __attribute__((nonnull));
size_t queue_waiting(const struct queue *queue) __attribute__((nonnull));
