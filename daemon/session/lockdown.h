#pragma once

#include "deploy/errinfo.h"

/* For the three fds of the protocol; all above them are closed. */
#define LOCKDOWN_FDS_MAX 64

/*
 * Gives up, for good, everything but the fds that are open: limits, no_new_privs, not
 * dumpable, Landlock where the kernel has it, a seccomp filter. The last step before
 * the first word; a failure must end the program.
 */
int lockdown_enter(struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
