#pragma once

#include "deploy/app_config.h"
#include "deploy/diag.h"
#include "loop/units.h"

/*
 * Says at load which apps have a check of type exec that cannot be run, since their
 * unit cannot be copied: not only when a release waits for the check.
 */

struct config_set;

/* The first of the app's checks that is run in a copy of the unit, NULL without one. */
const struct health_check *clone_review_check(const struct app_config *app)
	__attribute__((nonnull));

/*
 * Asks systemd about the units of all such apps and adds a warning for each that cannot
 * be copied to diag, which is borrowed until done. done is called once, after at most
 * some seconds, at once when there is nothing to ask or no memory to do it.
 */
void clone_review(struct units *units, struct config_set *config, struct diag *diag,
		  void (*done)(void *userdata), void *userdata)
	__attribute__((nonnull(1, 2, 3, 4)));
