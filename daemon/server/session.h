#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/config_set.h"
#include "deploy/result.h"
#include "deploy/varlink.h"
#include "job/archive.h"
#include "server/channel.h"
#include "server/peer.h"
#include "server/spawner.h"

/*
 * One deployd-session process, from its start to its end, and the connection that it
 * serves (util/session_protocol.h): requests come from it and replies go to it as
 * words. It keeps the client's fds; none of them ever comes here.
 */

/* Between two pings of a session with a client. */
#define SESSION_PING_MSEC 5000u
/* Without a reply to a ping, or without exiting, a session counts as hung. */
#define SESSION_HUNG_MSEC 10000u

/*
 * For an archive to start to flow, or to be complete. Until then its job holds up
 * nobody, but occupies a place in the queue. The default of unpack_sec, for a whole
 * archive.
 */
#define SESSION_ARCHIVE_AWAITED_MSEC 600000u

enum session_state {
	SESSION_STATE_STARTING,	 /* asked for, has not said that it is ready */
	SESSION_STATE_IDLE,	 /* waits for a connection */
	SESSION_STATE_HANDED,	 /* has not said yet that it took the connection */
	SESSION_STATE_CONNECTED, /* speaks with its client */
	SESSION_STATE_ALONE,	 /* the client has hung up, its archive is wanted */
	SESSION_STATE_OVER,	 /* the channel is closed; the process may be there */
	SESSION_STATE_COUNT
};

struct session;

/* What a session tells the server that has it. */
struct session_events {
	/* Its request is to be answered, now or later. */
	void (*dispatch)(void *userdata, struct session *session);
	/* There is more of its archive, or that has failed. */
	void (*archive)(void *userdata, struct session *session);
	/* Something else about it has changed. */
	void (*changed)(void *userdata);
	/* It has reported that it is ready, or has exited before that. */
	void (*ready)(void *userdata);
	void (*failed)(void *userdata);
	/* It has not taken this connection, and will not: takes the fd over. */
	void (*hand_again)(void *userdata, int fd);
	bool (*has)(void *userdata, const struct session *session);
	/* Takes it off the list: it is about to be freed. */
	void (*forget)(void *userdata, struct session *session);
};

/* What every session needs, the same for all of them. */
struct session_host {
	uv_loop_t *loop;
	const struct config_current *config;
	struct spawner *spawner;
	const struct session_events *events;
	void *userdata;
};

struct session {
	struct session *next, *prev;
	const struct session_host *host;
	uint64_t id; /* also the spawner's number for it */
	enum session_state state;
	struct channel *channel; /* NULL when over */
	uv_poll_t process;	 /* on pidfd: becomes readable when it has ended */
	int pidfd;		 /* -1: not known, or closed */
	bool process_open;	 /* the handle is */
	bool ended;		 /* the process is gone, or was never there */
	pid_t pid;		 /* 0: not known */
	bool hung;
	bool refusing;		 /* tells a client why it is turned away, no more */
	bool named;		 /* who the peer is has been looked up */
	const char *turned_away; /* for a limit that the look-up showed; else NULL */
	struct peer peer;
	int64_t since_sec; /* CLOCK_REALTIME: of the connection, or that it was asked
			      for */
	uint64_t over_ms;  /* uv_now() when the channel was closed */
	bool pinged;
	uint64_t ping_number, ping_ms;
	int unsent; /* why a reply could not be sent: it is to be ended */
	bool busy;  /* a request is being worked on */
	bool dispatching;
	uint64_t request;   /* number of the request under way, or of the last */
	json_t *waiting;    /* a request that came before the peer's user was known */
	unsigned int n_fds; /* that the client passed with the request */
	struct varlink_call call; /* while busy */
	bool decision_written;	  /* of this request (server/decision.h) */
	bool held;		  /* by session_hold() */
	struct archive archive;
	uint64_t archive_opened_ms;
	bool archive_due; /* its pipe has ended, so that it has to be complete now */
	uint64_t archive_due_ms;
	bool archive_given_up;
	void (*on_gone)(void *userdata);
	void *gone_userdata;
	void (*on_lines_end)(void *userdata);
	void *lines_userdata;
};

