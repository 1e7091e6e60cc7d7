#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"
#include "util/newfile.h"

int dir_sync(int fd, const char *what, struct errinfo *ei)
{
	int r = fsync(fd);

#ifdef BREAK_FSYNC_TRIED_AGAIN
	if (r < 0)
		r = fsync(fd);
#endif
	/* Not tried again: after a failure the kernel may forget what it could not
	 * write. */
	if (r < 0)
		return errinfo_set(ei, errno, "cannot make %s durable", what);
	return 0;
}

#ifdef BREAK_FILE_IN_PLACE
static int replace_once(int dir_fd, const char *name, const char *text,
			struct errinfo *ei)
{
	cleanup_close int fd =
		openat(dir_fd, name,
		       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? errinfo_set(ei, r, "cannot write '%s'", name) : 0;
}
#else
static int replace_once(int dir_fd, const char *name, const char *text,
			struct errinfo *ei)
{
	struct newfile file;
	int r = newfile_open(&file, dir_fd, name);

	if (r < 0)
		return errinfo_set(ei, r, "cannot write '%s'", name);
	r = fd_write_all(file.fd, text, strlen(text));
	if (r < 0)
		newfile_discard(&file);
	else
		r = newfile_rename(&file, true);
	return r < 0 ? errinfo_set(ei, r, "cannot write '%s'", name) : 0;
}
#endif

int file_replace(int dir_fd, const char *name, const char *text,
		 const struct file_room *room, struct errinfo *ei)
{
	struct errinfo problem = {0};
	int r = replace_once(dir_fd, name, text, ei);

	if (r < 0 && room && ei->result == RESULT_NO_SPACE) {
		int made_room = room->make(room->userdata, &problem);

		if (made_room == 0)
			r = replace_once(dir_fd, name, text, ei);
		else if (made_room != -ENOSPC)
			*ei = problem;
	}
	return r < 0 ? r : dir_sync(dir_fd, name, ei);
}

int file_read(int dir_fd, const char *name, size_t max, char **ret_text,
	      struct errinfo *ei)
{
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	size_t length = 0;

	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", name);
	text = malloc(max + 2);
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot read '%s'", name);
	while (length <= max) {
		ssize_t n = read(fd, text + length, max + 1 - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errinfo_set(ei, errno, "cannot read '%s'", name);
		if (n == 0)
			break;
		length += (size_t)n;
	}
	if (length > max)
		return errinfo_set(ei, EFBIG, "cannot read '%s'", name);
	text[length] = '\0';
	*ret_text = steal_ptr(&text);
	return 0;
}

bool file_is_damaged(int err)
{
	switch (err < 0 ? -err : err) {
	case EIO:
	case EUCLEAN:
	case EBADMSG:
	case ELOOP: /* a link: not what we wrote */
	case EISDIR:
	case EFBIG:
		return true;
	default:
		return false;
	}
}
