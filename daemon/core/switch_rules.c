#include "core/switch_rules.h"

#include <stdio.h>
#include <string.h>

#define REASON_BYTES_MAX 200 /* of why the release of an archive is bad */

static bool is_current(const struct app_view *view,
		       const struct switch_request *request, struct errinfo *ret_why)
{
	const char *current = app_view_current(view);

	if (!request->if_current ||
	    strcmp(request->if_current, current ? current : "") == 0)
		return true;
	(void)errinfo_refuse(ret_why, RESULT_IF_CURRENT,
			     "the current release is %s, not %s; nothing was changed",
			     current ? current : "none",
			     *request->if_current ? request->if_current : "none");
	return false;
}

static bool is_not_held(const struct app_view *view,
			const struct switch_request *request, int64_t now_sec,
			struct errinfo *ret_why)
{
	const struct app_hold *hold = app_view_hold(view, now_sec);
	char until[RFC3339_SIZE];

	if (!hold)
		return true;
	names_rfc3339(hold->until_sec, until);
	(void)errinfo_refuse(
		ret_why, RESULT_BUSY,
		"%s is held by %s%s%s: %s; `deployctl unhold %s` lifts that",
		request->app, hold->by.known ? hold->by.user : "somebody",
		hold->until_sec > 0 ? " until " : "", hold->until_sec > 0 ? until : "",
		hold->reason && *hold->reason ? hold->reason : "no reason was given",
		request->app);
	return false;
}

static bool awaits_no_confirmation(const struct app_view *view,
				   const struct switch_request *request,
				   struct errinfo *ret_why)
{
	const struct app_confirm *confirm = app_view_confirm(view);

	if (!confirm || request->kind == JOB_KIND_ROLLBACK)
		return true;
	(void)errinfo_refuse(
		ret_why, RESULT_BUSY,
		"release %s awaits its confirmation: `deployctl confirm %s` "
		"keeps it, `deployctl rollback %s` goes back",
		confirm->release, request->app, request->app);
	return false;
}

bool switch_is_permitted(const struct app_view *view,
			 const struct switch_request *request, int64_t now_sec,
			 struct errinfo *ret_why)
{
	return is_current(view, request, ret_why) &&
	       is_not_held(view, request, now_sec, ret_why) &&
	       awaits_no_confirmation(view, request, ret_why);
}

bool switch_choose_target(const struct app_view *view,
			  const struct switch_request *request,
			  char ret_target[RELEASE_ID_SIZE], struct errinfo *ret_why)
{
	const char *current = app_view_current(view);
	const char *id = *request->target ? request->target : app_view_previous(view);
	const struct release *release;

	if (!id) {
		(void)errinfo_refuse(
			ret_why, RESULT_NOT_FOUND,
			"there is no earlier good release to roll back to");
		return false;
	}
	release = app_view_release(view, id);
	if (!release) {
		(void)errinfo_refuse(
			ret_why, RESULT_NOT_FOUND,
			"no release %s; `deployctl releases %s` lists them", id,
			request->app);
		return false;
	}
	if (current && strcmp(current, id) == 0) {
		(void)errinfo_refuse(
			ret_why, RESULT_USAGE,
			"%s is current already; `deployctl restart %s` restarts it", id,
			request->app);
		return false;
	}
	/* Of an unknown one its health decides, like that of a new one. */
	if (request->kind == JOB_KIND_ROLLBACK &&
	    release->state != RELEASE_STATE_GOOD &&
	    release->state != RELEASE_STATE_UNKNOWN) {
		(void)errinfo_refuse(
			ret_why, RESULT_NOT_FOUND,
			"release %s is %s: you can roll back only to a good release%s",
			id, release_state_name(release->state),
			release->state == RELEASE_STATE_STAGED ? "; use activate" : "");
		return false;
	}
	if (release->state == RELEASE_STATE_BAD && !request->force) {
		(void)errinfo_refuse(
			ret_why, RESULT_NOT_FOUND,
			"release %s is bad, `deployctl show %s@%s` says why; "
			"--force activates it anyway",
			id, request->app, id);
		return false;
	}
	(void)snprintf(ret_target, RELEASE_ID_SIZE, "%s", release->id);
	return true;
}

