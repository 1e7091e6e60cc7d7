/*
 * /var/lib/deployd/APP/meta/ID: what is known of one release, one JSON object each;
 * also what people and health checks think of it: good, bad, pinned.
 */
#include "store/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/evidence.h"
#include "store/record.h"
#include "store/request.h"
#include "store/verbs.h"
#include "util/file.h"

uint64_t meta_seq_of_id(const char *release)
{
	const char *dash = strrchr(release, '-');

	return dash ? strtoull(dash + 1, NULL, 10) : 0;
}

static json_t *damaged(const char *release)
{
	return json_pack("{s:i, s:I, s:s, s:b, s:{s:s}}", "schema", 1, "seq",
			 (json_int_t)meta_seq_of_id(release), "state", META_UNKNOWN,
			 "damaged", 1, "evidence", "reason",
			 "the record of this release is damaged; it is good once it "
			 "was seen healthy");
}

static json_t *verified(const char *text)
{
	json_t *meta = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(meta) &&
	    json_integer_value(json_object_get(meta, "seq")) >= 0 &&
	    json_is_integer(json_object_get(meta, "seq")) &&
	    json_is_string(json_object_get(meta, "state")))
		return meta;
	json_decref(meta);
	return NULL;
}

int meta_load(const struct store *store, const char *release, json_t **ret_meta,
	      struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	json_t *meta = NULL;
	int r;

	r = file_read(store->meta_fd, release, META_BYTES_MAX, &text, ei);
	if (r < 0 && !file_is_damaged(r))
		return r;
	if (r == 0)
		meta = verified(text);
	r = record_check_schema(store, json_object_get(meta, "schema"), release, ei);
	if (r < 0) {
		json_decref(meta);
		return r;
	}
	if (!meta)
		meta = damaged(release);
	if (!meta)
		return errinfo_set(ei, ENOMEM, "cannot read the release's meta");
	*ret_meta = meta;
	return 0;
}

int meta_rebuild(struct store *store, const char *release, uint64_t bytes,
		 uint64_t files, struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	/* The id begins with the time: 20260131T120000Z-0001, or 20181114072116. */
	const char *clock = release + (release[8] == 'T' ? 9 : 8);
	char at[RFC3339_SIZE];

	(void)snprintf(at, sizeof(at), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", release,
		       release + 4, release + 6, clock, clock + 2, clock + 4);
	meta = json_pack("{s:i, s:I, s:s, s:I, s:I, s:s, s:b, s:b, s:{s:s}}", "schema",
			 1, "seq", (json_int_t)meta_seq_of_id(release), "state",
			 META_UNKNOWN, "bytes", (json_int_t)bytes, "files",
			 (json_int_t)files, "deployed_at", at, "pinned", 0,
			 "rolled_back", 0, "evidence", "reason",
			 "the record of this release was lost or damaged; it is good "
			 "once it was seen healthy");
	if (!meta)
		return errinfo_set(ei, ENOMEM, "cannot write the release's meta");
	return meta_save(store, release, meta, ei);
}

int meta_load_existing(const struct store *store, const char *release,
		       json_t **ret_meta, struct errinfo *ei)
{
	struct stat st;

	if (!names_release_valid(release) || store->releases_fd < 0)
		return -ENOENT;
	if (fstatat(store->releases_fd, release, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return -ENOENT;
		return errinfo_set(ei, errno, "cannot examine release %s", release);
	}
	return S_ISDIR(st.st_mode) ? meta_load(store, release, ret_meta, ei) : -ENOENT;
}

int meta_save(struct store *store, const char *release, json_t *meta,
	      struct errinfo *ei)
{
	cleanup_free char *text = json_dumps(meta, JSON_COMPACT);

	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write the release's meta");
	if (strlen(text) > META_BYTES_MAX)
		return errinfo_set(ei, EFBIG, "cannot write the release's meta");
	return record_replace(store, store->meta_fd, release, text, ei);
}

int meta_remove(const struct store *store, const char *release, struct errinfo *ei)
{
	if (unlinkat(store->meta_fd, release, 0) < 0) {
		if (errno == ENOENT)
			return 0;
		return errinfo_set(ei, errno, "cannot remove the meta of %s", release);
	}
	return dir_sync(store->meta_fd, "meta", ei);
}

static int load_existing(const struct store *store, const char *release,
			 json_t **ret_meta, struct errinfo *ei)
{
	int r = meta_load_existing(store, release, ret_meta, ei);

	if (r == -ENOENT)
		return errinfo_refuse(ei, RESULT_NOT_FOUND, "no release %s",
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
	if (!meta || !before || json_object_update(meta, (json_t *)changes) < 0)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	/* Nothing new needs no room: that matters on a full disk. */
	return json_equal(meta, before) ? 0 : meta_save(store, release, meta, ei);
}

int meta_set(struct store *store, const char *release, const char *key, json_t *value,
	     struct errinfo *ei)
{
	cleanup_json json_t *changes = json_pack("{s:o}", key, value);

	if (!changes)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	return save_changes(store, release, changes, ei);
}

int meta_mark(struct store *store, const char *release, const char *word,
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
		json_t *bounded = evidence_bounded(evidence);

		if (!bounded)
			return errinfo_set(ei, ENOMEM, "cannot keep the evidence");
		(void)json_object_set_new(changes, "evidence", bounded);
	}
	if (!changes)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	return save_changes(store, release, changes, ei);
}

int meta_mark_healthy(struct store *store, const char *current, struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	const char *word;
	int r = *current ? meta_load_existing(store, current, &meta, ei) : -ENOENT;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	word = json_string_value(json_object_get(meta, "state"));
	return word && strcmp(word, META_UNKNOWN) == 0
		       ? meta_mark(store, current, "good", NULL, ei)
		       : 0;
}

int verb_mark(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *release = request_text(request, "release");
	const char *word = request_text(request, "mark");

	(void)reply;
	if (strcmp(word, "good") == 0 || strcmp(word, "bad") == 0)
		return meta_mark(store, release, word, request_get(request, "evidence"),
				 ei);
	if (strcmp(word, "pinned") == 0 || strcmp(word, "unpinned") == 0)
		return meta_set(store, release, "pinned",
				json_boolean(strcmp(word, "pinned") == 0), ei);
	return request_refuse("mark", ei);
}
