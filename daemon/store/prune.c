/* Removing a release: out of releases/ first, durably, so that half of one is never
 * seen. */
#include "store/prune.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/retention.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/meta.h"
#include "store/state.h"
#include "store/view.h"
#include "util/file.h"
#include "util/json_text.h"
#include "util/treewalk.h"

int prune_one(struct store *store, const char *release, struct errinfo *ei)
{
	char trash[RELEASE_ID_SIZE + sizeof(STORE_TRASH)];
	int r;

	(void)snprintf(trash, sizeof(trash), STORE_TRASH "%s", release);
#ifdef BREAK_PRUNE_IN_PLACE
	(void)trash;
	r = tree_remove(store->releases_fd, release, ei);
	return r == 0 ? meta_remove(store, release, ei) : r;
#endif
	r = tree_remove(store->staging_fd, trash, ei);
	if (r < 0)
		return r;
	if (renameat(store->releases_fd, release, store->staging_fd, trash) < 0)
		return errinfo_set(ei, errno, "cannot remove release %s", release);
	r = dir_sync(store->releases_fd, store->app.releases_dir, ei);
	if (r == 0)
		r = tree_remove(store->staging_fd, trash, ei);
	return r == 0 ? meta_remove(store, release, ei) : r;
}

static bool contains(const json_t *list, const char *id)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)list, i, item) {
		const char *text = json_string_value(item);

		if (text && strcmp(text, id) == 0)
			return true;
	}
	return false;
}

static bool is(const json_t *object, const char *key, const char *id)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && strcmp(text, id) == 0;
}

/* What a switch under way, or one not yet confirmed, comes from or goes to. */
static bool is_needed(const struct store_state *state, const json_t *confirm,
		      const char *id)
{
	return is(state->intent, "from", id) || is(state->intent, "to", id) ||
	       is(confirm, "from", id) || is(confirm, "release", id);
}

static int choose(struct store *store, uint64_t keep, const json_t *in_use,
		  const json_t *view, struct retention_release *list, bool *prune,
		  struct errinfo *ei)
{
	const json_t *releases = json_object_get(view, "releases");
	const char *current = json_string_value(json_object_get(view, "current"));
	size_t n = json_array_size(releases);
	struct store_state state = {0};
	bool current_known = false;
	int r = state_load(store, &state, ei);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const json_t *entry = json_array_get(releases, i);

		list[i] = view_release(entry);
		list[i].in_use =
			contains(in_use, list[i].id) ||
			is_needed(&state, state_confirm(&state, current), list[i].id) ||
			json_is_true(json_object_get(entry, "damaged"));
		current_known |= strcmp(list[i].id, current) == 0;
	}
	if (current_known)
		retention_choose(list, n, current, keep, store->now_sec, prune);
	state_deinit(&state);
	return 0;
}

int prune_releases(struct store *store, uint64_t keep, const json_t *in_use,
		   json_t *pruned, json_t *warnings, struct errinfo *ei)
{
	cleanup_json json_t *view = view_make(store, ei);
	size_t n = json_array_size(json_object_get(view, "releases"));
	cleanup_free struct retention_release *list = zeroed(n + 1, sizeof(*list));
	cleanup_free bool *prune = zeroed(n + 1, sizeof(*prune));
	struct errinfo problem = {0};
	int r;

	if (!view)
		return -EINVAL;
	if (!list || !prune)
		return errinfo_set(ei, ENOMEM, "cannot prune");
	/* Without knowing what is live nothing is removed. */
	if (!json_is_string(json_object_get(view, "current")) ||
	    store->staging_fd < 0 || !json_is_null(json_object_get(view, "degraded")))
		return 0;
	r = choose(store, keep, in_use, view, list, prune, ei);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!prune[i])
			continue;
		if (prune_one(store, list[i].id, &problem) < 0)
			(void)json_array_append_new(warnings, json_text(problem.what));
		else
			(void)json_array_append_new(pruned, json_string(list[i].id));
	}
	return r;
}
