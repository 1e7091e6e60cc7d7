#pragma once

#include "bus/units.h"
#include "deploy/app_config.h"
#include "deploy/diag.h"

/*
 * Finds out at load, before a release depends on it, which apps have a check of type
 * exec that cannot be run because their unit cannot be copied.
 */

struct config_set;

/* The first of the app's checks that runs in a copy of the unit; NULL: there is none.
 */
const struct health_check *clone_review_check(const struct app_config *app)
	__attribute__((nonnull));

/*
 * Asks systemd about the units of all such apps, and adds a warning to diag for each
 * that cannot be copied. diag is borrowed until done, which is called once, after a few
 * seconds at most, or at once when there is nothing to ask or no memory.
 */
void clone_review(struct units *units, struct config_set *config, struct diag *diag,
		  void (*done)(void *userdata), void *userdata)
	__attribute__((nonnull(1, 2, 3, 4)));
