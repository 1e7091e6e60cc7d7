#include "job/app_view_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int64_t number_of(const json_t *object, const char *key)
{
	return (int64_t)json_integer_value(json_object_get(object, key));
}

/* Longer than any id of ours: not one, and so "". */
static void id_of(const json_t *object, const char *key, char ret_id[RELEASE_ID_SIZE])
{
	const char *id = text_of(object, key);

	(void)snprintf(ret_id, RELEASE_ID_SIZE, "%s",
		       id && strlen(id) < RELEASE_ID_SIZE ? id : "");
}

/* False without memory. */
static bool copy_text(const json_t *object, const char *key, char **ret_text)
{
	const char *text = text_of(object, key);

	*ret_text = text ? strdup(text) : NULL;
	return *ret_text || !text;
}

struct person person_from_json(const json_t *person)
{
	const char *user = text_of(person, "user");
	struct person result = {.known = user != NULL,
				.uid = (uid_t)number_of(person, "uid")};

	(void)snprintf(result.user, sizeof(result.user), "%s", user ? user : "");
	return result;
}

json_t *person_to_json(const struct person *person)
{
	if (!person->known)
		return json_null();
	return json_pack("{s:I, s:s}", "uid", (json_int_t)person->uid, "user",
			 person->user);
}

static bool read_lines(const json_t *lines, struct release_evidence *evidence)
{
	json_t *line;
	size_t i;

	evidence->journal = calloc(json_array_size(lines) + 1, sizeof(char *));
	if (!evidence->journal)
		return false;
	json_array_foreach ((json_t *)lines, i, line) {
		char *copy = json_is_string(line) ? strdup(json_string_value(line))
						  : strdup("");

		if (!copy)
			return false;
		evidence->journal[evidence->n_journal++] = copy;
	}
	return true;
}

static bool read_evidence(const json_t *json, struct release *release)
{
	struct release_evidence *evidence;

	if (!json_is_object(json))
		return true;
	evidence = calloc(1, sizeof(*evidence));
	release->evidence = evidence;
	return evidence && copy_text(json, "reason", &evidence->reason) &&
	       copy_text(json, "unit_result", &evidence->unit_result) &&
	       copy_text(json, "check_output", &evidence->check_output) &&
	       read_lines(json_object_get(json, "journal"), evidence);
}

static bool read_release(const json_t *json, struct release *release)
{
	enum release_state state = release_state_from_name(text_of(json, "state"));

	id_of(json, "id", release->id);
	release->state = state == RELEASE_STATE_COUNT ? RELEASE_STATE_STAGED : state;
	release->deployed_by = person_from_json(json_object_get(json, "deployed_by"));
	release->bytes = number_of(json, "bytes");
	release->files = number_of(json, "files");
	release->pinned = json_is_true(json_object_get(json, "pinned"));
	return copy_text(json, "sha256", &release->sha256) &&
	       copy_text(json, "layout", &release->layout) &&
	       copy_text(json, "version", &release->version) &&
	       copy_text(json, "revision", &release->revision) &&
	       copy_text(json, "message", &release->message) &&
	       copy_text(json, "deployed_at", &release->deployed_at) &&
	       read_evidence(json_object_get(json, "evidence"), release);
}

static bool read_releases(const json_t *json, struct app_view *view)
{
	json_t *release;
	size_t i;

	view->releases = calloc(json_array_size(json) + 1, sizeof(*view->releases));
	if (!view->releases)
		return false;
	json_array_foreach ((json_t *)json, i, release)
		if (!read_release(release, &view->releases[view->n_releases++]))
			return false;
	return true;
}

static bool read_failure(const json_t *json, struct app_view *view)
{
	struct app_failure *failure;

	if (!json_is_object(json))
		return true;
	failure = calloc(1, sizeof(*failure));
	view->failure = failure;
	if (!failure)
		return false;
	id_of(json, "release", failure->release);
	failure->by = person_from_json(json_object_get(json, "by"));
	return copy_text(json, "job", &failure->job) &&
	       copy_text(json, "kind", &failure->kind) &&
	       copy_text(json, "result", &failure->result) &&
	       copy_text(json, "message", &failure->message) &&
	       copy_text(json, "time", &failure->time);
}

static bool read_hold(const json_t *json, struct app_view *view)
{
	if (!json_is_object(json))
		return true;
	view->hold = calloc(1, sizeof(*view->hold));
	if (!view->hold)
		return false;
	view->hold->until_sec = number_of(json, "until_sec");
	view->hold->by = person_from_json(json_object_get(json, "by"));
	return copy_text(json, "reason", &view->hold->reason);
}

