#pragma once

#include <stdbool.h>

#include "bus/units.h"
#include "deploy/app_config.h"

/* One attempt at one [health_check] of an app, in a transient unit. */

#define HEALTH_EVIDENCE_BYTES_MAX 2048 /* of what a check wrote, the last of it */

struct health_attempt_outcome {
	bool passed;
	char message[512]; /* what it found, in words fit to show */
	const char
		*evidence; /* what it wrote or was answered, fit to show; "" = none */
};

struct health_attempt;

/*
 * done is called once, never from within, at the latest some seconds after the check's
 * timeout. settings and check are borrowed until then. NULL only without memory.
 */
struct health_attempt *health_attempt_start(
	struct units *units, const struct app_config *settings,
	const struct health_check *check,
	void (*done)(void *userdata, const struct health_attempt_outcome *outcome),
	void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3, 4)));

/* Stops the command; done is not called. Accepts NULL. */
void health_attempt_cancel(struct health_attempt *attempt);
