#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/content.h"

/*
 * Which release `rollback` goes to, and which may be removed. Order is by sequence
 * number, never by name or time. Pure.
 */

#define RETENTION_BAD_KEPT 2 /* newest bad ones, for their evidence */
#define RETENTION_STAGED_SEC_MAX                                                       \
	((int64_t)7 * 24 * 3600) /* a staged one waits this long */

struct retention_release {
	const char *id;
	uint64_t seq;
	struct content content;
	bool good, bad;	  /* neither: staged, or */
	bool unknown;	  /* its record was lost */
	bool rolled_back; /* was gone back from, and not activated since */
	bool pinned;
	bool in_use;
	int64_t deployed_at_sec; /* 0: not known, old */
};

/*
 * The last good release before the current one that was not itself rolled back and has
 * other content: going back to the same would change nothing. If there is none, the
 * last one in state unknown: its health decides. Index, or n when there is none.
 * current NULL or unknown: none.
 */
size_t retention_rollback_target(const struct retention_release *releases, size_t n,
				 const char *current) __attribute__((nonnull(1)));

/*
 * Sets ret_prune[i] for those to remove: good ones beyond the newest `keep`, bad ones
 * beyond the newest few, unknown ones beyond the newest `keep`, staged ones that waited
 * too long. Releases of a kind with the same content count once. Of those the newest is
 * kept, and beside the current one the newest before it, which is a place to go back to
 * when the current one is not any more. Never current, the rollback target, pinned ones
 * or ones in use.
 */
void retention_choose(const struct retention_release *releases, size_t n,
		      const char *current, uint64_t keep, int64_t now_sec,
		      bool *ret_prune) __attribute__((nonnull(1, 6)));
