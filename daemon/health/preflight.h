#pragma once

#include <stdbool.h>

#include "bus/units.h"
#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/* Finds out whether an app's unit can start with a release that is not current yet. */

#define PREFLIGHT_NOTE_SIZE 256

struct preflight_outcome {
	/* RESULT_OK: nothing is known against it. Else why it cannot start, and whose
	 * fault that is (core/preflight.h). */
	struct errinfo error;
	char unchecked[PREFLIGHT_NOTE_SIZE]; /* why it could not be examined, or "" */
};

struct preflight;

/*
 * Asks systemd about the unit and has deployd-preflight examine the files that it
 * names, with `current` read as the release. done is called once, never from within
 * this call, after 20 s at the latest. settings is borrowed until then. NULL only
 * without memory.
 */
struct preflight *preflight_start(
	struct units *units, const struct app_config *settings, const char *release,
	void (*done)(void *userdata, const struct preflight_outcome *outcome),
	void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3, 4)));

/* done is not called. Accepts NULL. */
void preflight_cancel(struct preflight *preflight);