static bool read_confirm(const json_t *json, struct app_view *view)
{
	if (!json_is_object(json))
		return true;
	view->confirm = calloc(1, sizeof(*view->confirm));
	if (!view->confirm)
		return false;
	id_of(json, "release", view->confirm->release);
	id_of(json, "from", view->confirm->from);
	view->confirm->deadline_sec = number_of(json, "deadline_sec");
	view->confirm->by = person_from_json(json_object_get(json, "by"));
	return true;
}

static bool read_flag(const json_t *json, struct flag_identity *ret_identity)
{
	json_int_t ino, ctime_nsec, mtime_nsec, size;

	if (json_unpack((json_t *)json, "{s:I, s:I, s:I, s:I}", "ino", &ino,
			"ctime_nsec", &ctime_nsec, "mtime_nsec", &mtime_nsec, "size",
			&size) < 0)
		return false;
	*ret_identity = (struct flag_identity){.ino = (uint64_t)ino,
					       .ctime_nsec = ctime_nsec,
					       .mtime_nsec = mtime_nsec,
					       .size = size};
	return true;
}

struct app_view *app_view_from_json(const json_t *json)
{
	struct app_view *view;

	if (!json_is_object(json))
		return NULL;
	view = calloc(1, sizeof(*view));
	if (!view)
		return NULL;
	id_of(json, "current", view->current);
	id_of(json, "previous", view->previous);
	view->current_gone = json_is_true(json_object_get(json, "current_gone"));
	view->activated_by = person_from_json(json_object_get(json, "activated_by"));
	view->have_flag = read_flag(json_object_get(json, "flag"), &view->flag);
	if (copy_text(json, "degraded", &view->degraded) &&
	    copy_text(json, "failed", &view->failed) &&
	    copy_text(json, "activated_at", &view->activated_at) &&
	    read_failure(json_object_get(json, "failure"), view) &&
	    read_hold(json_object_get(json, "hold"), view) &&
	    read_confirm(json_object_get(json, "confirm"), view) &&
	    read_releases(json_object_get(json, "releases"), view))
		return view;
	app_view_free(view);
	return NULL;
}

static struct way_back way_back_from_json(const json_t *json)
{
	const char *reason = text_of(json, "reason"), *kind = text_of(json, "failure");
	struct way_back way = {
		.release_failed = kind != NULL,
		.failure = {.kind = failure_kind_from_name(kind ? kind : ""),
			    .step = (int32_t)number_of(json, "step"),
			    .errnum = (int)number_of(json, "errnum")},
		.stop_failed = json_is_true(json_object_get(json, "stop_failed"))};
	const json_t *id;
	size_t i;

	id_of(json, "release", way.release);
	id_of(json, "live", way.live);
	/* One place is left: for the release that it is going back to. */
	json_array_foreach (json_object_get(json, "tried"), i, id)
		if (way.n_tried < WAY_BACK_MAX - 1)
			(void)snprintf(way.tried[way.n_tried++], RELEASE_ID_SIZE, "%s",
				       json_is_string(id) ? json_string_value(id) : "");
	(void)snprintf(way.reason, sizeof(way.reason), "%s", reason ? reason : "");
	return way;
}

bool pending_from_json(const json_t *json, struct pending_switch *ret_pending)
{
	const char *kind = text_of(json, "kind"), *job = text_of(json, "job");
	struct pending_switch pending = {
		.is_revert = kind && strcmp(kind, "revert") == 0,
		.same_boot = json_is_true(json_object_get(json, "same_boot")),
		.by = person_from_json(json_object_get(json, "by")),
		.way_back = way_back_from_json(json_object_get(json, "way_back")),
		.confirm_deadline_sec =
			number_of(json_object_get(json, "confirm"), "deadline_sec")};
	const char *key = text_of(json, "key");

	if (!json_is_object(json))
		return false;
	id_of(json, "to", pending.to);
	id_of(json, "from", pending.from);
	(void)snprintf(pending.job, sizeof(pending.job), "%s",
		       job && strlen(job) < sizeof(pending.job) ? job : "");
	if (key && replay_key_is_valid(key))
		(void)snprintf(pending.key, sizeof(pending.key), "%s", key);
	*ret_pending = pending;
	return true;
}
