#pragma once

#include <uv.h>

/*
 * Restart by touch: for each app with restart_method = systemd_flag, its flag is
 * watched (flag_watch.h), core/flag.h decides, and the restart is an ordinary job
 * of the app, in its queue, in the name of the flag's owner. What was restarted for is
 * stored by deployd-store, so that a touch counts once, also over a crash of deployd.
 */

#define FLAGS_ASK_MSEC	 1000u	/* the unit's state could not be had: again */
#define FLAGS_STORE_MSEC 30000u /* what was seen could not be stored: again */

struct daemon;
struct flags;
struct job;

/* Watches nothing yet. Negative errno without memory or handles. */
int flags_new(struct daemon *daemon, struct flags **ret_flags)
	__attribute__((warn_unused_result, nonnull));

/*
 * Follows daemon->config. To be called when the apps are recovered, at start and after
 * each reload: what was seen before is in their views. flags may be NULL.
 */
void flags_take_config(struct flags *flags);

/* The job is about to act on its unit. flags may be NULL, as below. */
void flags_job_began(struct flags *flags, const struct job *job)
	__attribute__((nonnull(2)));

/* It has ended, whatever came of it; also while deployd stops. */
void flags_job_ended(struct flags *flags, const struct job *job)
	__attribute__((nonnull(2)));

/* Why touches of the app's flag may be seen late or never; NULL: they are seen. */
const char *flags_status(const struct flags *flags, const char *app)
	__attribute__((nonnull(2)));

/* Asynchronous: what is being stored is stored. No job is submitted any more. */
void flags_close(struct flags *flags, void (*on_closed)(void *userdata),
		 void *userdata);
