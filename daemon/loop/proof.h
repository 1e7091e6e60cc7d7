#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "core/proof.h"
#include "deploy/app_config.h"
#include "loop/units.h"

/* Finds out which release an app's processes run from. */

struct proof_outcome {
	enum proof_verdict verdict;
	char reason[PROOF_REASON_SIZE]; /* "" when proven */
	/* Array of the ids of the releases that processes of the machine use; borrowed.
	 */
	const json_t *in_use;
	bool complete; /* every process could be read: a release that is not in in_use
			  is free */
};

struct proof;

/*
 * Has deployd-proc look at the processes of the machine. The verdict is about those of
 * the app's unit. done is called once, never from within this call, after 15 s at the
 * latest. settings is borrowed until then. The verdict on a unit without processes is
 * "unknown". NULL only without memory.
 */
struct proof *
proof_start(struct units *units, const struct app_config *settings, const char *release,
	    void (*done)(void *userdata, const struct proof_outcome *outcome),
	    void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3, 4)));

/* done is not called. Accepts NULL. */
void proof_cancel(struct proof *proof);
