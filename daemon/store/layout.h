#pragma once

#include <stdbool.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/*
 * Opens, checks and locks. create: what is missing of the app's tree is made. Unsafe
 * owners are RESULT_BAD_CONFIG with the command that mends them.
 */
int layout_open(struct store *store, bool create, unsigned int lock_wait_ms,
		struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* The same for adopt: deploy_dir and releases_dir may be others' than root's. */
int layout_open_foreign(struct store *store, unsigned int lock_wait_ms,
			struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Makes what is missing in deploy_dir, once that is root's. */
int layout_make(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* The basename of a path directly in deploy_dir; NULL for one that is elsewhere. */
const char *layout_name_in(const struct store_app *app, const char *path)
	__attribute__((nonnull));

/* The errinfo of a write below deploy_dir that failed with err. */
int layout_write_failed(const struct store *store, int err, const char *what,
			struct errinfo *ei) __attribute__((nonnull));
