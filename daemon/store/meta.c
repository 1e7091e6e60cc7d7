/* /var/lib/deployd/APP/meta/ID: what is known of one release, one JSON object each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/store.h"

#define META_BYTES_MAX 65536

json_t *meta_load(const struct store *store, const char *release)
{
	cleanup_free char *text = NULL;
	struct errinfo ignored = {0};
	json_t *meta;

	if (file_read(store->meta_fd, release, META_BYTES_MAX, &text, &ignored) < 0)
		return NULL;
	meta = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(meta) || !json_is_integer(json_object_get(meta, "seq")) ||
	    !json_is_string(json_object_get(meta, "state"))) {
		json_decref(meta);
		return NULL;
	}
	return meta;
}

int meta_save(const struct store *store, const char *release, json_t *meta,
	      struct errinfo *ei)
{
	cleanup_free char *text = json_dumps(meta, JSON_COMPACT);

	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write the release's meta");
	return file_replace(store->meta_fd, release, text, strlen(text), ei);
}

int meta_remove(const struct store *store, const char *release, struct errinfo *ei)
{
	if (unlinkat(store->meta_fd, release, 0) < 0 && errno != ENOENT)
		return errinfo_set(ei, errno, "cannot remove the meta of %s", release);
	return dir_sync(store->meta_fd, "meta", ei);
}
