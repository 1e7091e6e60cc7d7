#include "util/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "deploy/cleanup.h"

static int make_room(int dir_fd, const char *name, char ret_temporary[NAME_MAX + 1])
{
	(void)snprintf(ret_temporary, NAME_MAX + 1, ".%.230s.tmp", name);
	return unlinkat(dir_fd, ret_temporary, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* O_PATH cannot be synced. */
static int sync_dir(int dir_fd)
{
	cleanup_close int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int newfile_open(struct newfile *file, int dir_fd, const char *name)
{
	int r;

	*file = (struct newfile){.dir_fd = dir_fd, .fd = -1, .name = name};
	r = make_room(dir_fd, name, file->temporary);
	if (r < 0)
		return r;
	file->fd = openat(dir_fd, file->temporary,
			  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return file->fd < 0 ? -errno : 0;
}

void newfile_discard(struct newfile *file)
{
	if (file->fd < 0)
		return;
	(void)close(file->fd);
	file->fd = -1;
	(void)unlinkat(file->dir_fd, file->temporary, 0);
}

int newfile_rename(struct newfile *file, bool sync)
{
#ifdef BREAK_FILE_WITHOUT_FSYNC
	sync = false;
#endif
	if ((sync && fsync(file->fd) < 0) ||
	    renameat(file->dir_fd, file->temporary, file->dir_fd, file->name) < 0) {
		int r = -errno;

		newfile_discard(file);
		return r;
	}
	(void)close(file->fd);
	file->fd = -1;
	return 0;
}

int newfile_commit(struct newfile *file, bool durable)
{
	int r = newfile_rename(file, durable);

	return r == 0 && durable ? sync_dir(file->dir_fd) : r;
}

int newfile_link(int dir_fd, const char *name, const char *target)
{
	char temporary[NAME_MAX + 1];
	int r = make_room(dir_fd, name, temporary);

	if (r < 0)
		return r;
	if (symlinkat(target, dir_fd, temporary) < 0)
		return -errno;
	if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
		r = -errno;
		(void)unlinkat(dir_fd, temporary, 0);
		return r;
	}
	return sync_dir(dir_fd);
}
