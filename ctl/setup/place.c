#include "setup/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "setup/chase.h"
#include "setup/manifest.h"
#include "setup/tree.h"
#include "util/fdio.h"
#include "util/newfile.h"

#define READ_BYTES 65536

static int make_parent(int dir_fd, const char *name, const char *path, void *userdata,
		       struct errinfo *ei)
{
	struct setup *setup = userdata;
	int r;

	/* What create-dirs would make is said there. */
	if (setup->dry_run) {
		struct tree tree;
		bool is_said;

		r = tree_of(setup->app, &tree);
		is_said = r == 0 && tree_find(&tree, path);
		tree_deinit(&tree);
		if (!is_said)
			setup_say(setup, "create", path, "directory root:root 0755");
		return -ENOENT;
	}
	setup_say(setup, "create", path, "directory root:root 0755");
	r = manifest_add(setup, MANIFEST_DIRECTORY, path, ei);
	if (r < 0)
		return r;
	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return errinfo_set(ei, errno, "cannot make '%s%s'", setup->destdir,
				   path);
	return 0;
}

/*
 * A tree that is packed must not hold a directory /lib: unpacked over a machine where
 * that is a link to usr/lib, tar puts the directory in place of the link, and nothing
 * on that machine starts any more. So such paths go to /usr right away.
 */
static bool belongs_in_usr(const struct setup *setup, const char *path)
{
	static const char *const merged[] = {"/bin", "/sbin", "/lib"};
	struct stat st;

	for (size_t i = 0; setup_is_staging(setup) && i < 3; i++)
		if (tree_is_below(path, merged[i]))
			return lstat(merged[i], &st) == 0 && S_ISLNK(st.st_mode) &&
			       fstatat(setup->root_fd, merged[i] + 1, &st,
				       AT_SYMLINK_NOFOLLOW) < 0;
	return false;
}

int place_open_dir(struct setup *setup, const char *path, bool make, int *ret_fd,
		   struct errinfo *ei)
{
	char in_usr[PATH_MAX];

	if (belongs_in_usr(setup, path)) {
		(void)snprintf(in_usr, sizeof(in_usr), "/usr%s", path);
		path = in_usr;
	}
	return chase_open(&(struct chase){.root_fd = setup->root_fd,
					  .make = make ? make_parent : NULL,
					  .userdata = setup},
			  path, ret_fd, ei);
}

int place_open_parent(struct setup *setup, const char *path, bool make, int *ret_fd,
		      const char **ret_name, struct errinfo *ei)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];

	if (!slash || slash[1] == '\0' || (size_t)(slash - path) >= sizeof(parent))
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s' cannot be the path of "
				      "a file",
				      path);
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	*ret_name = slash + 1;
	return place_open_dir(setup, parent, make, ret_fd, ei);
}

int place_stat(struct setup *setup, const char *path, struct stat *ret_stat,
	       struct errinfo *ei)
{
	cleanup_close int fd = -1;
	const char *name;
	int r = place_open_parent(setup, path, false, &fd, &name, ei);

	if (r < 0)
		return r;
	if (fstatat(fd, name, ret_stat, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return errno == ENOENT ? -ENOENT
			       : errinfo_set(ei, errno, "cannot examine '%s%s'",
					     setup->destdir, path);
}

/* "root:foo", with the mode. */
static void describe(const struct owner *owner, mode_t mode, char *ret_text,
		     size_t size)
{
	(void)snprintf(ret_text, size, "%s:%s %04o", owner->user, owner->group,
		       (unsigned int)mode);
}

static bool owner_differs(const struct setup *setup, const struct owner *owner,
			  const struct stat *st)
{
	return setup->is_root &&
	       ((owner->uid != (uid_t)-1 && owner->uid != st->st_uid) ||
		(owner->gid != (gid_t)-1 && owner->gid != st->st_gid));
}

/* Owner first: chown(2) takes setuid bits away, and never leaves a wider mode. */
static int set_owner_and_mode(const struct setup *setup, int fd,
			      const struct owner *owner, mode_t mode)
{
	char link[64];

	if (setup->is_root &&
	    fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	/* fchmod(2) does not take O_PATH. */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return chmod(link, mode) < 0 ? -errno : 0;
}

int place_repair(struct setup *setup, int fd, const char *path,
		 const struct owner *owner, mode_t mode, struct errinfo *ei)
{
	char want[160];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s%s'", setup->destdir,
				   path);
	if (!owner_differs(setup, owner, &st) && (st.st_mode & 07777) == mode)
		return 0;
	/*
	 * Another name of the file may be one that must not change hands; those of a
	 * release are the same owner's.
	 */
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && owner_differs(setup, owner, &st))
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s%s' has %lu names (hard links); its owner "
				      "and mode are not changed: put a copy in its "
				      "place",
				      setup->destdir, path, (unsigned long)st.st_nlink);
	describe(owner, mode, want, sizeof(want));
	setup_say(setup, "repair", path, "%u:%u %04o becomes %s",
		  (unsigned int)st.st_uid, (unsigned int)st.st_gid,
		  (unsigned int)st.st_mode & 07777, want);
	if (setup->dry_run)
		return 1;
	r = set_owner_and_mode(setup, fd, owner, mode);
	return r < 0 ? errinfo_set(ei, r, "cannot give '%s%s' its owner and mode",
				   setup->destdir, path)
		     : 1;
}

