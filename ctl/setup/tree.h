#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "deploy/app_config.h"

/* The directories that an app wants, with owner and mode. Pure. */

struct tree_dir {
	const char *path, *user, *group; /* of the app's configuration, or static */
	mode_t mode;
	bool is_volatile; /* below /run: not for a DESTDIR */
	bool is_linked;	  /* of linked_dirs: one that is there is the app's business */
};

struct tree {
	struct tree_dir *dirs; /* of each path one */
	size_t n_dirs;
	char *linked_paths; /* of shared/, each with its NUL */
};

/*
 * deploy_dir and what is in it as deployd wants it; of runtime, configuration, state,
 * cache, logs and tmp those that `dirs` names or another option needs; shared/ where
 * something is linked into it; the sections [create_dir NAME], which have the last
 * word. -ENOMEM or 0. The app must outlive it.
 */
int tree_of(const struct app_config *app, struct tree *ret_tree)
	__attribute__((nonnull, warn_unused_result));

/* deploy_dir and what deployd needs in it, only. */
int tree_of_releases(const struct app_config *app, struct tree *ret_tree)
	__attribute__((nonnull, warn_unused_result));

/* shared/, linked_dirs and what lies between, and where linked_files lie; only. */
int tree_of_shared(const struct app_config *app, struct tree *ret_tree)
	__attribute__((nonnull, warn_unused_result));

/* NULL when path is not one of them. */
const struct tree_dir *tree_find(const struct tree *tree, const char *path)
	__attribute__((nonnull));

void tree_deinit(struct tree *tree) __attribute__((nonnull));

/* Is word one of the lines of list? NULL is an empty list. */
bool tree_has_word(const char *list, const char *word) __attribute__((nonnull(2)));

/* Is path dir itself or below it? */
bool tree_is_below(const char *path, const char *dir) __attribute__((nonnull));
