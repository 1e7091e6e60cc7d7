#pragma once

#include <stddef.h>

#include "deploy/errinfo.h"
#include "util/privdrop.h"

/*
 * Call this first in main() of a program that PID 1 starts in a hardened transient
 * unit. It clears the environment (no proxy, no configuration of libraries), closes
 * inherited files except stdin, stdout and stderr, sets no_new_privs and these limits,
 * and makes the process untraceable. The unit already has a filter; all of this is
 * always done in addition. Returns 0, or a negative errno with *ei: then the program
 * must exit.
 */
int lockdown_begin(const struct privdrop_limit *limits, size_t n_limits,
		   struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
