#pragma once

#include <stdbool.h>
#include <uv.h>

/*
 * The connection to systemd's manager (org.freedesktop.systemd1(5)), asynchronous: one,
 * made again with back-off when the bus goes away. Nothing here blocks, and every
 * request ends, at the latest by its deadline. The requests have headers of their own:
 * unit_job.h, unit_properties.h, unit_watch.h, transient.h.
 */

struct units;

/*
 * address NULL = the system bus. Connecting goes on in the background, with back-off
 * 100 ms .. 10 s; on_connected is called at each (re)connection, may be NULL.
 */
int units_new(uv_loop_t *loop, const char *address,
	      void (*on_connected)(void *userdata), void *userdata,
	      struct units **ret_units)
	__attribute__((warn_unused_result, nonnull(1, 5)));

/* True while connected. */
bool units_connected(const struct units *units) __attribute__((nonnull));

/* The loop that drives it. */
uv_loop_t *units_loop(const struct units *units) __attribute__((nonnull));

/*
 * Closes asynchronously: running requests end with RESULT_FAILED, on_closed is called
 * when the last handle is closed and units is freed.
 */
void units_close(struct units *units, void (*on_closed)(void *userdata), void *userdata)
	__attribute__((nonnull(1)));

/*
 * Asks for a start as soon as what stops has ended, and waits for nothing. Best effort:
 * nothing without a bus.
 */
void units_start_later(struct units *units, const char *unit) __attribute__((nonnull));

/*
 * Forgets that the unit has failed and how often it was started, before whatever is
 * asked of the manager next. Best effort: nothing without a bus.
 */
void units_reset_failed(struct units *units, const char *unit) __attribute__((nonnull));
