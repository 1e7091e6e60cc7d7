#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * Can nobody but root change what the absolute path leads to? Every directory on the
 * way, every link and what it leads to, and the file itself. A component that is not
 * there ends the way: who could make it is known from where it would be.
 *
 * false: ret_bad is the first that others can change, ret_who says who.
 */
bool path_is_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
	__attribute__((nonnull, warn_unused_result));

/* The same for the directories on the way to it only. */
bool path_parents_are_roots(const char *path, char ret_bad[PATH_MAX], char ret_who[128])
	__attribute__((nonnull, warn_unused_result));
