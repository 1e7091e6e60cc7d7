#include "util/fdio.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int fd_write_all(int fd, const void *data, size_t length)
{
	const char *at = data;
	ssize_t n;

	while (length > 0) {
		n = write(fd, at, length);
		if (n >= 0) {
			at += n;
			length -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int fd_refuse_fds(int socket_fd)
{
	int off = 0;

	if (setsockopt(socket_fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0 &&
	    errno != ENOPROTOOPT)
		return -errno;
	return 0;
}
