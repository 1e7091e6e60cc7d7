#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * The listening socket: systemd's (sd_listen_fds(3)) or our own. Accepts within the
 * limits a uid and in all, and finds sessions by id.
 */

#define SERVER_SOCKET_PATH  "/run/deployd/io.deployd"
#define SERVER_SOCKET_GROUP "deployd"
#define SERVER_ACCEPTS_MAX  16 /* in one turn of the loop */

struct daemon;
struct session;

struct server {
	struct daemon *daemon;
	int listen_fd;
	int spare_fd; /* closed to accept and refuse when fds have run out */
	uv_poll_t poll;
	uv_timer_t resume; /* after accept failed for lack of resources */
	unsigned int open_handles;
	bool closing;
	struct session *sessions;
	unsigned int n_sessions;
	uint64_t last_id;
};

/* Makes our own socket: removes a stale one, mode 0660, group deployd when it exists.
 */
int server_open_socket(const char *path, int *ret_fd)
	__attribute__((warn_unused_result, nonnull));

/* Starts accepting on listen_fd, which it takes over on success. */
int server_start(struct server *server, struct daemon *daemon, int listen_fd)
	__attribute__((warn_unused_result, nonnull));

/* Stops accepting; connections in the backlog wait for the next deployd. Idempotent. */
void server_stop(struct server *server) __attribute__((nonnull));

/* Closes every session. */
void server_close_sessions(struct server *server) __attribute__((nonnull));

/* NULL when it is gone. */
struct session *server_find(const struct server *server, uint64_t session_id)
	__attribute__((nonnull));

/* For session.c only. */
void server_forget(struct server *server, struct session *session)
	__attribute__((nonnull));
