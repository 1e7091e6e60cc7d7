/* What people and health checks think of a release: good, bad, pinned. */
#include <errno.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "store/store.h"

static int load_existing(const struct store *store, const char *release,
			 json_t **ret_meta, struct errinfo *ei)
{
	int r = meta_load_existing(store, release, ret_meta, ei);

	if (r == -ENOENT)
		return errinfo_refuse(ei, RESULT_NOT_FOUND, "there is no release %s",
				      names_release_valid(release) ? release
								   : "of that name");
	return r;
}

static int save_changes(struct store *store, const char *release, const json_t *changes,
			struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL, *before = NULL;
	int r = load_existing(store, release, &meta, ei);

	if (r < 0)
		return r;
	before = json_copy(meta);
	if (!before || json_object_update(meta, (json_t *)changes) < 0)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	/* Nothing new needs no room: that matters on a full disk. */
	return json_equal(meta, before) ? 0 : meta_save(store, release, meta, ei);
}

int mark_set(struct store *store, const char *release, const char *key, json_t *value,
	     struct errinfo *ei)
{
	cleanup_json json_t *changes = json_pack("{s:o}", key, value);

	if (!changes)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	return save_changes(store, release, changes, ei);
}

int mark_state(struct store *store, const char *release, const char *word,
	       const json_t *evidence, struct errinfo *ei)
{
	cleanup_json json_t *changes = NULL;
	bool good = strcmp(word, "good") == 0;

	if (good)
		changes = json_pack("{s:s, s:n, s:b, s:b}", "state", word, "evidence",
				    "damaged", 0, "rolled_back", 0);
	else
		changes = json_pack("{s:s}", "state", word);
	if (changes && !good && evidence && !json_is_null(evidence)) {
		json_t *bounded = evidence_bounded(evidence, ei);

		if (!bounded)
			return -EINVAL;
		(void)json_object_set_new(changes, "evidence", bounded);
	}
	if (!changes)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	return save_changes(store, release, changes, ei);
}

int mark_healthy(struct store *store, const char *current, struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	const char *word;
	int r = *current ? meta_load_existing(store, current, &meta, ei) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	word = json_string_value(json_object_get(meta, "state"));
	return word && strcmp(word, STORE_UNKNOWN) == 0
		       ? mark_state(store, current, "good", NULL, ei)
		       : 0;
}

int verb_mark(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *release, *word;
	json_t *evidence = NULL;
	int r;

	(void)reply;
	r = request_unpack(request, ei, "{s:s, s:s, s?o}", "release", &release, "mark",
			   &word, "evidence", &evidence);
	if (r < 0)
		return r;
	if (strcmp(word, "good") == 0 || strcmp(word, "bad") == 0)
		return mark_state(store, release, word, evidence, ei);
	if (strcmp(word, "pinned") == 0 || strcmp(word, "unpinned") == 0)
		return mark_set(store, release, "pinned",
				json_boolean(strcmp(word, "pinned") == 0), ei);
	return errinfo_refuse(ei, RESULT_FAILED, "bad request: mark");
}
