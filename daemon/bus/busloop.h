#pragma once

#include <systemd/sd-bus.h>
#include <uv.h>

/*
 * Drives one sd_bus from a libuv loop. Everything is processed in a prepare callback,
 * just before libuv computes its timeout; poll and timer only wake the loop.
 */
struct busloop {
	sd_bus *bus; /* borrowed */
	uv_poll_t poll;
	uv_timer_t timer;
	uv_prepare_t prepare;
	unsigned int open_handles;
	void *userdata;
	/* The connection broke (negative errno); busloop_close was already called. */
	void (*on_lost)(struct busloop *busloop, int error);
	void (*on_closed)(struct busloop *busloop); /* all handles are closed */
};

int busloop_start(struct busloop *busloop, uv_loop_t *loop, sd_bus *bus)
	__attribute__((warn_unused_result, nonnull));

/* Idempotent; on_closed follows. */
void busloop_close(struct busloop *busloop) __attribute__((nonnull));
