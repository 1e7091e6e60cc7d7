/*
 * A connection, from bytes and fds to one decoded request and back. It decides nothing
 * about what is asked: that is service.c. The socket is not a uv_pipe_t because those
 * cannot hand out the fds of regular files, nor see a cut-off control message.
 */
#include "loop/session.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/daemon_config.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/server.h"
#include "loop/service.h"

static void update_poll(struct session *session);
static void wait_for_request(struct session *session);

static void close_fds(struct session *session)
{
	for (size_t i = 0; i < session->n_fds; i++)
		if (session->fds[i] >= 0)
			(void)close(session->fds[i]);
	session->n_fds = 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	if (--session->open_handles > 0)
		return;
	(void)close(session->fd);
	close_fds(session);
	if (session->busy)
		varlink_call_deinit(&session->call);
	varlink_buffer_deinit(&session->input);
	peer_deinit(&session->peer);
	free(session->output);
	free(session);
}

void session_close(struct session *session)
{
	if (session->closing)
		return;
	session->closing = true;
	if (session->on_gone)
		session->on_gone(session->gone_userdata);
	server_forget(session->server, session);
	uv_close((uv_handle_t *)&session->poll, on_handle_closed);
	uv_close((uv_handle_t *)&session->deadline, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
	struct session *session = timer->data;

	/* The client waits for us; a look-up has a deadline of its own. */
	if (!session->named) {
		wait_for_request(session);
		return;
	}
	journal_log(
		LOG_INFO,
		"closing the connection of %s (pid %d): no whole request came in time",
		session->peer.user, (int)session->peer.pid);
	session_close(session);
}

static uint64_t request_timeout_ms(const struct session *session)
{
	return session->server->daemon->config->daemon->request_timeout_sec * 1000;
}

static void wait_for_request(struct session *session)
{
	session->reading = true;
	(void)uv_timer_start(&session->deadline, on_deadline,
			     request_timeout_ms(session), 0);
}

/* Sends what the socket takes. False: the connection is gone. */
static bool flush(struct session *session)
{
	while (session->output_length > 0) {
		ssize_t n = send(session->fd, session->output, session->output_length,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		session->output_length -= (size_t)n;
		memmove(session->output, session->output + n, session->output_length);
	}
	return true;
}

static bool enqueue(struct session *session, const char *message, size_t length)
{
	size_t needed = session->output_length + length;

	if (needed > session->output_capacity) {
		char *output = realloc(session->output, needed);

		if (!output)
			return false;
		session->output = output;
		session->output_capacity = needed;
	}
	memcpy(session->output + session->output_length, message, length);
	session->output_length = needed;
	return true;
}

static void next_request(struct session *session);

/* Sends an encoded message, which it frees. final: the request is over. */
static void deliver(struct session *session, char *message, size_t length, bool final)
{
	size_t limit = final ? SESSION_OUTPUT_RESERVE : SESSION_OUTPUT_BYTES_MAX;
	bool ok = true;

	if (session->closing) {
		free(message);
		return;
	}
	if (!session->call.oneway) {
		if (message && session->output_length + length <= limit)
			ok = enqueue(session, message, length);
		else if (final)
			ok = false;
		else
			session->n_dropped++;
	}
	free(message);
	if (!ok || !flush(session)) {
		session_close(session);
		return;
	}
	if (final) {
		session->busy = false;
		varlink_call_deinit(&session->call);
		close_fds(session);
		if (!session->dispatching)
			next_request(session);
		return;
	}
	update_poll(session);
}

void session_reply(struct session *session, json_t *parameters, bool continues)
{
	size_t length = 0;
	char *message;

	assert(session->busy);
	if (continues && (!session->call.more || session->call.oneway)) {
		json_decref(parameters);
		return;
	}
	message = varlink_encode_reply(parameters, continues, &length);
	/* No client takes a longer one, nor could it tell why. */
	if (message && length > VARLINK_MESSAGE_BYTES_MAX && !continues) {
		free(message);
		session_refuse(session, RESULT_FAILED,
			       "the answer is longer than a message may be (%u bytes); "
			       "ask for less, --lines says how much",
			       VARLINK_MESSAGE_BYTES_MAX);
		return;
	}
	deliver(session, message, length, !continues);
}

void session_error(struct session *session, const char *error, json_t *parameters)
{
	size_t length = 0;
	char *message;

	assert(session->busy);
	message = varlink_encode_error(error, parameters, &length);
	deliver(session, message, length, true);
}

void session_refuse(struct session *session, enum deploy_result result, const char *fmt,
		    ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	session_error(session, result_error_name(result),
		      json_pack("{s:s}", "message", text));
}

int session_take_fd(struct session *session, json_int_t index)
{
	int fd;

	if (index < 0 || (size_t)index >= session->n_fds)
		return -1;
	fd = session->fds[index];
	session->fds[index] = -1;
	return fd;
}

void session_on_gone(struct session *session, void (*on_gone)(void *userdata),
		     void *userdata)
{
	session->on_gone = on_gone;
	session->gone_userdata = userdata;
}

bool session_wants_more(const struct session *session)
{
	return session->busy && session->call.more && !session->call.oneway;
}

/* Dispatches requests that are complete in the buffer, one at a time. */
static void next_request(struct session *session)
{
	while (!session->busy && !session->closing && session->named) {
		json_t *message = NULL;
		int r = varlink_buffer_take(&session->input, &message);

		if (r > 0)
			r = varlink_call_init(&session->call, message) < 0 ? -EBADMSG
									   : 1;
		if (r < 0) {
			journal_log(
				LOG_INFO,
				"closing the connection of %s (pid %d): not a Varlink "
				"call",
				session->peer.user, (int)session->peer.pid);
			session_close(session);
			return;
		}
		if (r == 0)
			break;
		session->busy = true;
		session->reading = false;
		(void)uv_timer_stop(&session->deadline);
		session->dispatching = true;
		service_dispatch(session->server->daemon, session);
		session->dispatching = false;
	}
	if (session->closing)
		return;
	if (!session->busy && !session->reading)
		wait_for_request(session);
	update_poll(session);
}

/*
 * Keeps the fds of one control message. The kernel rounds the control buffer up, so
 * more fds than asked for can arrive: every one of them is counted and closed.
 */
static int take_fds(struct session *session, struct msghdr *header)
{
	int r = header->msg_flags & MSG_CTRUNC ? -EMSGSIZE : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (r == 0 && session->n_fds < SESSION_FDS_MAX) {
				session->fds[session->n_fds++] = fd;
			} else {
				r = -EMSGSIZE;
				(void)close(fd);
			}
		}
	}
	return r;
}

