#include "base/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

/* All of them: without a service manager there is nobody to tell, and no harm in it. */

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	(void)sd_notify(0, "WATCHDOG=1");
}

static void on_closed(uv_handle_t *handle)
{
	struct notify *notify = handle->data;

	notify->open_handles--;
}

int notify_start(struct notify *notify, uv_loop_t *loop)
{
	uint64_t watchdog_usec = 0, interval_ms;
	int r;

	r = sd_watchdog_enabled(0, &watchdog_usec);
	if (r < 0)
		return r;
	r = uv_timer_init(loop, &notify->watchdog);
	if (r < 0)
		return r;
	notify->watchdog.data = notify;
	notify->open_handles = 1;
	/* It must not keep the loop alive. */
	uv_unref((uv_handle_t *)&notify->watchdog);
	if (watchdog_usec == 0)
		return 0;
	interval_ms = watchdog_usec / 2 / 1000;
	if (interval_ms == 0)
		interval_ms = 1;
	return uv_timer_start(&notify->watchdog, on_watchdog, 0, interval_ms);
}

void notify_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_reloading(void)
{
	/* MONOTONIC_USEC: Type=notify-reload (systemd 253) insists on it. */
	(void)sd_notifyf(0,
			 "RELOADING=1\nMONOTONIC_USEC=%" PRIu64
			 "\nSTATUS=reloading the configuration",
			 uv_hrtime() / 1000);
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void notify_extend_timeout(uint64_t usec)
{
	(void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

void notify_close(struct notify *notify)
{
	if (notify->open_handles == 0 ||
	    uv_is_closing((uv_handle_t *)&notify->watchdog))
		return;
	uv_close((uv_handle_t *)&notify->watchdog, on_closed);
}
