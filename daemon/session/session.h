#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "deploy/varlink.h"
#include "session/archive.h"
#include "session/client.h"
#include "session/lines.h"
#include "session/outgoing.h"

/*
 * A session: one client on one side, deployd's words (util/session_protocol.h) on the
 * other. One poll() loop, which waits for nothing else; only the client's own fds can
 * make it hang.
 */
struct session {
	struct outgoing up; /* words to deployd */
	struct varlink_buffer words;
	json_t *waiting; /* a word whose fd has not come yet */
	struct client client;
	bool connected; /* there is, or was, a client */
	uint64_t timeout_ms;
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
	struct archive archive;
	bool archive_refused; /* deployd does not want the one of this request */
	struct lines lines;
	bool orphan; /* deployd has gone */
	bool over;   /* whatever else there is: end */
};

/* The three fds of the protocol become non-blocking. -errno. */
int session_init(struct session *session) __attribute__((warn_unused_result, nonnull));

/* Until the end of the session. False: what deployd said was not a word. */
bool session_run(struct session *session) __attribute__((warn_unused_result, nonnull));
