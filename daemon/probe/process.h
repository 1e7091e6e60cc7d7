#pragma once

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define PROCESS_MAPS_BYTES_MAX (16u << 20) /* of /proc/PID/maps that are read */

/*
 * The directory of releases as it was named, and where that leads: the kernel tells
 * paths without links, and deployd compares them with the name it has.
 */
struct releases {
	char given[PATH_MAX], real[PATH_MAX];
	size_t given_length, real_length;
};

/*
 * False when path is not absolute, or too long. Slashes at its end are dropped. A
 * directory that cannot be looked up is where it says.
 */
bool releases_init(struct releases *releases, const char *path)
	__attribute__((nonnull, warn_unused_result));

/* Puts what lies in the real directory into the given one, in place if it fits. */
void releases_rename(const struct releases *releases, char path[PATH_MAX])
	__attribute__((nonnull));

/*
 * Looks at process pid through proc_fd, which is /proc:
 *   {"pid","comm","cwd","exe","deleted","mapped":[...],"readable"}
 * with texts escaped; what could not be read is empty, and "readable" false. Sets
 * *truncated when something that matters did not fit. 0, -ESRCH when the process is
 * gone or about to be, -ENOMEM.
 */
int process_look(int proc_fd, pid_t pid, const struct releases *releases,
		 json_t **ret_process, bool *truncated)
	__attribute__((nonnull, warn_unused_result));
