#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Which names and link targets of an archive may become part of a release. Pure. Used
 * by deployd-unpack on the archive and fit for deployd-store on the finished tree.
 */

#define ENTRYNAME_COMPONENT_MAX 255
/* Leaves room for "/srv/APP/releases/ID/" below PATH_MAX. */
#define ENTRYNAME_PATH_MAX  3839
#define ENTRYNAME_PATH_SIZE (ENTRYNAME_PATH_MAX + 1)

enum entryname_verdict {
	ENTRYNAME_OK,
	ENTRYNAME_EMPTY,
	ENTRYNAME_ABSOLUTE,
	ENTRYNAME_PARENT,  /* a ".." in a name */
	ENTRYNAME_CONTROL, /* C0 or DEL */
	ENTRYNAME_COMPONENT_TOO_LONG,
	ENTRYNAME_TOO_LONG,
	ENTRYNAME_TOO_DEEP,
	ENTRYNAME_RESERVED,
	ENTRYNAME_NOT_ALLOWED, /* an absolute link target */
	ENTRYNAME_LEAVES,      /* a link target */
	ENTRYNAME_PARENT_OF_LINK,
	ENTRYNAME_VERDICT_COUNT
};

/* For "the name ..." or "the target ...": "is absolute", "holds '..'", ... */
const char *entryname_verdict_text(enum entryname_verdict verdict);

/*
 * Puts the canonical form of an entry's name into ret_path: components joined by
 * single slashes, no leading "./", no "."; "" for the release's own directory. Names
 * with "..", absolute, over-long or deeper than max_depth components, with control
 * bytes, or of ours (".deployd*" at the top) are refused; ret_path is unspecified then.
 */
enum entryname_verdict entryname_canonical(const char *name, size_t max_depth,
					   char ret_path[ENTRYNAME_PATH_SIZE])
	__attribute__((nonnull, warn_unused_result));

/* Where symbolic links may point to. */
struct entryname_links {
	const char *const *allowed; /* absolute paths, NULL-terminated; or NULL */
	/* Is the canonical path a directory of the release and no link? NULL: it is. */
	bool (*is_dir)(const char *path, void *userdata);
	void *userdata;
};

/*
 * Whether a symbolic link at the canonical path may point to target: to an allowed
 * path or below it, without any "..", or relative and not above the release. What a
 * ".." goes back from must be a directory: then the answer is true whatever else is a
 * link in the tree, as "a/b/.." is a's parent when b is "..", but names that come after
 * only lead down.
 */
enum entryname_verdict entryname_link_target(const char *path, const char *target,
					     const struct entryname_links *links)
	__attribute__((nonnull, warn_unused_result));
