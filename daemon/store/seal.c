/*
 * Turns what deployd-unpack left in staging into a release. Nothing that the unpacker
 * said is believed: every inode is looked at again, before anything of it becomes
 * root's. The order: verify all, own all, meta, syncfs, rename, fsync.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/inode.h"
#include "store/store.h"
#include "util/treewalk.h"

#define UNPACKED_FD 1 /* see store.h */

struct seal {
	const struct store *store;
	int root_fd;
	uint64_t max_bytes, max_entries, max_depth;
	uint64_t bytes, entries, files;
	struct treewalk_mount mount;
	struct inode_links links;
};

static int check_mount(const struct seal *seal, const struct tree_entry *entry,
		       struct errinfo *ei)
{
	struct treewalk_mount mount = {0};
	int r = treewalk_mount_of(entry->fd, &mount);

	if (r < 0)
		return errinfo_set(ei, r, "cannot examine the release");
	return treewalk_mount_same(&mount, &seal->mount)
		       ? 0
		       : inode_refuse(ei, entry, "is on another file system");
}

static int check_inode(const struct seal *seal, const struct tree_entry *entry,
		       struct errinfo *ei)
{
	const struct stat *st = &entry->st;

#ifndef BREAK_SEAL_ANY_OWNER
	if (st->st_uid != seal->store->app.unpack_uid)
		return inode_refuse(ei, entry, "does not belong to the unpacker");
#endif
#ifndef BREAK_SEAL_ANY_TYPE
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) && !S_ISLNK(st->st_mode))
		return inode_refuse(ei, entry, "is neither file, directory nor link");
#endif
#ifndef BREAK_SEAL_SETUID
	if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0)
		return inode_refuse(ei, entry, "has a setuid, setgid or sticky bit");
#endif
	return check_mount(seal, entry, ei);
}

static int verify(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct seal *seal = userdata;
	const struct stat *st = &entry->st;
	int r;

	if (++seal->entries > seal->max_entries)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_entries (%llu) entries",
				      (unsigned long long)seal->max_entries);
	if (entry->depth > seal->max_depth)
		return inode_refuse(ei, entry, "is nested deeper than max_depth");
	r = check_inode(seal, entry, ei);
	if (r < 0)
		return r;
	if (S_ISLNK(st->st_mode))
		return inode_check_link(seal->root_fd, entry,
					seal->store->app.link_targets, ei);
#ifndef BREAK_SEAL_XATTRS
	if (inode_has_foreign_xattr(entry->fd))
		return inode_refuse(ei, entry, "has extended attributes");
#endif
	if (S_ISDIR(st->st_mode))
		return 0;
	if (st->st_nlink > 1 && inode_links_add(&seal->links, st) < 0)
		return errinfo_set(ei, ENOMEM, "cannot verify the release");
	seal->files++;
	seal->bytes += (uint64_t)st->st_size;
	if (seal->bytes > seal->max_bytes)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "more than max_release_bytes (%llu) bytes",
				      (unsigned long long)seal->max_bytes);
	return 0;
}

static int own(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	const struct seal *seal = userdata;
	char path[256];
	int r;

	/* Another name of a file that is ours by now is all that may have changed. */
	if (entry->st.st_uid != 0 || entry->st.st_nlink < 2 ||
	    !S_ISREG(entry->st.st_mode)) {
		r = check_inode(seal, entry, ei);
		if (r < 0)
			return r;
	}
	r = inode_own(entry->fd, &entry->st, inode_mode(&entry->st),
		      seal->store->app.app_gid);
	return r < 0 ? errinfo_set(ei, r, "cannot take over '%s'",
				   names_escape(entry->path, path, sizeof(path)))
		     : 0;
}

