#pragma once

#include <stddef.h>

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
