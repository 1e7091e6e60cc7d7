#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/* Files in state_dir and its meta/: what deployd must not forget over a restart. */

/* Of these files. A newer one is refused, never misread; an older one is understood. */
#define STORE_SCHEMA 3

/* file_replace() that makes room on a full disk. */
int record_replace(struct store *store, int dir_fd, const char *name, const char *text,
		   struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/*
 * What is not of the type (S_IFREG, S_IFDIR) gets out of the way, as ".NAME.damaged".
 * Nothing there is no error.
 */
int record_set_aside(int dir_fd, const char *name, mode_t type, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * RESULT_BAD_CONFIG, with what to do, when schema (NULL: the first) is newer than ours;
 * file is named below state_dir.
 */
int record_check_schema(const struct store *store, const json_t *schema,
			const char *file, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3, 4)));