/* "idle", "connected", "hung" or "ended": for DaemonStatus. */
const char *session_state_name(const struct session *session) __attribute__((nonnull));

/* Asks the spawner for a process. NULL when that is not possible now. */
struct session *session_new(const struct session_host *host, uint64_t id)
	__attribute__((warn_unused_result, nonnull));

/* The spawner's reports about the process. */
void session_process_started(struct session *session, pid_t pid)
	__attribute__((nonnull));
void session_process_ended(struct session *session) __attribute__((nonnull));

/*
 * Gives an idle session the connection, and sets *fd to -1. refusal: NULL, or the text
 * that tells the client why it is turned away. When this fails, the session is over:
 * try the next one with *fd, unless that is -1, which means that the connection is
 * lost.
 */
int session_hand(struct session *session, int *fd, const struct peer *peer,
		 const char *refusal)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));

/* To be called once the peer's user is known: from here on requests are accepted. */
void session_start(struct session *session) __attribute__((nonnull));

/*
 * Lets go of the session: it may still read what was sent, but nothing waits for it.
 * Idempotent. The object lives until the process has exited.
 */
void session_close(struct session *session) __attribute__((nonnull));

/* Frees it although the process may still exist: for the stop of deployd. */
void session_abandon(struct session *session) __attribute__((nonnull));

/*
 * Ends it when a reply could not be sent, and frees it once its process has ended, too:
 * both wait for a turn of the server's own, in which nobody else needs it.
 */
void session_settle(struct session *session) __attribute__((nonnull));

/*
 * Checks that it is alive: sends a ping when none is under way. A session that has not
 * replied for SESSION_HUNG_MSEC is hung: it is reported, sent SIGKILL, and counts as
 * one of its user's connections as long as the process exists.
 */
void session_check(struct session *session) __attribute__((nonnull));

/* It has a client that can receive a reply. */
bool session_is_connected(const struct session *session) __attribute__((nonnull));

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

/*
 * Keeps the object and its unanswered request until its decision is recorded, even if
 * the client hangs up. Followed by exactly one of: the request is passed to its method
 * again, or it is given up.
 */
void session_hold(struct session *session) __attribute__((nonnull));
void session_dispatch_again(struct session *session) __attribute__((nonnull));
void session_give_up(struct session *session) __attribute__((nonnull));

/* True when the client asked for progress. */
bool session_wants_more(const struct session *session) __attribute__((nonnull));

/*
 * The archive is the request's fd number index. The session reads ahead, and
 * the server is told as it gets on. -EINVAL: there is no such fd; -EBUSY: the
 * connection already has an archive.
 */
int session_archive_open(struct session *session, json_int_t index)
	__attribute__((warn_unused_result, nonnull));

/* Its job has its turn: the archive goes into the pipe, which stays the caller's. */
int session_archive_pump(struct session *session, int pipe_fd)
	__attribute__((warn_unused_result, nonnull));

/*
 * All that was sent of it has arrived: if the session does not say within
 * SESSION_HUNG_MSEC that it is complete, it has failed.
 */
void session_archive_due(struct session *session) __attribute__((nonnull));

/* Nobody waits for that any longer: it fails, but not before this returns. */
void session_archive_give_up(struct session *session) __attribute__((nonnull));

/* The archive is no longer needed. Harmless when there is none. */
void session_archive_drop(struct session *session) __attribute__((nonnull));

/*
 * Sends the lines of the pipe, which stays the caller's, to the client as replies that
 * continue. on_end is called once, when the pipe has ended and all lines were sent.
 */
int session_send_lines(struct session *session, int pipe_fd,
		       void (*on_end)(void *userdata), void *userdata)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/*
 * Calls on_gone once when the client has hung up, to stop work that is pointless
 * without it. NULL withdraws it, and also the on_end of session_send_lines().
 */
void session_on_gone(struct session *session, void (*on_gone)(void *userdata),
		     void *userdata) __attribute__((nonnull(1)));
