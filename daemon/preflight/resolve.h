#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * Where a path leads once `current` is the release. The walk is our own: the link still
 * leads elsewhere, and what the unit does not see as it is here must not be judged.
 */

struct resolve_view {
	const char *current, *release;
	const char *const *hidden;
	size_t n_hidden;
	/* After resolve_prepare(): without symbolic links above the last name. */
	char real_current[PATH_MAX];
	char real_release[PATH_MAX];
};

enum resolve_result {
	RESOLVE_FOUND,
	RESOLVE_MISSING,
	RESOLVE_DENIED,	 /* place->path: the directory that cannot be entered */
	RESOLVE_HIDDEN,	 /* the unit sees something else there */
	RESOLVE_UNKNOWN, /* another error */
};

struct resolve_place {
	char path[PATH_MAX]; /* without symbolic links */
	struct stat st;
	bool in_release; /* also where it is missing: it would be in there */
};

/* Settles where current and the release are. The result is that for the release. */
enum resolve_result resolve_prepare(struct resolve_view *view,
				    struct resolve_place *ret_release)
	__attribute__((nonnull));

/*
 * ret_place->st is filled when it is found. path is as far as it went; of what is
 * missing, the whole.
 */
enum resolve_result resolve_path(const struct resolve_view *view, const char *path,
				 struct resolve_place *ret_place)
	__attribute__((nonnull));
