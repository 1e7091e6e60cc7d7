/* What deployd knows of an app, put together from all that is recorded of it. */
#include "store/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/meta.h"
#include "store/state.h"
#include "store/verbs.h"
#include "util/file.h"
#include "util/json_text.h"
#include "util/treewalk.h"

static bool is_directory(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *describe(const char *id, const json_t *meta)
{
	json_t *entry = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, "
		"s:b, s:o}",
		"id", id, "seq", copy_or_null(meta, "seq"), "state",
		copy_or_null(meta, "state"), "sha256", copy_or_null(meta, "sha256"),
		"layout", copy_or_null(meta, "layout"), "version",
		copy_or_null(meta, "version"), "revision",
		copy_or_null(meta, "revision"), "message",
		copy_or_null(meta, "message"), "bytes", copy_or_null(meta, "bytes"),
		"files", copy_or_null(meta, "files"), "deployed_by",
		copy_or_null(meta, "deployed_by"), "deployed_at",
		copy_or_null(meta, "deployed_at"), "pinned",
		json_is_true(json_object_get(meta, "pinned")), "rolled_back",
		json_is_true(json_object_get(meta, "rolled_back")), "evidence",
		copy_or_null(meta, "evidence"));

	if (entry && json_is_true(json_object_get(meta, "damaged")))
		(void)json_object_set_new(entry, "damaged", json_true());
	return entry;
}

static json_int_t seq_of(const json_t *release)
{
	return json_integer_value(json_object_get(release, "seq"));
}

