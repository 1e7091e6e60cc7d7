#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

/* What deployd-unpack may be and use. */
struct confinement {
	uid_t uid;
	gid_t gid;
	uint64_t memory_bytes;
	uint64_t max_file_bytes;
	uint64_t max_depth;
	uint64_t cpu_sec; /* SIGXCPU then, SIGKILL a little later */
};

/*
 * Locks the process, which must be root with CAP_SETUID, CAP_SETGID and
 * CAP_SYS_CHROOT, into the directory staging_fd: limits, chroot, uid, Landlock as far
 * as the kernel has it, seccomp. After a failure the process must report and exit.
 */
int confine(const struct confinement *confinement, int staging_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
