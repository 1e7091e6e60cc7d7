#include "util/fdio.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
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

union control {
	char bytes[CMSG_SPACE(sizeof(int) * FDIO_FDS_MAX)];
	struct cmsghdr align;
};

int fd_send(int socket_fd, const void *data, size_t length, const int *fds,
	    size_t n_fds)
{
	union control control = {0};
	struct iovec iov = {(void *)data, length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	assert(length > 0 && n_fds <= FDIO_FDS_MAX);
	if (n_fds > 0) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(socket_fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EIO;
}

ssize_t fd_receive(int socket_fd, void *data, size_t size, int *ret_fds,
		   size_t n_fds_max, size_t *ret_n_fds)
{
	union control control;
	struct iovec iov = {data, size};
	/*
	 * CMSG_LEN(), not CMSG_SPACE(): the kernel fills what the padding has room for,
	 * and so would pass one fd more than was asked for.
	 */
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = CMSG_LEN(sizeof(int) * n_fds_max)};
	ssize_t n;

	assert(n_fds_max <= FDIO_FDS_MAX);
	*ret_n_fds = 0;
	do {
		n = recvmsg(socket_fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c;
	     c = CMSG_NXTHDR(&header, c)) {
		size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		assert(n_fds <= n_fds_max - *ret_n_fds);
		memcpy(ret_fds + *ret_n_fds, CMSG_DATA(c), n_fds * sizeof(int));
		*ret_n_fds += n_fds;
	}
	return header.msg_flags & MSG_CTRUNC ? -EBADMSG : n;
}