static int check_required(int root_fd, const json_t *required, struct errinfo *ei)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)required, i, item) {
		const char *path = json_string_value(item);
		char shown[256];
		cleanup_close int fd = path ? inode_find(root_fd, path) : -1;

		if (!path || fd == -ENAMETOOLONG)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "bad request: require");
		if (fd < 0)
			return errinfo_refuse(ei, RESULT_REJECTED,
					      "the archive has no '%s', which "
					      "require_files asks for",
					      names_escape(path, shown, sizeof(shown)));
	}
	return 0;
}

static int verify_tree(int fd, struct seal *seal, struct errinfo *ei)
{
	int r = tree_walk(fd, false, verify, seal, ei);

	return r < 0 ? r : inode_links_check(&seal->links, ei);
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

static int start(struct seal *seal, int fd, struct stat *ret_st, struct errinfo *ei)
{
	int r = treewalk_mount_of(fd, &seal->mount);

	if (r < 0 || fstat(fd, ret_st) < 0)
		return errinfo_set(ei, r < 0 ? r : errno,
				   "cannot examine the staging directory");
	if (ret_st->st_uid != seal->store->app.unpack_uid)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "the staging directory changed hands");
	return 0;
}

static int save_meta(struct store *store, const char *release, json_t *meta,
		     const struct seal *seal, struct errinfo *ei)
{
	char at[RFC3339_SIZE];
	json_t *more;

	names_rfc3339(store->now_sec, at);
	more = json_pack("{s:i, s:I, s:s, s:I, s:I, s:s, s:b, s:b}", "schema", 1, "seq",
			 (json_int_t)meta_seq_of_id(release), "state", "staged",
			 "bytes", (json_int_t)seal->bytes, "files",
			 (json_int_t)seal->files, "deployed_at", at, "pinned", 0,
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

static int seal_release(struct store *store, struct seal *seal, const char *release,
			const json_t *required, json_t *meta, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	struct stat st = {0};
	int r;

	fd = openat(store->staging_fd, release,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the staging directory");
	seal->root_fd = fd;
	r = start(seal, fd, &st, ei);
	if (r == 0)
		r = verify_tree(fd, seal, ei);
	if (r == 0)
		r = check_required(fd, required, ei);
	if (r == 0)
		r = tree_walk(fd, true, own, seal, ei);
	if (r == 0 && (fchown(fd, 0, store->app.app_gid) < 0 || fchmod(fd, 0750) < 0))
		r = errinfo_set(ei, errno, "cannot take over the release");
#ifndef BREAK_META_AFTER_RENAME
	if (r == 0)
		r = save_meta(store, release, meta, seal, ei);
#endif
	if (r == 0)
		r = make_durable(fd_for_sync(fd, &st), ei);
	if (r == 0)
		r = move_into_place(store, release, ei);
#ifdef BREAK_META_AFTER_RENAME
	if (r == 0)
		r = save_meta(store, release, meta, seal, ei);
#endif
	return r;
}

int verb_seal(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	struct seal seal = {.store = store};
	json_int_t bytes, entries, depth;
	const char *release;
	json_t *required, *meta;
	int r;

	r = request_unpack(request, ei, "{s:s, s:I, s:I, s:I, s:o, s:o}", "release",
			   &release, "max_bytes", &bytes, "max_entries", &entries,
			   "max_depth", &depth, "require", &required, "meta", &meta);
	if (r < 0)
		return r;
	if (!names_release_valid(release) || !json_is_object(meta) ||
	    store->staging_fd < 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "bad request: nothing to seal");
	if (json_dumpb(meta, NULL, 0, JSON_COMPACT) > META_REQUEST_MAX)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "version, revision and message are too long");
	seal.max_bytes = (uint64_t)bytes;
	seal.max_entries = (uint64_t)entries;
	seal.max_depth = (uint64_t)depth;
	r = seal_release(store, &seal, release, required, meta, ei);
	inode_links_deinit(&seal.links);
	if (r < 0)
		return r;
	if (json_object_set_new(reply, "bytes", json_integer((json_int_t)seal.bytes)) <
		    0 ||
	    json_object_set_new(reply, "files", json_integer((json_int_t)seal.files)) <
		    0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}
