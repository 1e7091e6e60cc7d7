#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What is in a release, as far as deployd can tell two of them apart: the archive, and
 * the options of the app's file that decided what became of it. Pure.
 */

struct content {
	const char *sha256; /* of the archive; NULL: not known, equal to no other */
	const char *layout; /* the options, as words; NULL: all at their defaults */
};

/*
 * The layout of these options; malloc'ed, NULL when all are at their defaults. False:
 * without memory.
 */
bool content_layout(uint64_t strip_components, char *const *linked_dirs,
		    char *const *linked_files, char **ret_layout)
	__attribute__((warn_unused_result, nonnull(4)));

/* The same archive, unpacked in the same way. */
bool content_is_same(const struct content *a, const struct content *b)
	__attribute__((warn_unused_result, nonnull));
