#pragma once

/*
 * A unit names paths below `current`. A command that runs from a certain release must
 * see that release's files instead, whatever `current` points to. Pure.
 */

struct release_path {
	const char *current; /* current_dir, absolute, without a '/' at its end */
	const char *release; /* the release's directory */
};

/*
 * The text with every path at or below current replaced by the one of the release: in a
 * path, a list of paths, an assignment or a command line. A longer path that only
 * contains current, or has a longer name in its place, stays. To be freed; NULL only
 * without memory.
 */
char *release_path_rewrite(const struct release_path *paths, const char *text)
	__attribute__((warn_unused_result, nonnull));
