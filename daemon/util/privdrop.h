#pragma once

#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

/*
 * The steps by which a helper program, started as root by deployd, becomes a process
 * without privileges. Every step is verified; after a failure the program must report
 * and exit, never go on. Order: begin, limits, (chroot), become, landlock, seccomp.
 */

/*
 * First thing in main(): dies with deployd, closes every fd from first_free_fd on,
 * umask 022, SIGPIPE and SIGXFSZ ignored, all other signals as by default.
 */
int privdrop_begin(int first_free_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

struct privdrop_limit {
	__rlimit_resource_t resource;
	rlim_t soft, hard; /* lowered to the hard limit in force */
};

/* Sets the limits. In sanitizer builds RLIMIT_AS is left alone: shadow memory. */
int privdrop_limits(const struct privdrop_limit *limits, size_t n_limits,
		    struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Becomes uid and gid, neither of them 0, for good: no other group, no capability, not
 * dumpable, no_new_privs, and still dies with deployd (the kernel forgets that wish
 * when the uid changes). Fails when not started as root.
 */
int privdrop_become(uid_t uid, gid_t gid, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
