#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/app_view.h"
#include "core/content.h"
#include "core/job_machine.h"
#include "deploy/errinfo.h"

/*
 * Whether `current` may point at another release, and at which one. The reasons are in
 * words for the client. Pure.
 */

struct switch_request {
	enum job_kind kind; /* one that switches, job_kind_switches() */
	const char *app;
	const char *target;	/* "": the one that a rollback goes to */
	const char *if_current; /* must be current now; "": none; NULL: any may */
	bool force;		/* a bad release is taken all the same */
};

/*
 * False, with the reason: if_current does not hold, the app is held at now_sec, or a
 * release awaits its confirmation (a rollback is one of the two answers to that).
 */
bool switch_is_permitted(const struct app_view *view,
			 const struct switch_request *request, int64_t now_sec,
			 struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull));

/*
 * The release to go to, copied into ret_target. False, with the reason: there is none,
 * it is current already, or it is not good and nobody has forced it. Not for deploys,
 * whose release is made.
 */
bool switch_choose_target(const struct app_view *view,
			  const struct switch_request *request,
			  char ret_target[RELEASE_ID_SIZE], struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull));

/*
 * The release to go back to from `failed`, into ret_back: what was live before
 * (`from`), or where that is gone or bad, the last good one before it, else the newest
 * good one. Those in tried have failed as well. The one that was live is taken although
 * it is bad where there is no good one. False: there is none.
 */
bool switch_choose_back(const struct app_view *view, const char *failed,
			const char *from, const char (*tried)[RELEASE_ID_SIZE],
			size_t n_tried, char ret_back[RELEASE_ID_SIZE])
	__attribute__((warn_unused_result, nonnull(2, 3, 6)));

/*
 * False, with the reason: the unit runs and nothing is known against it, but what is
 * live is not there any more, and no good release is: if the new one fails, there is
 * nothing to go back to.
 */
bool switch_has_way_back(const struct app_view *view, const char *unit,
			 const char *releases_dir, struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull(2, 3, 4)));

/* False, with the reason: a release with the same content is bad. */
bool switch_archive_is_welcome(const struct app_view *view,
			       const struct content *content, struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull(2, 3)));

/*
 * The content is that of the current release, which is good, and nothing is recorded
 * against it or still to come. Whether its unit runs is not known here.
 */
bool switch_is_live(const struct app_view *view, const struct content *content)
	__attribute__((warn_unused_result, nonnull(2)));