static void receive(struct session *session)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	char data[65536];
	struct iovec iov = {data, sizeof(data)};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	int r;

	n = recvmsg(session->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		session_close(session);
		return;
	}
	/*
	 * fds belong to the message they came with; with an earlier one still in the
	 * buffer there would be no telling which.
	 */
	r = take_fds(session, &header);
	if (r == 0)
		r = varlink_buffer_add(&session->input, data, (size_t)n);
	if (r < 0) {
		journal_log(LOG_INFO, "closing the connection of %s (pid %d): %s",
			    session->peer.user, (int)session->peer.pid,
			    r == -EMSGSIZE ? "request too large or too many fds"
					   : strerror(-r));
		session_close(session);
		return;
	}
	next_request(session);
}

/* A peer that only ended its writing (socat does) still reads the reply. */
static bool hung_up(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

	return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & (POLLHUP | POLLERR)) != 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;

	if (status < 0) {
		session_close(session);
		return;
	}
	if ((events & UV_WRITABLE) && !flush(session)) {
		session_close(session);
		return;
	}
	if ((events & UV_DISCONNECT) && session->busy) {
		/* Hung up: whatever runs goes on, only its reply is lost. */
		if (hung_up(session->fd)) {
			session_close(session);
			return;
		}
		session->half_closed = true;
	}
	if (events & UV_READABLE) {
		receive(session);
		return; /* the session may be gone */
	}
	update_poll(session);
}

static void update_poll(struct session *session)
{
	int events = session->half_closed ? 0 : UV_DISCONNECT;

	if (session->closing)
		return;
	if (!session->busy)
		events |= UV_READABLE;
	if (session->output_length > 0)
		events |= UV_WRITABLE;
	if (events == 0)
		(void)uv_poll_stop(&session->poll);
	else if (uv_poll_start(&session->poll, events, on_poll) < 0)
		session_close(session);
}

void session_start(struct session *session)
{
	session->named = true;
	next_request(session);
}

int session_new(struct server *server, int fd, uint64_t id,
		struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));
	uv_loop_t *loop = server->daemon->loop;
	int r;

	if (!session)
		return -ENOMEM;
	session->server = server;
	session->id = id;
	session->fd = fd;
	r = peer_init(&session->peer, fd);
	if (r == 0)
		r = uv_poll_init(loop, &session->poll, fd);
	if (r < 0) {
		peer_deinit(&session->peer);
		free(session);
		return r;
	}
	session->poll.data = session;
	(void)uv_timer_init(loop, &session->deadline);
	session->deadline.data = session;
	session->open_handles = 2;
	wait_for_request(session);
	*ret_session = session;
	return 0;
}
