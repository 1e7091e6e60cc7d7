#pragma once

#include "bus/units.h"
#include "core/preflight.h"

/* What systemd will do when it starts a unit next, for those who examine that before.
 */

struct unit_start_options {
	const char *unit;
	bool reload; /* a reload follows, so ExecReload= counts, too */
};

struct unit_start_query;

/*
 * Reads it once. done is called once, never from within: error -ENOTCONN when there is
 * no bus, -ETIMEDOUT after 5 s; a unit that is not there has another load_state. unit
 * is borrowed until done returns. NULL only without memory.
 */
struct unit_start_query *
unit_start_query(struct units *units, const struct unit_start_options *options,
		 void (*done)(void *userdata, int error, struct preflight_unit *unit),
		 void *userdata) __attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* Frees what it holds; done() may have moved that elsewhere. */
void unit_start_deinit(struct preflight_unit *unit) __attribute__((nonnull));

/* done is not called. Accepts NULL. */
void unit_start_query_cancel(struct unit_start_query *query);
