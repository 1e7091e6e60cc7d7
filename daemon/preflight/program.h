#pragma once

#include <stdbool.h>

#include "core/preflight.h"
#include "preflight/resolve.h"

/* What becomes of an execve(2) of a file. */
struct program {
	enum preflight_verdict verdict;
	char file[PREFLIGHT_PATH_SIZE]; /* escaped; an interpreter at fault, or "" */
	char detail[PREFLIGHT_DETAIL_SIZE]; /* escaped */
};

/*
 * Whether it can be executed by this process, or with full privileges: then what this
 * process may not do does not count.
 */
void program_examine(const struct resolve_view *view, const struct resolve_place *place,
		     bool privileged, struct program *ret_program)
	__attribute__((nonnull));