struct way_back {
	const char *failed;
	const char (*tried)[RELEASE_ID_SIZE];
	size_t n_tried;
};

enum grade {
	GRADE_GOOD,
	GRADE_NOT_BAD,
	GRADE_ANY,
};

static bool may_go_back_to(const struct way_back *way, const struct release *release,
			   enum grade grade)
{
	if (!release || strcmp(release->id, way->failed) == 0)
		return false;
	for (size_t i = 0; i < way->n_tried; i++)
		if (strcmp(release->id, way->tried[i]) == 0)
			return false;
	return release->state == RELEASE_STATE_GOOD || grade == GRADE_ANY ||
	       (grade == GRADE_NOT_BAD && release->state != RELEASE_STATE_BAD);
}

static const struct release *choose_back(const struct app_view *view,
					 const struct way_back *way,
					 const struct release *live)
{
	const char *previous = app_view_previous(view);
	const struct release *release =
		previous ? app_view_release(view, previous) : NULL;

	if (may_go_back_to(way, live, GRADE_NOT_BAD))
		return live;
	if (may_go_back_to(way, release, GRADE_GOOD))
		return release;
	for (size_t i = 0; view && i < view->n_releases; i++)
		if (may_go_back_to(way, &view->releases[i], GRADE_GOOD))
			return &view->releases[i];
	return may_go_back_to(way, live, GRADE_ANY) ? live : NULL;
}

bool switch_choose_back(const struct app_view *view, const char *failed,
			const char *from, const char (*tried)[RELEASE_ID_SIZE],
			size_t n_tried, char ret_back[RELEASE_ID_SIZE])
{
	const struct way_back way = {failed, tried, n_tried};
	const struct release *back =
		*from ? choose_back(view, &way, app_view_release(view, from)) : NULL;

	if (!back)
		return false;
	(void)snprintf(ret_back, RELEASE_ID_SIZE, "%s", back->id);
	return true;
}

bool switch_has_way_back(const struct app_view *view, const char *unit,
			 const char *releases_dir, struct errinfo *ret_why)
{
	const char *current = app_view_current(view);

	if (!current || view->failed || !view->current_gone)
		return true;
	for (size_t i = 0; i < view->n_releases; i++)
		if (view->releases[i].state == RELEASE_STATE_GOOD)
			return true;
	(void)errinfo_refuse(ret_why, RESULT_FAILED,
			     "%.100s runs, but its release %s is gone, and no other "
			     "good one is left: if the new one fails, there is nothing "
			     "to go back to; put %.120s/%s back, or use --force",
			     unit, current, releases_dir, current);
	return false;
}

static bool has_content(const struct release *release, const struct content *content)
{
	const struct content own = {release->sha256, release->layout};

	return content_is_same(&own, content);
}

bool switch_is_live(const struct app_view *view, const struct content *content)
{
	const char *current = app_view_current(view);
	const struct release *release =
		current ? app_view_release(view, current) : NULL;

	return release && release->state == RELEASE_STATE_GOOD && !view->degraded &&
	       !view->failed && !app_view_confirm(view) &&
	       has_content(release, content);
}

/* What failed, without what was done about it then. */
static int first_clause(const char *reason)
{
	size_t length = strcspn(reason, ";");

	return length < REASON_BYTES_MAX ? (int)length : REASON_BYTES_MAX;
}

bool switch_archive_is_welcome(const struct app_view *view,
			       const struct content *content, struct errinfo *ret_why)
{
	for (size_t i = 0; view && i < view->n_releases; i++) {
		const struct release *release = &view->releases[i];
		const char *reason = release->evidence && release->evidence->reason
					     ? release->evidence->reason
					     : "no word why";

		if (release->state != RELEASE_STATE_BAD ||
		    !has_content(release, content))
			continue;
		(void)errinfo_refuse(ret_why, RESULT_REJECTED,
				     "this archive was release %s, which is bad "
				     "(%.*s); --force deploys it anyway",
				     release->id, first_clause(reason), reason);
		return false;
	}
	return true;
}
