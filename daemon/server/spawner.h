#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "server/channel.h"

/*
 * deployd's connection to deployd-sessions (util/session_protocol.h), which starts the
 * session processes in a unit of its own: none of them is a child of deployd, and
 * deployd waits for none. It reconnects with back-off when the connection is lost.
 */

#define SPAWNER_RETRY_MSEC_MIN 100u
#define SPAWNER_RETRY_MSEC_MAX 5000u
#define SPAWNER_LINE_BYTES_MAX 64u

struct spawner_events {
	/* Sessions can be started again, or no longer (error: negative errno). */
	void (*on_up)(void *userdata);
	void (*on_down)(void *userdata, int error);
	void (*on_started)(void *userdata, uint64_t number, pid_t pid);
	/* The process has exited: it holds no fds any more. */
	void (*on_ended)(void *userdata, uint64_t number);
};

struct spawner {
	uv_loop_t *loop;
	const char *path;
	const struct spawner_events *events;
	void *userdata;
	int fd; /* -1: not connected */
	uv_pipe_t report;
	uv_timer_t retry;
	unsigned int open_handles;
	bool report_open;
	bool closing;
	uint64_t retry_msec;
	char line[SPAWNER_LINE_BYTES_MAX];
	size_t line_length;
	char chunk[1024];
};

/* path is borrowed. Connects from the loop; 0 or negative errno. */
int spawner_start(struct spawner *spawner, uv_loop_t *loop, const char *path,
		  const struct spawner_events *events, void *userdata)
	__attribute__((warn_unused_result, nonnull));

/*
 * Asks for a session with these ends, which stay the caller's. 0; -ENOTCONN or another
 * negative errno when the request could not be sent.
 */
int spawner_request(struct spawner *spawner, uint64_t number,
		    const struct channel_ends *ends)
	__attribute__((warn_unused_result, nonnull));

/* Idempotent. The handles close on the loop. No callback is called any more. */
void spawner_stop(struct spawner *spawner) __attribute__((nonnull));
