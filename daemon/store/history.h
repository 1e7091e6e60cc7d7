#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/* Appends the entry, an object, durably. */
int history_append(struct store *store, json_t *entry, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
