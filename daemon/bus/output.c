#include "bus/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *directory(void)
{
	const char *set = getenv("RUNTIME_DIRECTORY"); /* systemd.exec(5) */

	return set && set[0] == '/' ? set : OUTPUT_DIR;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int make(struct output *output, enum output_kind kind)
{
	int flags = kind == OUTPUT_KIND_FILE ? O_RDWR | O_CREAT | O_EXCL
					     : O_RDONLY | O_NONBLOCK;

	if (kind == OUTPUT_KIND_PIPE && mkfifo(output->path, 0600) < 0)
		return -errno;
	output->fd = open(output->path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* fifo(7): for reading, too, so that opening it for writing never waits. */
	if (output->fd >= 0 && kind == OUTPUT_KIND_PIPE) {
		output->held_fd = open(output->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
		if (output->held_fd < 0)
			close_fd(&output->fd);
	}
	if (output->fd < 0) {
		int r = -errno;

		(void)unlink(output->path);
		return r;
	}
	return 0;
}

int output_open(struct output *output, enum output_kind kind)
{
	static unsigned int counter;
	struct output made = OUTPUT_NONE;
	int r;

	/* The pid: those of a deployd of before may still be there. */
	(void)snprintf(made.path, sizeof(made.path), "%s/%d-%u", directory(),
		       (int)getpid(), counter++);
	r = make(&made, kind);
	/* Started by hand, not by its unit. */
	if (r == -ENOENT && mkdir(directory(), 0700) == 0)
		r = make(&made, kind);
	if (r < 0)
		return r;
	*output = made;
	return 0;
}

void output_end(struct output *output)
{
	if (output->path[0] != '\0')
		(void)unlink(output->path);
	output->path[0] = '\0';
	close_fd(&output->held_fd);
}

void output_close(struct output *output)
{
	output_end(output);
	close_fd(&output->fd);
}
