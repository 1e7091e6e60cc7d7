#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/config_set.h"
#include "bus/units.h"
#include "core/flag.h"
#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * Restart by touch: for each app with restart_method = systemd_flag, its flag is
 * watched (flag_watch.h), core/flag.h decides, and the restart is an ordinary job
 * of the app, in its queue, in the name of the flag's owner. What was restarted for is
 * stored by deployd-store, so that a touch counts once, also over a crash of deployd.
 */

#define FLAGS_ASK_MSEC	 1000u	/* the unit's state could not be had: again */
#define FLAGS_STORE_MSEC 30000u /* what was seen could not be stored: again */

struct flags;

#define FLAGS_JOB_SIZE 32 /* room for the id of a job */

/* What the flags need of those above them. */
struct flags_events {
	/*
	 * Queues a restart of the app in the name of the flag's owner, but does not
	 * begin it. RESULT_OK: a job of this id will do it; flags_job_began() and
	 * flags_job_ended() follow.
	 */
	enum deploy_result (*submit)(void *userdata, const struct app_config *settings,
				     uid_t owner, const char *user,
				     char ret_job[FLAGS_JOB_SIZE],
				     struct errinfo *error);
	/* Begins what can begin. */
	void (*run)(void *userdata);
	/* The last touch of the app's flag that was honoured; false: none is known. */
	bool (*honoured)(void *userdata, const char *app,
			 struct flag_identity *ret_identity);
	/* This one is from now on. */
	void (*honour)(void *userdata, const char *app,
		       const struct flag_identity *identity);
};

struct flags_options {
	uv_loop_t *loop;
	struct units *units;
	const struct config_current *config;
	const struct flags_events *events;
	void *userdata;
};

/* Watches nothing yet. Negative errno without memory or handles. */
int flags_new(const struct flags_options *options, struct flags **ret_flags)
	__attribute__((warn_unused_result, nonnull));

/*
 * Follows the configuration. To be called when the apps are recovered, at start and
 * after each reload: what was honoured before is known then. flags may be NULL.
 */
void flags_take_config(struct flags *flags);

/* The job is about to act on the app's unit. flags may be NULL, as below. */
void flags_job_began(struct flags *flags, const char *app, const char *job)
	__attribute__((nonnull(2, 3)));

/* It has ended, whatever came of it; also while deployd stops. */
void flags_job_ended(struct flags *flags, const char *app, const char *job)
	__attribute__((nonnull(2, 3)));

/* No job is submitted any more: deployd stops. */
void flags_stop(struct flags *flags);

/* Why touches of the app's flag may be seen late or never; NULL: they are seen. */
const char *flags_status(const struct flags *flags, const char *app)
	__attribute__((nonnull(2)));

/* Asynchronous: what is being stored is stored. No job is submitted any more. */
void flags_close(struct flags *flags, void (*on_closed)(void *userdata),
		 void *userdata);
