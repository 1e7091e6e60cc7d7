#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/*
 * A disk that is full must not stand in the way of a rollback: a file is kept on each
 * of the two file systems for its blocks and its inode. room_make() gives them up,
 * together with what lies in staging: 0 when that may have made room, -ENOSPC when
 * there was nothing to give, else why it failed.
 */
int room_make(const struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Makes them again while there is room. */
void room_keep(const struct store *store) __attribute__((nonnull));

/*
 * Removes what a crash or a failed deploy left in .staging. messages (may be NULL) gets
 * what was removed, and what could not be.
 */
int room_empty_staging(const struct store *store, json_t *messages, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));
