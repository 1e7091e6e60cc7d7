#pragma once

#include "deploy/errinfo.h"
#include "probe/cgroup.h"
#include "probe/finding.h"
#include "probe/options.h"
#include "probe/process.h"

#define PROOF_CGROUP_ROOT "/sys/fs/cgroup"

/*
 * Lists what the processes of the cgroup run from; what it proves is for deployd to
 * say. Returns 0 with *ret_finding filled, or -EINVAL with *ei when an option is wrong.
 */
int proof_check(const struct probe_options *options, struct finding *ret_finding,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Looks at each process of a cgroup. Those that were not in it all the time are left
 * out: they came or went, or their pid is another's by now. 0 or -errno.
 */
int proof_read(int cgroup_fd, int proc_fd, const struct releases *releases,
	       struct finding *ret_finding, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
