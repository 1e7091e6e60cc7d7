#pragma once

#include "deploy/errinfo.h"
#include "deploy/names.h"
#include "store/store.h"

/*
 * Where current points: ret_release gets the id, or "" when there is no link. A link or
 * directory that is not ours is RESULT_BAD_CONFIG.
 */
int current_read(const struct store *store, char ret_release[RELEASE_ID_SIZE],
		 struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* Points the link to releases/TO; not durable before current_sync(). */
int current_replace(const struct store *store, const char *to, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* After a failure the disk may have either link. */
int current_sync(const struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* After such a failure: the old link ("" = none) again, not durably. 0 or -errno. */
int current_take_back(const struct store *store, const char *release)
	__attribute__((warn_unused_result, nonnull));
