#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/varlink.h"
#include "session/outgoing.h"
#include "util/session_protocol.h"

/*
 * The client: turns bytes and fds into one decoded call at a time, and replies into
 * bytes. It never waits for its socket; session.c has the loop. Everything that the
 * client sends is untrusted and bounded: input to one message and one read, fds to
 * HELD_FDS_MAX, output to SESSION_OUTPUT_BYTES_MAX and one reply.
 */

/* fds of the request under way, of the unfinished message and of one read of input. */
#define HELD_FDS_MAX ((size_t)3 * SESSION_FDS_MAX)

/* Bytes of one recvmsg(). */
#define CLIENT_READ_BYTES_MAX 65536

struct held_fd {
	int fd;
	uint64_t request; /* the one it came with */
};

struct client {
	int fd;		  /* -1: none, or closed */
	bool ending;	  /* send what is buffered, then close; nothing is read */
	bool input_ended; /* it has shut down its writing, but may still read */
	struct varlink_buffer input;
	uint64_t n_messages; /* complete ones received */
	struct held_fd held[HELD_FDS_MAX];
	size_t n_held;
	struct outgoing output;

	uint64_t request; /* number of the last one taken, from 1 */
	bool busy;	  /* it has not had its last reply */
	bool more, oneway;
	bool more_input; /* the input may hold a whole message */
};

/* Takes over fd. */
void client_init(struct client *client, int fd) __attribute__((nonnull));

/*
 * Takes bytes (at least one) and the fds that came with them, which it owns from here.
 * The fds belong to the message of the last byte. 0; -EMSGSIZE when a message or the
 * number of fds exceeds a limit; -ENOMEM.
 */
int client_feed(struct client *client, const char *data, size_t length, const int *fds,
		size_t n_fds) __attribute__((warn_unused_result, nonnull(1, 2)));

/* True when it may be read from: no call is under way, and none is in the buffer. */
bool client_wants_input(const struct client *client) __attribute__((nonnull));

/*
 * Reads once from the socket and calls client_feed(). 0 (also when there was nothing to
 * read), -ECONNRESET when the client has hung up, else as client_feed().
 */
int client_receive(struct client *client) __attribute__((warn_unused_result, nonnull));

/*
 * Takes the next whole call when none is under way: 1 and the call as the client sent
 * it (caller decrefs), with its number in client->request. 0: there is none yet.
 * -EBADMSG: the client sent something that is not a call.
 */
int client_next(struct client *client, json_t **ret_call)
	__attribute__((warn_unused_result, nonnull));

/* How many fds came with the request under way. */
size_t client_count_fds(const struct client *client) __attribute__((nonnull));

/* Hands over one of them; -1 when there is no such index, or it was already taken. */
int client_take_fd(struct client *client, uint64_t index) __attribute__((nonnull));

/*
 * Answers the request under way. error: NULL or the error's name. With continues, more
 * replies follow; such a reply is dropped when the client did not ask for more, or has
 * not read the previous ones. The last reply ends the request. Takes the reference on
 * parameters, which may be NULL. -ENOMEM.
 */
int client_reply(struct client *client, const char *error, json_t *parameters,
		 bool continues) __attribute__((warn_unused_result, nonnull(1)));

/*
 * A reply {"lines": lines} that continues. It is never dropped: the caller waits until
 * the client has read the previous ones. Takes the reference. -ENOMEM.
 */
int client_reply_lines(struct client *client, json_t *lines)
	__attribute__((warn_unused_result, nonnull));

/* Sends as much as the socket takes. -ECONNRESET: nobody will read it. */
int client_flush(struct client *client) __attribute__((warn_unused_result, nonnull));

/*
 * Closes the fds of requests that are over. It may never return, so do everything else
 * first.
 */
void client_close_old_fds(struct client *client) __attribute__((nonnull));

/* Closes the socket, and drops input and output. The request's fds stay open. */
void client_hang_up(struct client *client) __attribute__((nonnull));

/* For the fuzzer; the program just exits. */
void client_deinit(struct client *client) __attribute__((nonnull));
