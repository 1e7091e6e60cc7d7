#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "bus/units.h"
#include "core/release_path.h"
#include "deploy/errinfo.h"

/*
 * A copy of a unit, to run a command in: with its user, its environment, its sandbox
 * and its limits, as clone_table.h lists them. A unit with a setting that cannot be
 * copied gets no copy: a command never runs with less of a sandbox than the app
 * itself.
 */

/*
 * Appends the properties that the copy takes from the unit to those of a
 * StartTransientUnit; they come from the reply to unit_properties_call(). ret_has_user:
 * the unit names its user. paths: everything that it takes is rewritten so that the
 * copy sees that release; NULL = what `current` points to. -ENOTCONN when the
 * connection broke, -ENOENT when the unit is not loaded. After an error, message is
 * unfinished and ei says why, except after a break.
 */
int clone_append(sd_bus_message *message, sd_bus_message *reply, const char *unit,
		 const struct release_path *paths, bool *ret_has_user,
		 struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 5, 6)));

struct clone_query;

/*
 * Finds out whether the unit can be copied. done is called once, never from within:
 * error says why not (RESULT_FAILED), or is RESULT_OK, also when systemd did not answer
 * for 5 s or the unit does not exist, since nothing is known against it then. NULL only
 * without memory.
 */
struct clone_query *
clone_query(struct units *units, const char *unit,
	    void (*done)(void *userdata, const struct errinfo *error), void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));
