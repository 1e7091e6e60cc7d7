#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/*
 * deployd's end of the channel to one session process (util/session_protocol.h): a pipe
 * for words down, a pipe for words up, and a socket through which fds go down. Only
 * words can come up, and none of them can be trusted.
 */

/* Words that the session has not read; beyond this, the session counts as hung. */
#define CHANNEL_UNSENT_BYTES_MAX (4u << 20)
/* For the session to read the remaining words when a channel is closed. */
#define CHANNEL_FLUSH_MSEC 1000u

struct channel;

/* The session's ends, for the spawner; the caller closes them once they are sent. */
struct channel_ends {
	int words, report, fds;
};

struct channel_events {
	/* A word came up; it is borrowed. The callback may call channel_close(). */
	void (*on_word)(void *userdata, const json_t *word);
	/*
	 * The session has closed its end, or broke the protocol (why is not NULL then).
	 * Called once; the owner answers with channel_close(). That the channel is
	 * closed is no verification that the process is gone.
	 */
	void (*on_closed)(void *userdata, const char *why);
};

/*
 * Makes the channel and starts reading. No callback is called before this returns.
 * 0 or negative errno.
 */
int channel_new(uv_loop_t *loop, const struct channel_events *events, void *userdata,
		struct channel **ret_channel, struct channel_ends *ret_ends)
	__attribute__((warn_unused_result, nonnull));

void channel_ends_close(struct channel_ends *ends) __attribute__((nonnull));

/*
 * Sends a word down, and takes the reference on it. -ENOMEM, -EPIPE when the channel is
 * closed, -ENOBUFS when the session has stopped reading.
 */
int channel_send(struct channel *channel, json_t *word)
	__attribute__((warn_unused_result, nonnull));

/* The same for a word that is already encoded. Takes over text, even on failure. */
int channel_send_text(struct channel *channel, char *text, size_t length)
	__attribute__((warn_unused_result, nonnull));

/*
 * Sends an fd down, and the word that tells the session to take it. The fd stays the
 * caller's. When this fails, the session does not have it.
 */
int channel_send_fd(struct channel *channel, int fd, json_t *word)
	__attribute__((warn_unused_result, nonnull));

/*
 * The same for a client's connection, whose last reference deployd must not close: *fd
 * is closed, and -1, before the session is told to take it. When this fails, *fd is the
 * connection again (-1 if it cannot be recovered), and the channel is useless. Only as
 * long as channel_take_back() finds something.
 */
int channel_hand_over(struct channel *channel, int *fd, json_t *word)
	__attribute__((warn_unused_result, nonnull));

/*
 * Until the session reports that it has taken the client's connection, deployd keeps a
 * copy of the session's end of the fds socket. If the session is killed before that,
 * the socket's queue survives with the connection in it, and deployd does not become
 * the one that closes the last reference.
 *
 * channel_taken() drops that copy. channel_take_back() returns the fd that is still in
 * the queue, or -1 when the session had taken it.
 */
void channel_taken(struct channel *channel) __attribute__((nonnull));
int channel_take_back(struct channel *channel)
	__attribute__((warn_unused_result, nonnull));

/*
 * Closes asynchronously: the session may read the remaining words for
 * CHANNEL_FLUSH_MSEC, then the memory is freed. No callback is called any more.
 */
void channel_close(struct channel *channel) __attribute__((nonnull));

/* The same, without waiting for the session to read. */
void channel_abort(struct channel *channel) __attribute__((nonnull));
