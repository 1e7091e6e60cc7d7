#pragma once

#include <stddef.h>

/*
 * Writes all of data, over short writes, EINTR and a non-blocking fd (it waits then,
 * without limit). 0 or -errno.
 */
int fd_write_all(int fd, const void *data, size_t length)
	__attribute__((nonnull, warn_unused_result));
