#pragma once

#include <stddef.h>

#include "job/manager.h"

/*
 * Brings what is known of each app's releases up to date, before anything is changed
 * there, and finishes what a crash interrupted.
 */

struct recovery {
	struct manager *manager;
	const struct config_current *config;
	size_t next; /* index into the configuration's apps */
	void (*all_recovered)(void *userdata);
	void *userdata;
};

/*
 * all_recovered: no app is being recovered; called whenever that becomes true. Installs
 * itself as the manager's hooks.
 */
void recovery_init(struct recovery *recovery, struct manager *manager,
		   const struct config_current *config,
		   void (*all_recovered)(void *userdata), void *userdata)
	__attribute__((nonnull(1, 2, 3, 4)));

/*
 * Makes the configuration's apps known and recovers those that are not yet (new ones,
 * ones whose directory changed, ones whose recovery failed).
 */
void recovery_take_config(struct recovery *recovery) __attribute__((nonnull));

/* Goes back from a release whose confirmation did not come (app_view_confirm()). */
void recovery_revert_unconfirmed(struct recovery *recovery, struct app *app,
				 const struct app_config *settings)
	__attribute__((nonnull));
