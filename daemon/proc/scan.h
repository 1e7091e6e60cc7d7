#pragma once

#include "deploy/errinfo.h"
#include "proc/cgroup.h"
#include "proc/options.h"
#include "proc/releases.h"
#include "util/finding.h"

#define LOOK_CGROUP_ROOT   "/sys/fs/cgroup"
#define LOOK_PROCESSES_MAX 65536 /* of the machine */
#define SCAN_MSEC_MAX	   4000	 /* the rest is not looked at */

/*
 * Looks at every process of the machine, as options say; deployd decides what that
 * proves. Returns 0 with *ret_finding filled, or a negative errno with *ei.
 */
int scan_machine(const struct proc_options *options, struct finding *ret_finding,
		 struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Lists the processes of the cgroup (fd -1: there are none) and those that use a
 * release. A process that was not in the cgroup all the time is not reported as the
 * unit's: it came or went, or its pid has been reused. Errors as above.
 */
int scan_read(int cgroup_fd, int proc_fd, const struct releases *releases,
	      int64_t deadline_ms, struct finding *ret_finding, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
