#pragma once

#include "deploy/app_config.h"
#include "verb.h"

/*
 * Waits until the app's current release is live and its unit has been active for
 * min_healthy_sec, at most healthy_deadline_sec (and as long as a job runs).
 * Returns an exit status; the failure was told.
 */
int validate(const struct verb_table *verbs, const struct app_config *app)
	__attribute__((nonnull, warn_unused_result));
