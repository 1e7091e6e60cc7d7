#pragma once

#include <jansson.h>
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
	json_t *waiting; /* a word whose fd has not arrived yet */
	struct client client;
	bool connected; /* there is, or was, a client */
	uint64_t timeout_ms;
	int64_t deadline_ms; /* CLOCK_MONOTONIC; 0: none */
	struct archive archive;
	bool archive_decided; /* deployd has chosen one of this request's fds, or wants
				 none */
	struct lines lines;
	bool orphan;  /* deployd has gone */
	bool over;    /* it cannot go on */
	bool refused; /* the client was told why, and that is all */
};

/* Makes the three fds of the protocol non-blocking. -errno. */
int session_init(struct session *session) __attribute__((warn_unused_result, nonnull));

/*
 * Runs until the end of the session (loop.c). False: it could not go on, because memory
 * ran out or deployd sent something invalid.
 */
bool session_run(struct session *session) __attribute__((warn_unused_result, nonnull));

/* --- for loop.c and words.c ------------------------------------------------------- */

int64_t session_now_ms(void);

/* The client has this long to read the buffered output, or to send a request. */
void session_expect_progress(struct session *session, uint64_t within_ms)
	__attribute__((nonnull));

/* Sends a word up. Takes the reference; NULL means that there was no memory. */
void session_say(struct session *session, json_t *word) __attribute__((nonnull(1)));

/* Writes as many words as the pipe takes. */
void session_flush_up(struct session *session) __attribute__((nonnull));

/* Answers the request under way, as client_reply(). Takes the reference. */
void session_reply(struct session *session, const char *error, json_t *parameters,
		   bool continues) __attribute__((nonnull(1)));

/* Sends the client the buffered output, and then closes the connection. */
void session_end_client(struct session *session, uint64_t within_ms)
	__attribute__((nonnull));

/* Closes the connection at once. */
void session_hang_up(struct session *session) __attribute__((nonnull));

/*
 * deployd has gone: tells the client what to do next, and drops the archive.
 */
void session_become_orphan(struct session *session) __attribute__((nonnull));

/* poll() returned events for the client's socket. */
void session_serve_client(struct session *session, short events)
	__attribute__((nonnull));

/* The client's time is over, or deployd's time to ask for a gone client's archive. */
void session_deadline_passed(struct session *session) __attribute__((nonnull));

/* At the end of a turn, act on the state of each. */
void session_settle_client(struct session *session) __attribute__((nonnull));
void session_settle_lines(struct session *session) __attribute__((nonnull));
void session_settle_archive(struct session *session) __attribute__((nonnull));

/* Lines are read once the client has read the previous ones: it sets the pace. */
bool session_wants_lines(const struct session *session) __attribute__((nonnull));
void session_pass_lines_on(struct session *session) __attribute__((nonnull));

/* Nothing is left to do. */
bool session_is_over(const struct session *session) __attribute__((nonnull));
