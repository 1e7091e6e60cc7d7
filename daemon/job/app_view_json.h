#pragma once

#include <jansson.h>

#include "core/app_view.h"
#include "core/resume.h"

/*
 * Reads what deployd-store reports about an app (daemon/store/view.c) into its types,
 * once. A member that is missing or has another type counts as unknown: the reply comes
 * from a helper and is not trusted to be complete.
 */

/* NULL without memory, or if view is not an object. */
struct app_view *app_view_from_json(const json_t *view)
	__attribute__((warn_unused_result));

/* {"uid": N, "user": "..."}; else not known. */
struct person person_from_json(const json_t *person);

/* null where the person is not known. */
json_t *person_to_json(const struct person *person)
	__attribute__((warn_unused_result, nonnull));

/* False: there is no pending switch in the reply of "recover". */
bool pending_from_json(const json_t *pending, struct pending_switch *ret_pending)
	__attribute__((warn_unused_result, nonnull(2)));
