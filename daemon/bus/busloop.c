/*
 * One sd_bus on a libuv loop. The bus is asked again at every turn what it waits for:
 * its deadlines and its interest in writing change with each message.
 */
#include "bus/busloop.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define DRAIN_MAX 64 /* messages handled before other handles get a turn */

static void on_handle_closed(uv_handle_t *handle)
{
	struct busloop *busloop = handle->data;

	if (--busloop->open_handles == 0 && busloop->on_closed)
		busloop->on_closed(busloop);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	(void)status; /* sd_bus_process() reports the error itself */
	(void)events;
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
}

static int drain(const struct busloop *busloop)
{
	int r = 0;

	for (int i = 0; i < DRAIN_MAX; i++) {
		r = sd_bus_process(busloop->bus, NULL);
		/* A callback may have closed us: the rest is not for us any more. */
		if (r <= 0 || uv_is_closing((const uv_handle_t *)&busloop->prepare))
			return r;
	}
	return 1;
}

/* sd-bus gives an absolute CLOCK_MONOTONIC time in us, libuv wants relative ms. */
static uint64_t until_ms(uint64_t deadline_usec)
{
	uint64_t now_usec = uv_hrtime() / 1000;

	if (deadline_usec <= now_usec)
		return 0;
	return (deadline_usec - now_usec + 999) / 1000;
}

static int arm(struct busloop *busloop, bool more)
{
	uint64_t deadline;
	int events, mask = 0, r;

	events = sd_bus_get_events(busloop->bus);
	if (events < 0)
		return events;
	if (events & POLLIN)
		mask |= UV_READABLE;
	if (events & POLLOUT)
		mask |= UV_WRITABLE;
	r = uv_poll_start(&busloop->poll, mask, on_poll);
	if (r < 0)
		return r;

	r = sd_bus_get_timeout(busloop->bus, &deadline);
	if (r < 0)
		return r;
	if (more)
		deadline = 0;
	if (deadline == UINT64_MAX)
		return uv_timer_stop(&busloop->timer);

	uv_update_time(busloop->timer.loop);
	return uv_timer_start(&busloop->timer, on_timer, until_ms(deadline), 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct busloop *busloop = prepare->data;
	int r;

	r = drain(busloop);
	if (uv_is_closing((uv_handle_t *)prepare))
		return;
	if (r >= 0)
		r = arm(busloop, r > 0);
	if (r < 0) {
		busloop_close(busloop);
		if (busloop->on_lost)
			busloop->on_lost(busloop, r);
	}
}

int busloop_start(struct busloop *busloop, uv_loop_t *loop, sd_bus *bus)
{
	int fd, r;

	busloop->bus = bus;
	busloop->open_handles = 0;

	fd = sd_bus_get_fd(bus);
	if (fd < 0)
		return fd;
	r = uv_poll_init(loop, &busloop->poll, fd);
	if (r < 0)
		return r;
	busloop->poll.data = busloop;

	/* These cannot fail. */
	(void)uv_timer_init(loop, &busloop->timer);
	busloop->timer.data = busloop;
	(void)uv_prepare_init(loop, &busloop->prepare);
	busloop->prepare.data = busloop;
	busloop->open_handles = 3;
	return uv_prepare_start(&busloop->prepare, on_prepare);
}

void busloop_close(struct busloop *busloop)
{
	if (busloop->open_handles == 0 ||
	    uv_is_closing((uv_handle_t *)&busloop->prepare))
		return;
	uv_close((uv_handle_t *)&busloop->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&busloop->timer, on_handle_closed);
	uv_close((uv_handle_t *)&busloop->poll, on_handle_closed);
}
