/* What is being unpacked: its room, its directory, and its end when it failed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/limits.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/layout.h"
#include "store/meta.h"
#include "store/prune.h"
#include "store/request.h"
#include "store/room.h"
#include "store/state.h"
#include "store/verbs.h"
#include "util/treewalk.h"

static int check_room(const struct store *store, uint64_t bytes, uint64_t inodes,
		      struct errinfo *ei)
{
	struct statvfs fs;
	uint64_t free_bytes;

	if (fstatvfs(store->releases_fd, &fs) < 0)
		return errinfo_set(ei, errno, "cannot examine the file system of '%s'",
				   store->app.releases_dir);
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes < bytes)
		return errinfo_refuse(
			ei, RESULT_NO_SPACE,
			"'%s' has %llu MiB free, %llu MiB are wanted: free "
			"%llu MiB, or lower reserve_bytes",
			store->app.releases_dir, (unsigned long long)(free_bytes >> 20),
			(unsigned long long)(bytes >> 20),
			(unsigned long long)((bytes - free_bytes) >> 20) + 1);
	/* File systems without a fixed number of inodes say 0 of 0 (btrfs). */
	if (fs.f_files > 0 && fs.f_favail < inodes)
		return errinfo_refuse(
			ei, RESULT_NO_SPACE,
			"'%s' has %llu free inodes, %llu are wanted: remove "
			"files",
			store->app.releases_dir, (unsigned long long)fs.f_favail,
			(unsigned long long)inodes);
	return 0;
}

/* Takes the next sequence number for good: it never comes back, also after a failure.
 */
static int next_release(struct store *store, char ret_release[RELEASE_ID_SIZE],
			struct errinfo *ei)
{
	struct store_state state = {0};
	int r;

	r = state_load(store, &state, ei);
	if (r < 0)
		return r;
	names_release_format(store->now_sec, ++state.seq, ret_release);
	r = state_save(store, &state, ei);
	state_deinit(&state);
	return r;
}

int verb_prepare(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_close int fd = -1;
	char release[RELEASE_ID_SIZE],
		staging[APP_DIR_MAX + sizeof("/" STORE_STAGING "/") + RELEASE_ID_SIZE];
	int64_t bytes = request_int(request, "need_bytes");
	int64_t inodes = request_int(request, "max_entries");
	int r = 0;

	if (bytes < 0 || inodes < 0)
		r = request_refuse("room", ei);
	if (r == 0)
		r = check_room(store, (uint64_t)bytes, (uint64_t)inodes, ei);
	/* Leftovers of earlier failures may be what fills the disk. */
	if (r < 0 && ei->result == RESULT_NO_SPACE) {
		r = room_empty_staging(store, NULL, ei);
		if (r == 0)
			r = check_room(store, (uint64_t)bytes, (uint64_t)inodes, ei);
	}
	if (r == 0)
		r = next_release(store, release, ei);
	if (r < 0)
		return r;
	if (mkdirat(store->staging_fd, release, 0700) < 0)
		return layout_write_failed(store, errno,
					   "cannot make the staging directory", ei);
	fd = openat(store->staging_fd, release,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the staging directory");
	/* Group root may enter: root has no CAP_DAC_OVERRIDE here. */
	if (fchmod(fd, 0750) < 0 || fchown(fd, store->app.unpack_uid, 0) < 0)
		return errinfo_set(ei, errno, "cannot hand over the staging directory");
	(void)snprintf(staging, sizeof(staging), "%s/%s/%s", store->app.releases_dir,
		       STORE_STAGING, release);
	if (json_object_set_new(reply, "release", json_string(release)) < 0 ||
	    json_object_set_new(reply, "staging", json_string(staging)) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	room_keep(store);
	return 0;
}

/* Sealed when its caller did not hear of it any more: nobody has it, or will. */
static int discard_sealed(struct store *store, const char *release, json_t *meta,
			  struct errinfo *ei)
{
	struct store_state state = {0};
	char current[RELEASE_ID_SIZE];
	const char *to, *word = json_string_value(json_object_get(meta, "state"));
	int r;

	r = current_read(store, current, ei);
	if (r == 0)
		r = state_load(store, &state, ei);
	if (r < 0)
		return r;
	to = json_string_value(json_object_get(state.intent, "to"));
	if (word && strcmp(word, "staged") == 0 && strcmp(release, current) != 0 &&
	    !(to && strcmp(release, to) == 0) &&
	    !json_is_true(json_object_get(meta, "pinned")))
		r = prune_one(store, release, ei);
	state_deinit(&state);
	return r;
}

int verb_discard(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	const char *release = request_text(request, "release");
	int r;

	(void)reply;
	if (!names_release_valid(release))
		return errinfo_refuse(ei, RESULT_FAILED, "not a release id");
	if (store->staging_fd < 0)
		return 0;
	r = tree_remove(store->staging_fd, release, ei);
	if (r < 0)
		return r;
	r = meta_load_existing(store, release, &meta, ei);
	if (r == -ENOENT)
		return meta_remove(store, release, ei);
	return r < 0 ? r : discard_sealed(store, release, meta, ei);
}
