#pragma once

#include "deploy/errinfo.h"

/*
 * Opens the directory at an absolute path, component by component, without following a
 * link. Whoever may write in a directory on the way could make the path lead elsewhere,
 * so each of them must be root's and writable by nobody else; the last one may be
 * anybody's. *ret_fd and *ret_parent_fd are O_PATH, owned by the caller.
 *
 * On failure (-errno; -EINVAL for an unsafe or odd path) *ret_fd is untouched, and
 * *ret_parent_fd is the deepest directory on the way that is safe, whose entries can
 * tell of a change; -1 when there is none. May block: not for an event loop.
 */
int safedir_open(const char *path, int *ret_parent_fd, int *ret_fd, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
