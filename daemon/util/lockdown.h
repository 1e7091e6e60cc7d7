#pragma once

#include <stddef.h>

#include "deploy/errinfo.h"
#include "util/privdrop.h"

/*
 * First thing in main() of a program that PID 1 starts in a hardened transient unit: no
 * environment (no proxy, no configuration of libraries), no inherited files but
 * stdin, stdout and stderr, no new privileges, not to be traced, and these limits. The
 * unit has a filter of its own already; all of this is done on top of it, always.
 * Returns 0, or a negative errno with *ei: then the program must not go on.
 */
int lockdown_begin(const struct privdrop_limit *limits, size_t n_limits,
		   struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
