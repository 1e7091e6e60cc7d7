#pragma once

#include "bus/unit_properties.h"

/*
 * A unit's state, told whenever it may have changed: systemd's signals only say when to
 * read it anew, so a burst of them is one reading, and after a break it is read again.
 */

struct unit_watch;

/*
 * changed is called with the state as first read and after each change of it, never
 * from within; state is borrowed. Not told: the moment between stop and start of a
 * restart, when the unit is inactive with a job waiting. NULL only without memory. Goes
 * silent when units is closed; must be freed all the same, before or after.
 */
struct unit_watch *unit_watch_new(struct units *units, const char *unit,
				  void (*changed)(void *userdata,
						  const struct unit_state *state),
				  void *userdata) __attribute__((nonnull(1, 2, 3)));

/* Reads it anew as soon as there is a bus; changed follows even when nothing has. */
void unit_watch_refresh(struct unit_watch *watch) __attribute__((nonnull));

/* Accepts NULL; fine from within changed. */
void unit_watch_free(struct unit_watch *watch);
