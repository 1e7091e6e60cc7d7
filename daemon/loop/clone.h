#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "deploy/errinfo.h"
#include "loop/units.h"

/*
 * A copy of a unit, to run a command in: with its user, its environment, its sandbox
 * and its limits, as clone_table.h lists them. A unit with a setting that cannot be
 * copied has no copy: a command is never run with less of a sandbox than the app
 * itself.
 */

/*
 * Appends what the copy has of the unit to the properties of a StartTransientUnit, from
 * the reply to unit_values_call(). ret_has_user: the unit says whose it is. -ENOTCONN
 * after a break, -ENOENT when the unit is not loaded; message is unfinished after an
 * error, and ei says why, but after a break.
 */
int clone_append(sd_bus_message *message, sd_bus_message *reply, const char *unit,
		 bool *ret_has_user, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

struct clone_query;

/*
 * Can the unit be copied? done is called once, never from within: error says why not
 * (RESULT_FAILED), or is RESULT_OK, also where systemd gave no answer for 5 s or the
 * unit is not there: nothing is known against it then. NULL only without memory.
 */
struct clone_query *
clone_query(struct units *units, const char *unit,
	    void (*done)(void *userdata, const struct errinfo *error), void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));
