#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proc/releases.h"

#define PROCESS_MAPS_BYTES_MAX (16u << 20)  /* of /proc/PID/maps that are read */
#define MAPS_BYTES_MAX	       (256u << 20) /* of all processes together */

/* Common to all processes that are looked at. */
struct scan {
	int proc_fd; /* /proc */
	const struct releases *releases;
	size_t n_maps_bytes; /* read so far */
	bool truncated;	     /* something that matters did not fit */
};

/*
 * Looks at process pid:
 *   {"pid","comm","cwd","exe","deleted","mapped":[...],"readable","unit"}
 * with texts escaped. unit is own: the process is one of the app's unit. cwd and exe
 * are below the directory of releases only when they really belong to a release; mapped
 * has all other files that do, and also the root directory. What could not be read is
 * empty, and "readable" is false. *ret_process is NULL for a process that is not own
 * and has nothing to do with a release. 0; -ESRCH when the process has exited, is about
 * to, or has no memory (a kernel thread); -ENOMEM.
 */
int process_scan(struct scan *scan, pid_t pid, bool own, json_t **ret_process)
	__attribute__((nonnull, warn_unused_result));
