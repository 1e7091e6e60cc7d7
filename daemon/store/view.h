#pragma once

#include <jansson.h>

#include "core/retention.h"
#include "deploy/errinfo.h"
#include "store/store.h"

/* The object view of protocol.h, the caller's. NULL: ei says why. */
json_t *view_make(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* What retention wants to know of an entry of the view; id is borrowed from it. */
struct retention_release view_release(const json_t *entry) __attribute__((nonnull));

/* The view as it is once current points to release; needs no file and no lock. */
int view_after_switch(json_t *view, const char *release, const json_t *by,
		      const char *at, const json_t *confirm, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 4, 6)));
