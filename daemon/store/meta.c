/* /var/lib/deployd/APP/meta/ID: what is known of one release, one JSON object each. */
#include <errno.h>
#include <fcntl.h>
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
			 (json_int_t)meta_seq_of_id(release), "state", "bad", "damaged",
			 1, "evidence", "reason",
			 "the record of this release is damaged; if it is good, say "
			 "so: deployctl mark-good");
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
	if (!meta)
		meta = damaged(release);
	if (!meta)
		return errinfo_set(ei, ENOMEM, "cannot read the release's meta");
	*ret_meta = meta;
	return 0;
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
