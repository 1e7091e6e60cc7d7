/*
 * Turns what deployd-unpack left in staging into a release. Nothing that the unpacker
 * said is believed: every inode is examined again, before it becomes root's.
 * The order: verify and own all, meta, syncfs, rename, fsync.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/layout.h"
#include "store/linked.h"
#include "store/meta.h"
#include "store/request.h"
#include "store/verbs.h"
#include "util/file.h"
#include "util/inode.h"
#include "util/release_tree.h"

#define UNPACKED_FD 1 /* see protocol.h */

static int check_required(int root_fd, const json_t *required, struct errinfo *ei)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)required, i, item) {
		const char *path = json_string_value(item);
		char shown[256];
		cleanup_close int fd = inode_find(root_fd, path);

		if (fd == -ENAMETOOLONG)
			return request_refuse("require", ei);
		if (fd < 0)
			return errinfo_refuse(ei, RESULT_REJECTED,
					      "the archive has no '%s', which "
					      "require_files asks for",
					      names_escape(path, shown, sizeof(shown)));
	}
	return 0;
}

/*
 * A write that fails is told once to every fd that was open before: with one opened
 * now, what another app's syncfs() has heard already would be lost.
 */
static int fd_for_sync(int fd, const struct stat *st)
{
	struct stat unpacked;

	if (fstat(UNPACKED_FD, &unpacked) == 0 && S_ISDIR(unpacked.st_mode) &&
	    unpacked.st_dev == st->st_dev && unpacked.st_ino == st->st_ino)
		return UNPACKED_FD;
	return fd;
}

static int make_durable(int fd, struct errinfo *ei)
{
#ifdef BREAK_NO_SYNCFS
	(void)fd;
	(void)ei;
	return 0;
#else
	int r = syncfs(fd);

#ifdef BREAK_SYNCFS_ERROR_IGNORED
	r = 0;
#endif
	if (r < 0)
		return errinfo_set(ei, errno, "cannot make the release durable");
	return 0;
#endif
}

static int sync_releases(const struct store *store, struct errinfo *ei)
{
#ifdef BREAK_NO_FSYNC_RELEASES
	(void)store;
	(void)ei;
	return 0;
#else
	int r = dir_sync(store->releases_fd, store->app.releases_dir, ei);

	return r < 0 ? r : dir_sync(store->staging_fd, STORE_STAGING, ei);
#endif
}

static int save_meta(struct store *store, const char *release, json_t *meta,
		     const struct release_tree *tree, struct errinfo *ei)
{
	char at[RFC3339_SIZE];
	json_t *more;

	names_rfc3339(store->now_sec, at);
	more = json_pack("{s:i, s:I, s:s, s:I, s:I, s:s, s:b, s:b}", "schema", 1, "seq",
			 (json_int_t)meta_seq_of_id(release), "state", "staged",
			 "bytes", (json_int_t)tree->bytes, "files",
			 (json_int_t)tree->files, "deployed_at", at, "pinned", 0,
			 "rolled_back", 0);
	if (!more || json_object_update_new(meta, more) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the release's meta");
	return meta_save(store, release, meta, ei);
}

/* When it fails the release is in staging, for discard to remove. */
static int move_into_place(const struct store *store, const char *release,
			   struct errinfo *ei)
{
	int r;

	if (renameat2(store->staging_fd, release, store->releases_fd, release,
		      RENAME_NOREPLACE) < 0)
		return layout_write_failed(store, errno,
					   "cannot move the release into place", ei);
	r = sync_releases(store, ei);
	if (r < 0)
		(void)renameat2(store->releases_fd, release, store->staging_fd, release,
				RENAME_NOREPLACE);
	return r;
}

static int link_shared(struct store *store, int root_fd, const json_t *request,
		       struct errinfo *ei)
{
	const json_t *dirs = request_get(request, "linked_dirs");
	const json_t *files = request_get(request, "linked_files");
	int64_t app_uid = request_int(request, "app_uid");
	cleanup_json json_t *none = json_array();

	if (!dirs && !files)
		return 0;
	if (app_uid <= 0 || app_uid >= UINT32_MAX)
		return request_refuse("app_uid", ei);
	if (!none)
		return errinfo_set(ei, ENOMEM, "cannot link");
	return linked_make(store, root_fd, dirs ? dirs : none, files ? files : none,
			   (uid_t)app_uid, ei);
}

static int seal_release(struct store *store, struct release_tree *tree,
			const char *release, const json_t *request, struct errinfo *ei)
{
	json_t *meta = request_get(request, "meta");
	cleanup_close int fd = -1;
	struct stat st = {0};
	int r;

	fd = openat(store->staging_fd, release,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the staging directory");
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine the staging directory");
	tree->root_fd = fd;
	r = release_tree_take(tree, store->app.app_gid, ei);
	if (r == 0)
		r = check_required(fd, request_get(request, "require"), ei);
	if (r == 0)
		r = link_shared(store, fd, request, ei);
#ifndef BREAK_META_AFTER_RENAME
	if (r == 0)
		r = save_meta(store, release, meta, tree, ei);
#endif
	if (r == 0)
		r = make_durable(fd_for_sync(fd, &st), ei);
	if (r == 0)
		r = move_into_place(store, release, ei);
#ifdef BREAK_META_AFTER_RENAME
	if (r == 0)
		r = save_meta(store, release, meta, tree, ei);
#endif
	return r;
}

int verb_seal(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	struct release_tree tree = {.root_fd = -1,
				    .unpack_uid = store->app.unpack_uid,
				    .link_targets = store->app.link_targets};
	const char *release = request_text(request, "release");
	json_t *meta = request_get(request, "meta");
	int r;

	if (!names_release_valid(release) || store->staging_fd < 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "bad request: nothing to seal");
	if (json_dumpb(meta, NULL, 0, JSON_COMPACT) > META_REQUEST_MAX)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "version, revision and message are too long");
	tree.max_bytes = (uint64_t)request_int(request, "max_bytes");
	tree.max_entries = (uint64_t)request_int(request, "max_entries");
	tree.max_depth = (uint64_t)request_int(request, "max_depth");
	r = seal_release(store, &tree, release, request, ei);
	release_tree_deinit(&tree);
	if (r < 0)
		return r;
	if (json_object_set_new(reply, "bytes", json_integer((json_int_t)tree.bytes)) <
		    0 ||
	    json_object_set_new(reply, "files", json_integer((json_int_t)tree.files)) <
		    0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}