/* May somebody have it open for writing who may no longer write it afterwards? */
static bool had_other_writers(const struct setup *setup, const struct stat *st,
			      const struct owner *owner, mode_t mode)
{
	return setup->is_root &&
	       ((owner->uid != (uid_t)-1 && owner->uid != st->st_uid) ||
		(st->st_mode & ~mode & (S_IWGRP | S_IWOTH)) != 0);
}

int place_check_writers(struct setup *setup, int fd, const char *path,
			struct errinfo *ei)
{
	cleanup_close int lease_fd = -1;
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	lease_fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (lease_fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s%s'", setup->destdir,
				   path);
	if (fcntl(lease_fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "'%s%s' is open for writing in some process; end "
				      "it (`fuser -v FILE` tells which) and run this "
				      "again",
				      setup->destdir, path);
	(void)fcntl(lease_fd, F_SETLEASE, F_UNLCK);
	return 0;
}

int place_check_dirs(struct setup *setup, const char *path, struct errinfo *ei)
{
	char prefix[PATH_MAX];
	size_t n = 0, length = strlen(path);

	if (length >= sizeof(prefix))
		return errinfo_set(ei, ENAMETOOLONG, "cannot open '%s'", path);
	while (setup->is_root && n < length) {
		cleanup_close int fd = -1;
		struct stat st;
		int r;

		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		(void)snprintf(prefix, sizeof(prefix), "%.*s", (int)n, path);
		r = place_open_dir(setup, prefix, false, &fd, ei);
		if (r < 0)
			return r;
		if (fstat(fd, &st) < 0)
			return errinfo_set(ei, errno, "cannot examine '%s%s'",
					   setup->destdir, prefix);
		if (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
			continue;
		return errinfo_refuse(ei, RESULT_FAILED,
				      "unsafe path: '%s%s' can be changed by others "
				      "than root (owner %u, mode %04o); run: deployctl "
				      "create-dirs %s",
				      setup->destdir, prefix, (unsigned int)st.st_uid,
				      (unsigned int)st.st_mode & 07777,
				      setup->app->app_name);
	}
	return 0;
}

/* The regular file name in dir_fd, O_RDONLY; -ENOENT, or -EINVAL for another kind. */
static int open_regular(int dir_fd, const char *name, int *ret_fd)
{
	cleanup_close int fd =
		openat(dir_fd, name,
		       O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EINVAL : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* 1: the same bytes, 0: others, or -errno. */
static int has_bytes(int fd, const char *data, size_t length)
{
	cleanup_free char *buffer = malloc(READ_BYTES);
	size_t done = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(fd, buffer, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return done == length;
		if ((size_t)n > length - done ||
		    memcmp(buffer, data + done, (size_t)n) != 0)
			return 0;
		done += (size_t)n;
	}
}

static int write_new(const struct setup *setup, int dir_fd, const char *name,
		     const struct place_file *want)
{
	struct newfile file;
	int r = newfile_open(&file, dir_fd, name);

	if (r == 0)
		r = fd_write_all(file.fd, want->data, want->length);
	if (r == 0)
		r = set_owner_and_mode(setup, file.fd, &want->owner, want->mode);
	if (r == 0)
		return newfile_commit(&file, true);
	newfile_discard(&file);
	return r;
}

static int write_file(struct setup *setup, const char *path,
		      const struct place_file *want, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	const char *name;
	int r = place_open_parent(setup, path, true, &dir_fd, &name, ei);

	if (r < 0)
		return r == -ENOENT && setup->dry_run ? 0 : r;
	if (setup->dry_run)
		return 0;
	r = manifest_add(setup, MANIFEST_FILE, path, ei);
	if (r < 0)
		return r;
	r = write_new(setup, dir_fd, name, want);
	return r < 0 ? errinfo_set(ei, r, "cannot write '%s%s'", setup->destdir, path)
		     : 0;
}

int place_file(struct setup *setup, const char *path, const struct place_file *want,
	       struct errinfo *ei)
{
	cleanup_close int dir_fd = -1, fd = -1;
	bool is_there = false;
	char text[160];
	struct stat st;
	const char *name;
	int r = place_open_parent(setup, path, false, &dir_fd, &name, ei);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		r = open_regular(dir_fd, name, &fd);
		is_there = r != -ENOENT;
		if (r == -EISDIR)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "'%s%s' is a directory, no file",
					      setup->destdir, path);
		if (r < 0 && r != -ENOENT && r != -EINVAL)
			return errinfo_set(ei, r, "cannot read '%s%s'", setup->destdir,
					   path);
		if (r == 0 && fstat(fd, &st) < 0)
			return errinfo_set(ei, errno, "cannot examine '%s%s'",
					   setup->destdir, path);
		/* Whoever has it open for writing keeps that: he gets no say in it. */
		if (r == 0 && !had_other_writers(setup, &st, &want->owner, want->mode))
			r = has_bytes(fd, want->data, want->length);
		if (r == 1) {
			r = place_repair(setup, fd, path, &want->owner, want->mode, ei);
			return r < 0 ? r : 0;
		}
	}
	describe(&want->owner, want->mode, text, sizeof(text));
	setup_say(setup, is_there ? "replace" : "create", path, "%zu bytes, %s",
		  want->length, text);
	return write_file(setup, path, want, ei);
}

int place_link(struct setup *setup, const char *path, const char *target,
	       struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	char is[PATH_MAX] = "";
	const char *name;
	ssize_t n = -1;
	int r = place_open_parent(setup, path, false, &dir_fd, &name, ei);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		n = readlinkat(dir_fd, name, is, sizeof(is) - 1);
	if (n >= 0 && (size_t)n == strlen(target) && memcmp(is, target, (size_t)n) == 0)
		return 0;
	setup_say(setup, n >= 0 ? "replace" : "create", path, "link to %s", target);
	if (dir_fd >= 0) {
		(void)close(dir_fd);
		dir_fd = -1;
	}
	r = place_open_parent(setup, path, true, &dir_fd, &name, ei);
	if (r < 0)
		return r == -ENOENT && setup->dry_run ? 0 : r;
	if (setup->dry_run)
		return 0;
	r = manifest_add(setup, MANIFEST_FILE, path, ei);
	if (r < 0)
		return r;
	r = newfile_link(dir_fd, name, target);
	return r < 0 ? errinfo_set(ei, r, "cannot make the link '%s%s'", setup->destdir,
				   path)
		     : 0;
}

/* 1 and what is there, 0 when nothing is. */
static int find(struct setup *setup, const char *path, int *ret_dir_fd,
		const char **ret_name, struct stat *ret_stat, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	int r = place_open_parent(setup, path, false, &dir_fd, ret_name, ei);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fstatat(dir_fd, *ret_name, ret_stat, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : errinfo_set(ei, errno, "cannot examine '%s%s'",
						     setup->destdir, path);
	*ret_dir_fd = steal_fd(&dir_fd);
	return 1;
}

int place_remove(struct setup *setup, const char *path, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	struct stat st;
	const char *name;
	int r = find(setup, path, &dir_fd, &name, &st, ei);

	if (r <= 0)
		return r;
	setup_say(setup, "remove", path, "%s", S_ISLNK(st.st_mode) ? "link" : "file");
	if (setup->dry_run)
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return errinfo_set(ei, errno, "cannot remove '%s%s'", setup->destdir,
				   path);
	return 0;
}

int place_remove_if_empty(struct setup *setup, const char *path, struct errinfo *ei)
{
	cleanup_close int dir_fd = -1;
	struct stat st;
	const char *name;
	int r = find(setup, path, &dir_fd, &name, &st, ei);

	if (r <= 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		return -ENOTEMPTY;
	if (!setup->dry_run && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST || errno == EBUSY)
			return -ENOTEMPTY;
		if (errno != ENOENT)
			return errinfo_set(ei, errno, "cannot remove '%s%s'",
					   setup->destdir, path);
	}
	setup_say(setup, "remove", path, "%s",
		  setup->dry_run ? "directory, if it is empty" : "directory");
	return 0;
}
