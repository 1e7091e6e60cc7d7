#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/unit_properties.h"
#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * Is the app healthy after its start? deployd watches its unit over D-Bus and runs its
 * checks until the unit stays active and every check passes, or the app has failed.
 * Baking is the same without checks.
 */

struct health_options {
	const struct app_config *settings; /* borrowed until the end */
	/* As read when the start job was done; NULL = as it is read first. */
	const struct unit_state *baseline;
	uint64_t stay_ms; /* active for so long from now on, with no restart counted */
	bool checks;	  /* run the [health_check]s */
	uint64_t deadline_ms; /* healthy within this time, else failed; not 0 */
};

struct health_outcome {
	bool healthy;
	struct errinfo error; /* why it is failed, in words */
	char unit_result[32]; /* systemd's Result */
	bool oom_killed; /* the unit's memory.events said so while they were there */
	bool memory_limit_is_hit; /* and that it was a limit of the unit */
	/* What the check that failed last wrote or was answered; borrowed, may be NULL.
	 */
	const char *check_output;
	struct unit_state state; /* as read last; zero when it never was */
	/* CLOCK_MONOTONIC: the last check passed, or without checks, it was active. */
	uint64_t healthy_mono_usec;
};

struct health;

/*
 * done is called once, never from within. Failed at once: the unit failed, stopped, was
 * or is to be restarted by systemd, has a Result other than success, or lost a process
 * to the OOM killer. A check that fails is repeated until the deadline. While there is
 * no bus nothing is known, which is no failure until the deadline. NULL only without
 * memory.
 */
struct health *
health_start(struct units *units, const struct health_options *options,
	     void (*done)(void *userdata, const struct health_outcome *outcome),
	     void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* done is not called. Accepts NULL. */
void health_cancel(struct health *health);
