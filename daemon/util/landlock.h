#pragma once

#include "deploy/errinfo.h"

/*
 * Confines the process to creating and writing files below dir_fd (nothing at all when
 * dir_fd is -1), without TCP, and without signals or abstract sockets to processes
 * outside, as far as the running kernel can. Needs no_new_privs. Returns the Landlock
 * ABI in force, 0 when the kernel has none that is of use, -errno on failure.
 */
int landlock_confine(int dir_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * The same, but the process may read everything, and write, create and execute nothing;
 * loading a library does not count as executing it. It can connect to Unix sockets that
 * have a path.
 */
int landlock_read_only(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
