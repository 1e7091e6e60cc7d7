#include "unpack/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define NAME_TEXT_BYTES 200 /* of an escaped name in a message */

struct tree_dir {
	int fd;
	char name[ENTRYNAME_COMPONENT_MAX + 1];
};

static int refuse(struct errinfo *ei, const char *path, const char *why)
{
	char text[NAME_TEXT_BYTES];

	return errinfo_refuse(ei, RESULT_REJECTED, "entry '%s' %s",
			      names_escape(path, text, sizeof(text)), why);
}

/* err is that of a call that should have made path. */
static int refuse_making(struct errinfo *ei, int err, const char *path)
{
	char text[NAME_TEXT_BYTES];

	if (err == EEXIST)
		return refuse(ei, path,
			      "is in the archive twice, and not as a plain file both "
			      "times");
	if (err == ENOTDIR || err == ELOOP)
		return refuse(ei, path, "lies below something that is no directory");
	return errinfo_set(ei, err, "cannot make '%s'",
			   names_escape(path, text, sizeof(text)));
}

int tree_init(struct tree *tree, int root_fd, size_t max_depth, uint64_t max_entries,
	      struct errinfo *ei)
{
	*tree = (struct tree){
		.root_fd = root_fd, .max_depth = max_depth, .max_entries = max_entries};
	tree->dirs = calloc(max_depth, sizeof(*tree->dirs));
	if (!tree->dirs)
		return errinfo_set(ei, ENOMEM, "cannot unpack");
	return 0;
}

static void leave_to(struct tree *tree, size_t depth)
{
	while (tree->depth > depth)
		(void)close(tree->dirs[--tree->depth].fd);
}

void tree_deinit(struct tree *tree)
{
	leave_to(tree, 0);
	free(tree->dirs);
	tree->dirs = NULL;
}

static int current_fd(const struct tree *tree)
{
	return tree->depth == 0 ? tree->root_fd : tree->dirs[tree->depth - 1].fd;
}

static int count_entry(struct tree *tree, struct errinfo *ei)
{
	if (tree->entries >= tree->max_entries)
		return errinfo_refuse(ei, RESULT_REJECTED,
				      "the archive has more than %llu entries "
				      "(max_entries)",
				      (unsigned long long)tree->max_entries);
	tree->entries++;
	return 0;
}

/* Enters one directory below the current one; path is the entry this is for. */
static int enter(struct tree *tree, const char *name, size_t length, bool create,
		 const char *path, struct errinfo *ei)
{
	struct tree_dir *dir = &tree->dirs[tree->depth];
	const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int parent_fd = current_fd(tree);
	int r;

	/* entryname_canonical() has seen to both. */
	assert(tree->depth < tree->max_depth && length < sizeof(dir->name));
	memcpy(dir->name, name, length);
	dir->name[length] = '\0';

	dir->fd = openat(parent_fd, dir->name, flags);
	if (dir->fd < 0 && errno == ENOENT && create) {
		r = count_entry(tree, ei);
		if (r < 0)
			return r;
		if (mkdirat(parent_fd, dir->name, 0755) < 0)
			return refuse_making(ei, errno, path);
		dir->fd = openat(parent_fd, dir->name, flags);
	}
	if (dir->fd < 0)
		return refuse_making(ei, errno, path);
	tree->depth++;
	return 0;
}

/*
 * Makes the directory that is the first dir_length bytes of path the current one.
 * Archives go through a tree in order, so most of the way is open already.
 */
static int walk(struct tree *tree, const char *path, size_t dir_length, bool create,
		struct errinfo *ei)
{
	size_t depth = 0, at = 0;

	while (at < dir_length) {
		size_t length = strcspn(path + at, "/");
		int r;

		if (at + length > dir_length)
			length = dir_length - at;
		if (depth >= tree->depth ||
		    strncmp(tree->dirs[depth].name, path + at, length) != 0 ||
		    tree->dirs[depth].name[length] != '\0') {
			leave_to(tree, depth);
			r = enter(tree, path + at, length, create, path, ei);
			if (r < 0)
				return r;
		}
		depth++;
		at += length + 1;
	}
	leave_to(tree, depth);
	return 0;
}

static size_t dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static const char *leaf(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int tree_make_dir(struct tree *tree, const char *path, struct errinfo *ei)
{
	return walk(tree, path, strlen(path), true, ei);
}

bool tree_is_dir(const char *path, void *userdata)
{
	struct tree *tree = userdata;
	struct errinfo ignored;
	size_t depth = 1;

	for (const char *p = path; *p; p++)
		depth += *p == '/';
	return depth <= tree->max_depth &&
	       walk(tree, path, strlen(path), false, &ignored) == 0;
}

/* Counts an entry and goes where it is to be made. */
static int prepare(struct tree *tree, const char *path, struct errinfo *ei)
{
	int r;

	r = walk(tree, path, dir_length(path), true, ei);
	return r < 0 ? r : count_entry(tree, ei);
}

/* As tar(1) has it the last one counts. Through a second name another would change. */
static int replace_file(struct tree *tree, const char *path, int64_t *ret_replaced,
			struct errinfo *ei)
{
	struct stat st;
	int fd;

	if (fstatat(current_fd(tree), leaf(path), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse_making(ei, errno, path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return refuse(ei, path,
			      "is in the archive twice, and not as a plain file both "
			      "times");
	fd = openat(current_fd(tree), leaf(path),
		    O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return refuse_making(ei, errno, path);
	tree->entries--;
	*ret_replaced = st.st_size;
	return fd;
}

int tree_create_file(struct tree *tree, const char *path, mode_t mode,
		     int64_t *ret_replaced, struct errinfo *ei)
{
	int fd, r;

	*ret_replaced = -1;
	r = prepare(tree, path, ei);
	if (r < 0)
		return r;
	fd = openat(current_fd(tree), leaf(path),
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd >= 0)
		return fd;
	return errno == EEXIST ? replace_file(tree, path, ret_replaced, ei)
			       : refuse_making(ei, errno, path);
}

static int refuse_target(struct errinfo *ei, const char *path, const char *target)
{
	char path_text[NAME_TEXT_BYTES], target_text[NAME_TEXT_BYTES];

	return errinfo_refuse(
		ei, RESULT_REJECTED,
		"entry '%s' is a hard link to '%s', which is no earlier file of the "
		"archive",
		names_escape(path, path_text, sizeof(path_text)),
		names_escape(target, target_text, sizeof(target_text)));
}

int tree_make_hardlink(struct tree *tree, const char *path, const char *target,
		       struct errinfo *ei)
{
	cleanup_close int target_fd = -1;
	struct stat st;
	int r;

	if (walk(tree, target, dir_length(target), false, ei) < 0)
		return refuse_target(ei, path, target);
	/* A copy: the walk to path closes what it leaves. */
	target_fd = dup(current_fd(tree));
	if (target_fd < 0)
		return errinfo_set(ei, errno, "cannot make a hard link");
	if (fstatat(target_fd, leaf(target), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return refuse_target(ei, path, target);

	r = prepare(tree, path, ei);
	if (r < 0)
		return r;
	if (linkat(target_fd, leaf(target), current_fd(tree), leaf(path), 0) < 0)
		return refuse_making(ei, errno, path);
	return 0;
}

int tree_make_symlink(struct tree *tree, const char *path, const char *target,
		      struct errinfo *ei)
{
	int r;

	r = prepare(tree, path, ei);
	if (r < 0)
		return r;
	if (symlinkat(target, current_fd(tree), leaf(path)) < 0)
		return refuse_making(ei, errno, path);
	return 0;
}
