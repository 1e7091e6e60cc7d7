#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Writes all of data, over short writes, EINTR and a non-blocking fd (it waits then,
 * without limit). 0 or -errno.
 */
int fd_write_all(int fd, const void *data, size_t length)
	__attribute__((nonnull, warn_unused_result));

/*
 * Where the kernel can (SO_PASSRIGHTS, Linux 6.16; unix(7)): no fd reaches the unix
 * socket any more, sending one fails. A kernel that cannot is not an error. 0 or
 * -errno.
 */
int fd_refuse_fds(int socket_fd) __attribute__((warn_unused_result));

/* fds of one message, in either direction. */
#define FDIO_FDS_MAX 16

/*
 * Sends length bytes (at least one) over the unix stream socket, and n_fds fds with the
 * first of them; never waits. The fds stay the caller's. 0; -EAGAIN when the socket's
 * queue is full, -EPIPE when nobody can receive; -EIO when only a part was sent, with
 * the fds: the socket is of no use any more.
 */
int fd_send(int socket_fd, const void *data, size_t length, const int *fds,
	    size_t n_fds) __attribute__((warn_unused_result, nonnull(2)));

/*
 * Receives at most size bytes, and at most n_fds_max fds that came with them; never
 * waits. The number of bytes, 0 at the end, or -errno: -EAGAIN when there is nothing,
 * -EBADMSG when more fds came than that. Those that arrived (*ret_n_fds, close-on-exec)
 * are the caller's even then: it may be that they are not to be closed here.
 */
ssize_t fd_receive(int socket_fd, void *data, size_t size, int *ret_fds,
		   size_t n_fds_max, size_t *ret_n_fds)
	__attribute__((warn_unused_result, nonnull));
