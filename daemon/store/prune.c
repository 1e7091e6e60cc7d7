/* Removing a release: out of releases/ first, durably, so that half of one is never
 * seen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/retention.h"
#include "deploy/cleanup.h"
#include "store/store.h"
#include "util/treewalk.h"

static int prune_one(struct store *store, const char *release, struct errinfo *ei)
{
	char trash[RELEASE_ID_SIZE + sizeof(STORE_TRASH)];
	int r;

	(void)snprintf(trash, sizeof(trash), STORE_TRASH "%s", release);
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

int prune_releases(struct store *store, uint64_t keep, const json_t *in_use,
		   json_t *pruned, struct errinfo *ei)
{
	cleanup_json json_t *view = view_make(store, ei);
	const json_t *releases = json_object_get(view, "releases");
	const char *current = json_string_value(json_object_get(view, "current"));
	size_t n = json_array_size(releases);
	cleanup_free struct retention_release *list = calloc(n + 1, sizeof(*list));
	cleanup_free bool *prune = calloc(n + 1, sizeof(*prune));
	int r = 0;

	if (!view || !list || !prune)
		return errinfo_set(ei, ENOMEM, "cannot prune");
	/* Without knowing what is live nothing is removed. */
	if (!current || store->staging_fd < 0 ||
	    !json_is_null(json_object_get(view, "degraded")))
		return 0;
	for (size_t i = 0; i < n; i++) {
		list[i] = retention_release_from_json(json_array_get(releases, i));
		list[i].in_use = contains(in_use, list[i].id);
	}
	retention_choose(list, n, current, keep, store->now_sec, prune);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (!prune[i])
			continue;
		r = prune_one(store, list[i].id, ei);
		if (r == 0)
			(void)json_array_append_new(pruned, json_string(list[i].id));
	}
	return r;
}
