#pragma once

#include <stdbool.h>
#include <uv.h>

/*
 * The running daemon: one loop, and everything on it. Start: configuration, recovery of
 * every app, then the socket, then READY. Stop: no more connections, running jobs are
 * finished, but for those that lack a part of their archive, then everything is closed.
 */

struct config_set;
struct daemon;

/*
 * Starts everything on the loop; takes over config and listen_fd. Negative errno: the
 * process has to exit.
 */
int daemon_start(uv_loop_t *loop, struct config_set *config, int listen_fd,
		 struct daemon **ret_daemon)
	__attribute__((warn_unused_result, nonnull));

/* Once the loop has run out of handles. False: the exit status is 1. */
bool daemon_end(struct daemon *daemon) __attribute__((nonnull));
