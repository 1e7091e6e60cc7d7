#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "deploy/result.h"
#include "deploy/varlink.h"
#include "loop/peer.h"

/*
 * One connection: reads a request (and the fds that came with it), hands it on, and
 * sends the replies. One request at a time; the next is read when the last was
 * answered. Others hold a session's id, never its pointer, across a callback.
 */

#define SESSION_FDS_MAX 1 /* of one message: no method takes more */
#define SESSION_OUTPUT_BYTES_MAX                                                       \
	(256u << 10)			  /* unread output; then progress is dropped */
#define SESSION_OUTPUT_RESERVE (4u << 20) /* one last reply may be this large */

struct daemon;
struct server;

struct session {
	struct server *server;
	struct session *next, *prev;
	uint64_t id;
	int fd;
	struct peer peer;
	uv_poll_t poll;
	uv_timer_t deadline;
	unsigned int open_handles;
	bool reading;	  /* waiting for a request, under the deadline */
	bool named;	  /* who the peer is has been looked up */
	bool busy;	  /* a request is being worked on */
	bool half_closed; /* the peer writes no more, and may still read */
	bool closing;
	bool dispatching;
	struct varlink_buffer input;
	int fds[SESSION_FDS_MAX];
	size_t n_fds;
	struct varlink_call call; /* while busy */
	char *output;
	size_t output_length, output_capacity;
	uint64_t n_dropped; /* progress lines not sent */
	void (*on_gone)(void *userdata);
	void *gone_userdata;
};

/* Takes over fd on success. -EPERM and others: refuse. */
int session_new(struct server *server, int fd, uint64_t id,
		struct session **ret_session)
	__attribute__((warn_unused_result, nonnull));

/* Idempotent; the session is freed when its last handle is closed. */
void session_close(struct session *session) __attribute__((nonnull));

/* The first look at the socket, once it is known who the peer is. */
void session_start(struct session *session) __attribute__((nonnull));

/*
 * Answers the request: continues = more replies follow (dropped when the client did not
 * ask for more, or does not read). The last reply ends the request. Takes the reference
 * on parameters.
 */
void session_reply(struct session *session, json_t *parameters, bool continues)
	__attribute__((nonnull(1)));

/* Answers with a Varlink error; the request is over. Takes the reference. */
void session_error(struct session *session, const char *error, json_t *parameters)
	__attribute__((nonnull(1, 2)));

/* Answers with the error of a result: {"message": ...}. result is not RESULT_OK. */
void session_refuse(struct session *session, enum deploy_result result, const char *fmt,
		    ...) __attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* Hands over the fd that came with the request; -1 when index is not one of them. */
int session_take_fd(struct session *session, json_int_t index) __attribute__((nonnull));

/* True when the client asked for progress. */
bool session_wants_more(const struct session *session) __attribute__((nonnull));

/*
 * Calls on_gone once when the session closes, for what must not go on without its
 * client. NULL takes it back.
 */
void session_on_gone(struct session *session, void (*on_gone)(void *userdata),
		     void *userdata) __attribute__((nonnull(1)));
