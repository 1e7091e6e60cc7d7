/* /var/lib/deployd/APP/meta/ID: what is known of one release, one JSON object each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/store.h"

uint64_t meta_seq_of_id(const char *release)
{
	const char *dash = strrchr(release, '-');

	return dash ? strtoull(dash + 1, NULL, 10) : 0;
}

static json_t *damaged(const char *release)
{
	return json_pack("{s:i, s:I, s:s, s:b, s:{s:s}}", "schema", 1, "seq",
			 (json_int_t)meta_seq_of_id(release), "state", STORE_UNKNOWN,
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
	r = state_check_schema(store, json_object_get(meta, "schema"), release, ei);
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
			 STORE_UNKNOWN, "bytes", (json_int_t)bytes, "files",
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
	return file_replace(store, store->meta_fd, release, text, ei);
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
