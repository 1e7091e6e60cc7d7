#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "deploy/varlink.h"

/* A connection to deployd. Blocking: deployctl has one thing to wait for. */

#define CONNECTION_SOCKET_PATH "/run/deployd/io.deployd"

/*
 * Nobody has said anything this long: is it because deployd has no sessions? Then the
 * wait ends; else it goes on, and the question is asked again after as long a time.
 */
#define CONNECTION_SILENCE_MSEC 5000

/* What to tell the user then. */
#define CONNECTION_NO_SESSIONS_TEXT                                                    \
	"deployd cannot answer: deployd-sessions.socket is stopped; root starts it "   \
	"with `systemctl start deployd-sessions.socket`"

struct connection {
	int fd;
	bool needs_sessions; /* deployd's own socket, and nothing was received yet */
	struct varlink_buffer input;
};

enum received {
	RECEIVED_REPLY,
	RECEIVED_TIMEOUT,
	RECEIVED_SIGNAL,
	RECEIVED_END,	      /* deployd closed the connection */
	RECEIVED_NO_SESSIONS, /* CONNECTION_NO_SESSIONS_TEXT, RESULT_NO_DAEMON */
	RECEIVED_NONSENSE,
};

/* A reply, decoded; all of it belongs to message, which the receiver decrefs. */
struct reply {
	json_t *message;
	const char *error;  /* NULL: none */
	json_t *parameters; /* NULL: none */
	bool continues;
};

/*
 * Connects. path NULL: deployd's own socket, and whoever listens there must be root. On
 * failure a negative errno, and error has the result and what to do about it.
 */
int connection_open(struct connection *connection, const char *path,
		    struct errinfo *error)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/*
 * Sends a call; takes the reference on parameters. pass_fd goes with it, -1: none. 0 or
 * a negative errno; -EPIPE and -ECONNRESET when deployd has closed the connection.
 */
int connection_call(struct connection *connection, const char *method,
		    json_t *parameters, bool more, int pass_fd)
	__attribute__((warn_unused_result, nonnull(1, 2)));

/*
 * Waits for the next reply until deadline_ms (program_now_ms(), -1: for ever). With
 * a mask, signals that it lets through end the wait.
 */
enum received connection_receive(struct connection *connection, int64_t deadline_ms,
				 const sigset_t *mask, struct reply *ret_reply)
	__attribute__((warn_unused_result, nonnull(1, 4)));

void connection_close(struct connection *connection) __attribute__((nonnull));
