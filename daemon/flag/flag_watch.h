#pragma once

#include <sys/types.h>
#include <uv.h>

#include "core/flag.h"

/*
 * Watches flags/restart.flag of many apps. The directory belongs to its app's users, so
 * nothing in it is ever opened, written or followed: one lstat below a pinned directory
 * decides what counts (a regular file with one name, owned by the deploy user, the app
 * user or root). inotify only says when to look, from one instance for all apps; an app
 * that floods it is looked at by the clock instead until it is calm.
 */

#define FLAG_WATCH_LOUD_EVENTS_MAX 200u /* of one app in FLAG_WATCH_LOUD_MSEC */
#define FLAG_WATCH_LOUD_MSEC	   100u
#define FLAG_WATCH_MUTED_MSEC	   2000u  /* a loud app is not listened to */
#define FLAG_WATCH_LOOK_MSEC	   100u	  /* ... and looked at this often */
#define FLAG_WATCH_PAUSE_MSEC	   5u	  /* from one reading of events to the next */
#define FLAG_WATCH_POLL_MSEC	   2000u  /* where no events can be had */
#define FLAG_WATCH_VERIFY_MSEC	   60000u /* is the directory still that of the path? */
#define FLAG_WATCH_RETRY_SEC_MAX   60u	  /* opening again: 1 s, doubled up to this */
#define FLAG_WATCH_HUNG_MSEC	   10000u /* a file system that does not answer */
#define FLAG_WATCH_REPORT_MSEC	   60000u /* one kind of trouble is reported again */
#define FLAG_WATCH_JOBS_MAX	   2u	  /* directories being opened at once */
#define FLAG_WATCH_READ_BYTES	   65536u /* events taken in one turn of the loop */

struct flag_watch;

struct flag_watch_callbacks {
	/*
	 * The app's flag was looked at and is valid, whether it changed or not; NULL:
	 * there is none, said at the first look only.
	 */
	void (*found)(void *userdata, const char *app,
		      const struct flag_identity *identity, uid_t owner);
	/* Touches may be seen late or never, and why; NULL: all is well again. */
	void (*trouble)(void *userdata, const char *app, const char *text);
};

/*
 * Negative errno without memory or handles. No inotify instance left is no error: then
 * everything is looked at by the clock.
 */
int flag_watch_new(uv_loop_t *loop, const struct flag_watch_callbacks *callbacks,
		   void *userdata, struct flag_watch **ret_watch)
	__attribute__((warn_unused_result, nonnull(1, 2, 4)));

/* Starts to watch, or goes on with other settings. -ENOMEM, -ENAMETOOLONG. */
int flag_watch_set(struct flag_watch *watch, const char *app, const char *flags_dir,
		   uid_t deploy_uid, uid_t app_uid)
	__attribute__((warn_unused_result, nonnull));

/* No callback follows. Harmless for an app that is not watched. */
void flag_watch_remove(struct flag_watch *watch, const char *app)
	__attribute__((nonnull));

/*
 * The flag as it is now; where its file system could hang, as it was at the last look.
 * -ENOENT when there is none that counts.
 */
int flag_watch_look(struct flag_watch *watch, const char *app,
		    struct flag_identity *ret_identity, uid_t *ret_owner)
	__attribute__((warn_unused_result, nonnull));

/* What troubles the app's flag now, NULL when nothing does. Borrowed. */
const char *flag_watch_trouble(const struct flag_watch *watch, const char *app)
	__attribute__((nonnull));

/*
 * Closes asynchronously; no callback but on_closed follows. A directory that is being
 * opened is waited for.
 */
void flag_watch_close(struct flag_watch *watch, void (*on_closed)(void *userdata),
		      void *userdata) __attribute__((nonnull(1)));
