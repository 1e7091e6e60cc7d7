#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "deploy/errinfo.h"

#define CGROUP_PROCESSES_MAX 4096
#define CGROUP_LEVELS_MAX    64	  /* below the unit's; each is an open file */
#define CGROUPS_MAX	     1024 /* looked into */

/* A path like /system.slice/hello.service, without "..": not the root, which is the
 * whole machine. */
bool cgroup_valid(const char *cgroup) __attribute__((nonnull));

/*
 * Opens cgroup, a valid one, below the directory root, on no way through a link.
 * Returns an fd or -errno.
 */
int cgroup_open(const char *root, const char *cgroup, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* Sorted, each once. A 0 is a process that is in no namespace of ours. */
struct pid_list {
	pid_t pids[CGROUP_PROCESSES_MAX];
	size_t n_pids;
	bool truncated; /* there are more than the limits above allow to see */
};

/*
 * Fills list with the processes of the cgroup and of those below it. A cgroup that goes
 * away meanwhile is left out. 0 or -errno.
 */
int cgroup_pids(int cgroup_fd, struct pid_list *list, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

bool pid_list_has(const struct pid_list *list, pid_t pid) __attribute__((nonnull));
