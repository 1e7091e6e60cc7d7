#include "core/app_view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void evidence_free(struct release_evidence *evidence)
{
	if (!evidence)
		return;
	for (size_t i = 0; i < evidence->n_journal; i++)
		free(evidence->journal[i]);
	free(evidence->journal);
	free(evidence->reason);
	free(evidence->unit_result);
	free(evidence->check_output);
	free(evidence);
}

static void release_deinit(struct release *release)
{
	free(release->sha256);
	free(release->layout);
	free(release->version);
	free(release->revision);
	free(release->message);
	free(release->deployed_at);
	evidence_free(release->evidence);
}

static void failure_free(struct app_failure *failure)
{
	if (!failure)
		return;
	free(failure->job);
	free(failure->kind);
	free(failure->result);
	free(failure->message);
	free(failure->time);
	free(failure);
}

void app_view_free(struct app_view *view)
{
	if (!view)
		return;
	for (size_t i = 0; i < view->n_releases; i++)
		release_deinit(&view->releases[i]);
	free(view->releases);
	free(view->degraded);
	free(view->failed);
	free(view->activated_at);
	failure_free(view->failure);
	if (view->hold)
		free(view->hold->reason);
	free(view->hold);
	free(view->confirm);
	free(view);
}

const char *app_view_current(const struct app_view *view)
{
	return view && *view->current ? view->current : NULL;
}

const char *app_view_previous(const struct app_view *view)
{
	return view && *view->previous ? view->previous : NULL;
}

const struct release *app_view_release(const struct app_view *view, const char *id)
{
	for (size_t i = 0; view && i < view->n_releases; i++)
		if (strcmp(view->releases[i].id, id) == 0)
			return &view->releases[i];
	return NULL;
}

const struct app_hold *app_view_hold(const struct app_view *view, int64_t now_sec)
{
	const struct app_hold *hold = view ? view->hold : NULL;

	return hold && (hold->until_sec == 0 || now_sec < hold->until_sec) ? hold
									   : NULL;
}

const struct app_confirm *app_view_confirm(const struct app_view *view)
{
	const struct app_confirm *confirm = view ? view->confirm : NULL;
	const struct release *release;

	if (!confirm)
		return NULL;
	release = app_view_release(view, confirm->release);
	/* The first release of an app has nothing to go back to. */
	if (!*confirm->from && release && release->state == RELEASE_STATE_BAD)
		return NULL;
	return confirm;
}

static const char *const state_names[] = {
	[RELEASE_STATE_STAGED] = "staged",
	[RELEASE_STATE_GOOD] = "good",
	[RELEASE_STATE_BAD] = "bad",
	[RELEASE_STATE_UNKNOWN] = "unknown",
};
static_assert(sizeof(state_names) / sizeof(*state_names) == RELEASE_STATE_COUNT,
	      "every state has a name");

const char *release_state_name(enum release_state state)
{
	assert(state < RELEASE_STATE_COUNT);
	return state_names[state];
}

enum release_state release_state_from_name(const char *name)
{
	enum release_state state = RELEASE_STATE_STAGED;

	while (state < RELEASE_STATE_COUNT &&
	       (!name || strcmp(state_names[state], name) != 0))
		state++;
	return state;
}
