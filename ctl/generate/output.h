#pragma once

#include "deploy/errinfo.h"
#include "generate/generate.h"

/*
 * A directory of files that are made, written as whoever calls. Directories below it
 * are made; a link in the place of one is an error, so that nothing lands elsewhere.
 */

/* Opens DIR, making it and its parents. The caller closes. */
int output_open(const char *dir, int *ret_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Writes a file by another name, then renames it; path is relative. What is there with
 * these bytes and this mode is left alone.
 */
int output_write(int dir_fd, const char *path, const char *data, size_t length,
		 mode_t mode, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* The same with what src_fd holds from its offset on. */
int output_copy(int dir_fd, const char *path, int src_fd, mode_t mode,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Makes a directory below it, and opens it: O_RDONLY. */
int output_directory(int dir_fd, const char *path, int *ret_fd, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* Writes all of it, and removes what is no longer wanted if it was generated. */
int output_generated(int dir_fd, const struct generated *generated, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
