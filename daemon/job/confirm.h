#pragma once

#include <uv.h>

/*
 * Releases that were deployed with --confirm: goes back from each whose confirmation
 * did not come in time. The deadlines are deployd-store's, on disk since before the
 * switch; here is only the clock.
 */

/* Looked at so often at least: a machine that slept has missed its timer. */
#define CONFIRM_CHECK_MSEC_MAX 30000u
/* A going back that failed is tried again after this time. */
#define CONFIRM_RETRY_MSEC 30000u

struct daemon;

struct confirm {
	struct daemon *daemon;
	uv_timer_t timer;
};

int confirm_init(struct confirm *confirm, struct daemon *daemon)
	__attribute__((warn_unused_result, nonnull));

/* Looks at every app now, and again when the next deadline is due. */
void confirm_update(struct confirm *confirm) __attribute__((nonnull));

/* Asynchronous; harmless when it is closed already. */
void confirm_close(struct confirm *confirm) __attribute__((nonnull));
