#pragma once

#include "deploy/errinfo.h"

/* For the three fds of the protocol; all above them are closed. */
#define LOCKDOWN_FDS_MAX 64

/*
 * Gives up everything but the open fds, for good: limits, no_new_privs, not dumpable,
 * Landlock where the kernel has it, a seccomp filter. This is the last step before the
 * first word; if it fails, the program must exit.
 */
int lockdown_enter(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