static int compare_newest_first(const void *a, const void *b)
{
	json_int_t x = seq_of(*(json_t *const *)a), y = seq_of(*(json_t *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *sorted(json_t *releases)
{
	size_t n = json_array_size(releases);
	cleanup_free json_t **list = calloc(n + 1, sizeof(json_t *));
	json_t *result = json_array();

	for (size_t i = 0; list && i < n; i++)
		list[i] = json_array_get(releases, i);
	if (list)
		qsort(list, n, sizeof(json_t *), compare_newest_first);
	for (size_t i = 0; list && i < n; i++)
		(void)json_array_append(result, list[i]);
	return result;
}

struct listing {
	const struct store *store;
	json_t *releases;
};

static int list_one(int dir_fd, const char *name, void *userdata, struct errinfo *ei)
{
	const struct listing *listing = userdata;
	cleanup_json json_t *meta = NULL;
	int r;

	(void)dir_fd;
	r = meta_load_existing(listing->store, name, &meta, ei);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (json_array_append_new(listing->releases, describe(name, meta)) < 0)
		return errinfo_set(ei, ENOMEM, "cannot list the releases");
	return 0;
}

/* Releases are what has a directory and a meta; strangers in releases/ are left alone.
 */
static json_t *list_releases(const struct store *store, struct errinfo *ei)
{
	cleanup_json json_t *releases = json_array();
	struct listing listing = {store, releases};
	json_t *result;

	if (releases && store->releases_fd >= 0 &&
	    dir_for_each(store->meta_fd, list_one, &listing, ei) < 0)
		return NULL;
	result = sorted(releases);
	if (!result)
		(void)errinfo_set(ei, ENOMEM, "cannot list the releases");
	return result;
}

struct retention_release view_release(const json_t *release)
{
	const char *state = json_string_value(json_object_get(release, "state"));
	const char *at = json_string_value(json_object_get(release, "deployed_at"));
	struct retention_release result = {
		.id = json_string_value(json_object_get(release, "id")),
		.seq = (uint64_t)json_integer_value(json_object_get(release, "seq")),
		.content = {json_string_value(json_object_get(release, "sha256")),
			    json_string_value(json_object_get(release, "layout"))},
		.good = state && strcmp(state, "good") == 0,
		.bad = state && strcmp(state, "bad") == 0,
		.unknown = state && strcmp(state, META_UNKNOWN) == 0,
		.rolled_back = json_is_true(json_object_get(release, "rolled_back")),
		.pinned = json_is_true(json_object_get(release, "pinned")),
		.deployed_at_sec = at ? names_rfc3339_parse(at) : 0,
	};

	if (!result.id)
		result.id = "";
	return result;
}

static int set_previous(json_t *view, const char *current, struct errinfo *ei)
{
	const json_t *releases = json_object_get(view, "releases");
	size_t n = json_array_size(releases), at;
	cleanup_free struct retention_release *list = calloc(n + 1, sizeof(*list));

	if (!list)
		return errinfo_set(ei, ENOMEM, "cannot describe the releases");
	for (size_t i = 0; i < n; i++)
		list[i] = view_release(json_array_get(releases, i));
	at = retention_rollback_target(list, n, current);
	if (json_object_set_new(view, "previous",
				at < n ? json_string(list[at].id) : json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot describe the releases");
	return 0;
}

static json_t *borrowed_or_null(const json_t *value)
{
	return value ? json_incref((json_t *)value) : json_null();
}

static json_t *flag_of(const struct store *store)
{
	cleanup_free char *text = NULL;
	struct errinfo ignored = {0};
	json_t *flag = NULL;

	if (file_read(store->state_fd, "flag", STATE_BYTES_MAX, &text, &ignored) == 0)
		flag = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(flag))
		return flag;
	json_decref(flag);
	return json_null();
}

static json_t *hold_of(const struct store *store, const struct store_state *state)
{
	const json_t *hold = json_object_get(state->json, "hold");
	json_int_t until_sec = json_integer_value(json_object_get(hold, "until_sec"));

	if (!json_is_object(hold) || (until_sec > 0 && until_sec <= store->now_sec))
		return json_null();
	return json_incref((json_t *)hold);
}

static int set_deployed_at(const json_t *view, const char *release, const json_t *at,
			   struct errinfo *ei)
{
	const json_t *releases = json_object_get(view, "releases");
	json_t *entry;
	size_t i;

	json_array_foreach ((json_t *)releases, i, entry)
		if (json_is_string(at) &&
		    strcmp(json_string_value(json_object_get(entry, "id")), release) ==
			    0 &&
		    json_object_set(entry, "deployed_at", (json_t *)at) < 0)
			return errinfo_set(ei, ENOMEM, "cannot describe the releases");
	return 0;
}

static int add_state(struct store *store, json_t *view, const char *current,
		     struct errinfo *ei)
{
	struct store_state state = {0};
	int r = state_load(store, &state, ei);
	json_t *more;

	if (r < 0)
		return r;
	more = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "activated_by",
		borrowed_or_null(*current ? state_activated(&state, current, "by")
					  : NULL),
		"activated_at",
		borrowed_or_null(*current ? state_activated(&state, current, "at")
					  : NULL),
		"hold", hold_of(store, &state), "confirm",
		borrowed_or_null(state_confirm(&state, current)), "flag",
		flag_of(store), "failed",
		borrowed_or_null(state_failed(&state, current)), "failure",
		borrowed_or_null(json_object_get(state.json, "failure")));
	if (!more || json_object_update_new(view, more) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot describe the releases");
	if (r == 0 && *current)
		r = set_deployed_at(view, current,
				    state_activated(&state, current, "at"), ei);
	state_deinit(&state);
	return r;
}

/* problem stays empty when there is none. True: what current names is there. */
static bool examine_current(const struct store *store, const json_t *releases,
			    char ret_current[RELEASE_ID_SIZE], struct errinfo *problem)
{
	const json_t *entry;
	bool is_there;
	size_t i;

	if (current_read(store, ret_current, problem) < 0 || ret_current[0] == '\0')
		return true;
	json_array_foreach ((json_t *)releases, i, entry)
		if (strcmp(json_string_value(json_object_get(entry, "id")),
			   ret_current) == 0)
			return true;
	is_there = is_directory(store->releases_fd, ret_current);
	(void)errinfo_refuse(
		problem, RESULT_FAILED,
		is_there ? "current points to %s, which has no record; roll "
			   "back to a release or deploy"
			 : "current points to %s, which is not there; roll back to a "
			   "release or deploy",
		ret_current);
	return is_there;
}

json_t *view_make(struct store *store, struct errinfo *ei)
{
	cleanup_json json_t *view = NULL, *releases = list_releases(store, ei);
	char current[RELEASE_ID_SIZE];
	struct errinfo problem = {0};
	bool is_there;

	if (!releases)
		return NULL;
	is_there = examine_current(store, releases, current, &problem);
	view = json_pack("{s:o, s:n, s:o, s:b, s:O}", "current",
			 current[0] ? json_string(current) : json_null(), "previous",
			 "degraded",
			 problem.what[0] ? json_text(problem.what) : json_null(),
			 "current_gone", !is_there, "releases", releases);
	if (!view) {
		(void)errinfo_set(ei, ENOMEM, "cannot describe the releases");
		return NULL;
	}
	if (add_state(store, view, current, ei) < 0 ||
	    (current[0] && set_previous(view, current, ei) < 0))
		return NULL;
	return steal_ptr(&view);
}

int view_after_switch(json_t *view, const char *release, const json_t *by,
		      const char *at, const json_t *confirm, struct errinfo *ei)
{
	json_t *more = json_pack("{s:s, s:n, s:b, s:n, s:o, s:s, s:o}", "current",
				 release, "degraded", "current_gone", false, "failed",
				 "activated_by", borrowed_or_null(by), "activated_at",
				 at, "confirm", borrowed_or_null(confirm));

	if (!more || json_object_update_new(view, more) < 0)
		return errinfo_set(ei, ENOMEM, "cannot describe the releases");
	if (set_deployed_at(view, release, json_object_get(view, "activated_at"), ei) <
	    0)
		return -ENOMEM;
	return set_previous(view, release, ei);
}

int verb_inspect(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	(void)store, (void)request, (void)reply, (void)ei;
	return 0; /* every reply has the view */
}
