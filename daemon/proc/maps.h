#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPED_PATHS_MAX 16 /* of a process */

/* A line of /proc/PID/maps about a file. */
struct maps_line {
	uint64_t dev, ino; /* dev: major << 32 | minor */
	char *path;	   /* points into the line; still has its " (deleted)" */
};

/*
 * Takes a line apart, in place. False for anonymous memory, [heap] and malformed lines.
 * The path is untrusted text.
 */
bool maps_parse(char *line, struct maps_line *ret_line)
	__attribute__((nonnull, warn_unused_result));

/*
 * Takes " (deleted)", as the kernel appends it, off the end of path. True: it was
 * there.
 */
bool path_strip_deleted(char *path) __attribute__((nonnull));

/* Distinct paths below a directory of releases. */
struct mapped {
	char *paths[MAPPED_PATHS_MAX]; /* owned, as they are, not escaped */
	size_t n_paths;
	bool truncated; /* a release is not to be seen for want of room */
};

/*
 * Adds path, which lies below the directory that is prefix_length bytes long. When
 * there is no room, a path of a release that has another one here gives way to one of a
 * release that has none: no release goes unseen behind the many files of another.
 * 0 or -ENOMEM.
 */
int mapped_add(struct mapped *mapped, const char *path, size_t prefix_length)
	__attribute__((nonnull, warn_unused_result));

/* Frees the paths. */
void mapped_deinit(struct mapped *mapped) __attribute__((nonnull));
