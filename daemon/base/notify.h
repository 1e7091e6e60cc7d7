#pragma once

#include <stdint.h>
#include <uv.h>

/*
 * The service manager's side of Type=notify (sd_notify(3)): READY, STATUS, RELOADING,
 * STOPPING, EXTEND_TIMEOUT_USEC, and the watchdog fed from the loop only.
 */
struct notify {
	uv_timer_t watchdog;
	unsigned int open_handles;
};

/* Arms the watchdog at half of WATCHDOG_USEC where the manager asks for it. */
int notify_start(struct notify *notify, uv_loop_t *loop)
	__attribute__((warn_unused_result, nonnull));
void notify_ready(const char *status) __attribute__((nonnull));
void notify_status(const char *status) __attribute__((nonnull));
void notify_reloading(void);
void notify_stopping(void);
/* Asks for this much more time to stop or to start. */
void notify_extend_timeout(uint64_t usec);
void notify_close(struct notify *notify) __attribute__((nonnull));
