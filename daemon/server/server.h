#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "server/session.h"
#include "server/spawner.h"
#include "server/users.h"

/*
 * The listening socket: systemd's (sd_listen_fds(3)) or our own. Each connection goes
 * to a session process of its own, within the limits per user and in total. Connections
 * beyond a limit go to a session that tells the client so. deployd never closes the
 * last reference to a connection: the fds that its client has put into it could make
 * that close hang.
 */

#define SERVER_SOCKET_PATH  "/run/deployd/io.deployd"
#define SERVER_SOCKET_GROUP "deployd"
#define SERVER_ACCEPTS_MAX  16 /* in one turn of the loop */

/* Between two tries when sessions exit before they are ready. */
#define SERVER_RETRY_MSEC_MIN 100u
#define SERVER_RETRY_MSEC_MAX 5000u

/* Kept ready for new clients. */
#define SERVER_IDLE_SESSIONS_MAX 4
/* These only tell a client why it is turned away; beyond connections_max. */
#define SERVER_REFUSING_SESSIONS_MAX 16

struct server_options {
	uv_loop_t *loop;
	const struct config_current *config;
	struct users *users;
	/* Answers the session's request, now or later. */
	void (*dispatch)(void *userdata, struct session *session);
	/* There is more of a session's archive, or it has failed. */
	void (*archive)(void *userdata, struct session *session);
	void *userdata;
};

struct server {
	struct server_options options;
	struct session_host host;
	int listen_fd;
	uv_poll_t poll;
	uv_timer_t resume; /* after accept failed for lack of resources */
	uv_timer_t update; /* sessions have changed: see what can be done now */
	uv_timer_t ping;   /* while a session has a client */
	uv_timer_t retry;  /* when sessions do not even start: the next try */
	uint64_t retry_msec;
	bool resting;	  /* until resume */
	bool rest_logged; /* since it was last able to accept */
	unsigned int open_handles;
	bool closing; /* accepts no more */
	struct spawner spawner;
	bool spawner_up;
	bool spawner_trouble; /* reported */
	struct session *sessions;
	uint64_t last_id;
	int *held; /* connections whose session exited before it took them */
	size_t n_held, held_capacity;
};

/* Makes our own socket: removes a stale one, mode 0660, group deployd when it exists.
 */
int server_open_socket(const char *path, int *ret_fd)
	__attribute__((warn_unused_result, nonnull));

/* Starts accepting on listen_fd, which it takes over on success. */
int server_start(struct server *server, const struct server_options *options,
		 int listen_fd) __attribute__((warn_unused_result, nonnull));

/* Stops accepting; connections in the backlog wait for the next deployd. Idempotent. */
void server_stop(struct server *server) __attribute__((nonnull));

/* Lets go of every session, and of the spawner; none is waited for. */
void server_close_sessions(struct server *server) __attribute__((nonnull));

/* The session with this id, while its client is there. */
struct session *server_find(const struct server *server, uint64_t session_id)
	__attribute__((nonnull));

/* The same, while it still holds its client's archive. */
struct session *server_find_archive(const struct server *server, uint64_t session_id)
	__attribute__((nonnull));
