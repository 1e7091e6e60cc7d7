#pragma once

#include <jansson.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/* Removes one release, whatever it is, and its record. */
int prune_one(struct store *store, const char *release, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Removes what retention lets go; the ids are appended to pruned. What cannot be
 * removed is told in warnings.
 */
int prune_releases(struct store *store, uint64_t keep, const json_t *in_use,
		   json_t *pruned, json_t *warnings, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
