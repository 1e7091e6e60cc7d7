#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "bus/units.h"
#include "core/verification.h"
#include "deploy/app_config.h"

/* Finds out which release an app's processes run from. */

struct verification_outcome {
	enum verification_verdict verdict;
	char reason[VERIFICATION_REASON_SIZE]; /* "" when verified */
	/* Array of the ids of the releases that processes of the machine use; borrowed.
	 */
	const json_t *in_use;
	bool complete; /* every process could be read: a release that is not in in_use
			  is free */
};

struct verification;

/*
 * Has deployd-proc read the processes of the machine. The verdict is about those of
 * the app's unit. done is called once, never from within this call, after 15 s at the
 * latest. settings is borrowed until then. The verdict on a unit without processes is
 * "unknown". NULL only without memory.
 */
struct verification *verification_start(
	struct units *units, const struct app_config *settings, const char *release,
	void (*done)(void *userdata, const struct verification_outcome *outcome),
	void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3, 4)));

/* done is not called. Accepts NULL. */
void verification_cancel(struct verification *verification);
