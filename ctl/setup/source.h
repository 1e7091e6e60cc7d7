#pragma once

#include <stddef.h>

#include "deploy/errinfo.h"

#define SOURCE_BYTES_MAX (64u << 20) /* of a file to copy */

/*
 * Opens, and reads, a file to be copied: an absolute path, or one relative to the
 * current directory, which may be another user's project. Root must not be made to hand
 * out a file that this user cannot read: a link on the way counts only when what it
 * leads to belongs to the owner of the current directory (or, on an absolute path, when
 * root made the link). *ret_data is owned by the caller.
 */
int source_open(const char *path, int *ret_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
int source_read(const char *path, char **ret_data, size_t *ret_length,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
