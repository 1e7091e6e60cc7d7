#include "generate/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "generate/text.h"
#include "setup/chase.h"
#include "util/fdio.h"
#include "util/newfile.h"

#define DIRECTORY_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define COPY_BYTES	65536
#define HEAD_BYTES	512 /* in which a generated file says so */

static int make_and_open(int dir_fd, const char *name, int flags, int *ret_fd,
			 struct errinfo *ei)
{
	char shown[200];
	int fd;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return errinfo_set(ei, errno, "cannot make the directory '%s'",
				   names_escape(name, shown, sizeof(shown)));
	fd = openat(dir_fd, name, DIRECTORY_FLAGS | flags);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the directory '%s'",
				   names_escape(name, shown, sizeof(shown)));
	*ret_fd = fd;
	return 0;
}

/* Each directory of path; flags for opening them. */
static int make_all(int dir_fd, const char *path, int flags, int *ret_fd,
		    struct errinfo *ei)
{
	cleanup_close int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	char copy[PATH_MAX], *save = NULL;

	if (fd < 0 || strlen(path) >= sizeof(copy))
		return errinfo_set(ei, fd < 0 ? errno : ENAMETOOLONG,
				   "cannot make a directory");
	(void)strcpy(copy, path);
	for (char *name = strtok_r(copy, "/", &save); name;
	     name = strtok_r(NULL, "/", &save)) {
		int next = -1, r = make_and_open(fd, name, flags, &next, ei);

		if (r < 0)
			return r;
		(void)close(fd);
		fd = next;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int make_missing(int dir_fd, const char *name, const char *path, void *userdata,
			struct errinfo *ei)
{
	char shown[200];

	(void)userdata;
	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return errinfo_set(ei, errno, "cannot make the directory '%s'",
				   names_escape(path, shown, sizeof(shown)));
	return 0;
}

/* Root may be in another's project, whose links are not to lead what is written. */
static int open_as_root(const char *dir, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int path_fd = -1;
	cleanup_free char *here = dir[0] == '/' ? strdup("") : getcwd(NULL, 0);
	cleanup_free char *path = NULL;
	int r;

	if (root_fd < 0 || !here || asprintf(&path, "%s/%s", here, dir) < 0)
		return errinfo_set(ei, errno, "cannot open the current directory");
	r = chase_open(&(struct chase){.root_fd = root_fd, .make = make_missing}, path,
		       &path_fd, ei);
	if (r < 0)
		return r;
	*ret_fd = openat(path_fd, ".", DIRECTORY_FLAGS);
	return *ret_fd < 0 ? errinfo_set(ei, errno, "cannot open '%s'", dir) : 0;
}

static int open_as_user(const char *dir, int *ret_fd, struct errinfo *ei)
{
	cleanup_close int fd = open(dir[0] == '/' ? "/" : ".", DIRECTORY_FLAGS);

	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open the current directory");
	/* Whoever names it may have links on the way. */
	return make_all(fd, dir, 0, ret_fd, ei);
}

int output_open(const char *dir, int *ret_fd, struct errinfo *ei)
{
	return geteuid() == 0 ? open_as_root(dir, ret_fd, ei)
			      : open_as_user(dir, ret_fd, ei);
}

int output_directory(int dir_fd, const char *path, int *ret_fd, struct errinfo *ei)
{
	return make_all(dir_fd, path, O_NOFOLLOW, ret_fd, ei);
}

static int open_parent(int dir_fd, const char *path, int *ret_fd, const char **ret_name,
		       struct errinfo *ei)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = strndup(path, slash ? (size_t)(slash - path) : 0);

	*ret_name = slash ? slash + 1 : path;
	if (!parent)
		return errinfo_set(ei, ENOMEM, "cannot write '%s'", path);
	return output_directory(dir_fd, parent, ret_fd, ei);
}

static bool is_same(int dir_fd, const char *name, const char *data, size_t length,
		    mode_t mode)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	cleanup_free char *is = malloc(length + 1);
	struct stat st;

	return fd >= 0 && is && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (st.st_mode & 07777) == mode && (size_t)st.st_size == length &&
	       read(fd, is, length + 1) == (ssize_t)length &&
	       memcmp(is, data, length) == 0;
}

static int finish(struct newfile *file, int r, mode_t mode, const char *path,
		  struct errinfo *ei)
{
	char shown[200];

	if (r == 0 && fchmod(file->fd, mode) < 0)
		r = -errno;
	if (r == 0)
		r = newfile_commit(file, false);
	else
		newfile_discard(file);
	return r < 0 ? errinfo_set(ei, r, "cannot write '%s'",
				   names_escape(path, shown, sizeof(shown)))
		     : 0;
}

int output_write(int dir_fd, const char *path, const char *data, size_t length,
		 mode_t mode, struct errinfo *ei)
{
	cleanup_close int parent_fd = -1;
	struct newfile file;
	const char *name;
	int r = open_parent(dir_fd, path, &parent_fd, &name, ei);

	if (r < 0 || is_same(parent_fd, name, data, length, mode))
		return r;
	r = newfile_open(&file, parent_fd, name);
	if (r == 0)
		r = fd_write_all(file.fd, data, length);
	return finish(&file, r, mode, path, ei);
}

static int copy_bytes(int to, int from)
{
	cleanup_free char *buffer = malloc(COPY_BYTES);

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(from, buffer, COPY_BYTES);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = fd_write_all(to, buffer, (size_t)n);
		if (r < 0)
			return r;
	}
}

int output_copy(int dir_fd, const char *path, int src_fd, mode_t mode,
		struct errinfo *ei)
{
	cleanup_close int parent_fd = -1;
	struct newfile file;
	const char *name;
	int r = open_parent(dir_fd, path, &parent_fd, &name, ei);

	if (r < 0)
		return r;
	r = newfile_open(&file, parent_fd, name);
	if (r == 0)
		r = copy_bytes(file.fd, src_fd);
	return finish(&file, r, mode, path, ei);
}

/* Only what says itself that it was generated. */
static int remove_generated(int dir_fd, const char *path, struct errinfo *ei)
{
	cleanup_close int parent_fd = -1, fd = -1;
	char head[HEAD_BYTES + 1];
	const char *name;
	ssize_t n;
	int r = open_parent(dir_fd, path, &parent_fd, &name, ei);

	if (r < 0)
		return r;
	fd = openat(parent_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : errinfo_set(ei, errno, "cannot read '%s'", path);
	n = read(fd, head, HEAD_BYTES);
	head[n > 0 ? n : 0] = '\0';
	if (!strstr(head, TEXT_MARK))
		return 0;
	if (unlinkat(parent_fd, name, 0) < 0 && errno != ENOENT)
		return errinfo_set(ei, errno, "cannot remove '%s'", path);
	return 0;
}

int output_generated(int dir_fd, const struct generated *generated, struct errinfo *ei)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < generated->n_files; i++) {
		const struct generated_file *file = &generated->files[i];

		r = file->text ? output_write(dir_fd, file->path, file->text,
					      strlen(file->text), file->mode, ei)
			       : remove_generated(dir_fd, file->path, ei);
	}
	return r;
}
