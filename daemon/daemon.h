#pragma once

#include <stdbool.h>
#include <uv.h>

#include "base/notify.h"
#include "bus/units.h"
#include "flag/flags.h"
#include "job/confirm.h"
#include "job/manager.h"
#include "server/decision.h"
#include "server/server.h"
#include "server/users.h"

struct config_set;
struct session;

/*
 * The running daemon: one loop, and everything on it. Start: configuration, recovery of
 * every app, then the socket, then READY. Stop: no more connections, running jobs
 * are finished, but for those that lack a part of their archive, then everything is
 * closed.
 */
struct daemon {
	uv_loop_t *loop;
	struct config_set *config;
	bool config_stale; /* the last reload failed, this is the one before */
	struct server server;
	struct manager manager;
	struct units *units;
	struct confirm confirm;
	struct decisions decisions;
	struct flags *flags;
	struct notify notify;
	struct users users;
	uv_signal_t sigterm, sigint, sighup;
	uv_timer_t stop_timer; /* asks systemd for more time, then closes everything */
	unsigned int n_verifications; /* verifications under way for status */
	unsigned int n_logs;	      /* journals being read for clients */
	int listen_fd;		      /* until the server has it */
	bool ready;
	bool stopping;
	bool closed; /* everything is being closed */
	bool reloading;
	bool failed; /* exit status 1 */
};

/* Starts everything on the loop; takes over config and listen_fd. */
int daemon_start(struct daemon *daemon, uv_loop_t *loop, struct config_set *config,
		 int listen_fd) __attribute__((warn_unused_result, nonnull));

/* Idempotent; the loop runs out of handles when all is done. */
void daemon_stop(struct daemon *daemon) __attribute__((nonnull));

/*
 * Loads the configuration in a thread and swaps at once, or keeps the old one. done
 * gets every message (borrowed), from the loop, once. -EBUSY while one is under way.
 */
typedef void (*reload_done_fn)(struct daemon *daemon, uint64_t session_id, bool ok,
			       char *const *messages, size_t n_messages);
int daemon_reload(struct daemon *daemon, uint64_t session_id, reload_done_fn done)
	__attribute__((warn_unused_result, nonnull(1)));
