#pragma once

#include <stdbool.h>
#include <uv.h>

#include "job/recovery.h"

/*
 * Releases that were deployed with --confirm: goes back from each whose confirmation
 * did not come in time. The deadlines are deployd-store's, on disk since before the
 * switch; here is only the clock.
 */

/* Looked at so often at least: a machine that slept has missed its timer. */
#define CONFIRM_CHECK_MSEC_MAX 30000u
/* A going back that failed is tried again after this time. */
#define CONFIRM_RETRY_MSEC 30000u

struct confirm {
	struct recovery *recovery;
	bool enabled; /* every app has been recovered once */
	uv_timer_t timer;
};

int confirm_init(struct confirm *confirm, uv_loop_t *loop, struct recovery *recovery)
	__attribute__((warn_unused_result, nonnull));

/* Checks every app now, and again when the next deadline is due; from now on. */
void confirm_enable(struct confirm *confirm) __attribute__((nonnull));

/* The same, something has changed. */
void confirm_update(struct confirm *confirm) __attribute__((nonnull));

/* Asynchronous; harmless when it is closed already. */
void confirm_close(struct confirm *confirm) __attribute__((nonnull));
