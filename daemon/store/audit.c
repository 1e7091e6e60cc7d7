/*
 * audit.log: the decisions that journald did not accept. One JSON object per line, the
 * oldest first. It belongs to no app, so no app's tree or lock is involved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/request.h"
#include "store/verbs.h"
#include "util/fdio.h"
#include "util/file.h"
#include "util/safedir.h"

#define AUDIT_NAME	"audit.log"
#define AUDIT_NAME_OLD	"audit.log.1"
#define AUDIT_BYTES_MAX (4u << 20) /* then it is renamed to the old name */
#define AUDIT_LINE_MAX	4096
#define AUDIT_LINES_MAX 1000 /* in one request */

/* The text to append. NULL: ei says why. */
static char *text_of(const json_t *lines, struct errinfo *ei)
{
	size_t n = json_array_size(lines), length = 0;
	const json_t *line;
	char *text;
	size_t i;

	if (n > AUDIT_LINES_MAX) {
		(void)request_refuse("too many lines", ei);
		return NULL;
	}
	text = calloc(n + 1, AUDIT_LINE_MAX);
	if (!text) {
		(void)errinfo_set(ei, ENOMEM, "cannot write '%s'", AUDIT_NAME);
		return NULL;
	}
	json_array_foreach (lines, i, line) {
		size_t room = AUDIT_LINE_MAX - 1;
		size_t size = json_dumpb(line, text + length, room, JSON_COMPACT);

		if (size == 0 || size > room) {
			(void)request_refuse("lines", ei);
			free(text);
			return NULL;
		}
		text[length + size] = '\n';
		length += size + 1;
	}
	text[length] = '\0';
	return text;
}

static int open_file(int dir_fd)
{
	return openat(dir_fd, AUDIT_NAME,
		      O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		      0600);
}

/* Rotates the file if it would grow too long. *ret_new: the directory has changed. */
static int open_with_room(int dir_fd, size_t length, off_t *ret_size, bool *ret_new)
{
	cleanup_close int fd = open_file(dir_fd);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	if (st.st_size > 0 && st.st_size + (off_t)length > (off_t)AUDIT_BYTES_MAX) {
		if (renameat(dir_fd, AUDIT_NAME, dir_fd, AUDIT_NAME_OLD) < 0)
			return -errno;
		(void)close(steal_fd(&fd));
		fd = open_file(dir_fd);
		if (fd < 0 || fstat(fd, &st) < 0)
			return -errno;
	}
	*ret_size = st.st_size;
	*ret_new = st.st_size == 0;
	return steal_fd(&fd);
}

static int append(int fd, off_t size, const char *text, size_t length)
{
	char last = '\n';
	int r = 0;

	/* A crash may have torn the last line; ours must not continue it. */
	if (size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n')
		r = fd_write_all(fd, "\n", 1);
	if (r == 0)
		r = fd_write_all(fd, text, length);
#ifndef BREAK_AUDIT_WITHOUT_FSYNC
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
#endif
	/* Leave no trace of a decision that was not acted on. */
	if (r < 0)
		(void)!ftruncate(fd, size);
	return r;
}

int verb_audit(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *directory = request_text(request, "directory");
	cleanup_close int dir_fd = -1, fd = -1;
	cleanup_free char *text = NULL;
	off_t size = 0;
	bool new = false;
	int r;

	(void)store, (void)reply;
	text = text_of(request_get(request, "lines"), ei);
	if (!text)
		return -EINVAL;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", directory);
	r = safedir_check(dir_fd, directory, ei);
	if (r < 0)
		return r;
	/* One that was killed may still hang in its fsync. */
	if (flock(dir_fd, LOCK_EX | LOCK_NB) < 0)
		return errinfo_set(ei, errno, "cannot lock '%s'", directory);
	fd = open_with_room(dir_fd, strlen(text), &size, &new);
	if (fd < 0)
		return errinfo_set(ei, fd, "cannot open '%s/" AUDIT_NAME "'",
				   directory);
	r = append(fd, size, text, strlen(text));
	if (r < 0)
		return errinfo_set(ei, r, "cannot write '%s/" AUDIT_NAME "'",
				   directory);
	return new ? dir_sync(dir_fd, directory, ei) : 0;
}
