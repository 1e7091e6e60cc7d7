#pragma once

#include <stddef.h>
#include <sys/types.h>

/* A list of files that were made, before they are anywhere. */

struct generated_file {
	char *path; /* below the directory: "systemd/foo.service" */
	char *text; /* NULL: only an earlier generated one is removed */
	mode_t mode;
};

#define GENERATED_FILES_MAX 40

struct generated {
	struct generated_file files[GENERATED_FILES_MAX];
	size_t n_files;
};

/* Takes text; path is a format. -ENOMEM also when text is NULL. */
int generated_add(struct generated *generated, mode_t mode, char *text, const char *fmt,
		  ...)
	__attribute__((format(printf, 4, 5), nonnull(1, 4), warn_unused_result));

/* An earlier one of that path is no longer wanted. -ENOMEM or 0. */
int generated_add_removal(struct generated *generated, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull, warn_unused_result));

void generated_free(struct generated *generated) __attribute__((nonnull));
