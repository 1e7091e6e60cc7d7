#include "client/connection.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "process/program.h"
#include "process/tool.h"
#include "process/unit_text.h"

/* deployd accepts and reads at once; a socket that takes nothing this long is dead. */
#define SEND_TIMEOUT_SEC 30

/* systemd answers at once; if it does not, the wait for deployd goes on. */
#define SYSTEMCTL_TIMEOUT_SEC 5

/*
 * Without sessions deployd accepts nobody, and cannot say so itself: no client's socket
 * is ever its own to speak through.
 */
static bool sessions_are_stopped(void)
{
	const char *const argv[] = {"systemctl", "show",
				    "--property=LoadState,ActiveState",
				    "deployd-sessions.socket", NULL};
	struct errinfo ignored = {0};
	char text[TOOL_OUTPUT_SIZE];

	return tool_run(argv, NULL, SYSTEMCTL_TIMEOUT_SEC, text, &ignored) == 0 &&
	       !unit_text_is(text, "LoadState", "not-found") &&
	       (unit_text_is(text, "ActiveState", "inactive") ||
		unit_text_is(text, "ActiveState", "failed"));
}

/* Says which group opens the door. */
static int explain_denied(const char *path, struct errinfo *error)
{
	const struct group *group = NULL;
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_IWGRP))
		group = getgrgid(st.st_gid);
	if (!group)
		(void)errinfo_refuse(error, RESULT_DENIED,
				     "you may not connect to deployd: %s: %s", path,
				     strerror(EACCES));
	else
		(void)errinfo_refuse(error, RESULT_DENIED,
				     "you may not connect to deployd: only members of "
				     "the group '%s' may; root adds you with `usermod "
				     "-aG %s USER`, and you log in again",
				     group->gr_name, group->gr_name);
	return -EACCES;
}

static int explain(const char *path, int err, struct errinfo *error)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return explain_denied(path, error);
	case ENOENT:
	case ECONNREFUSED:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON,
				     "deployd is not running; root starts it with "
				     "`systemctl start deployd.socket deployd` (nobody "
				     "listens at %s)",
				     path);
		break;
	case EAGAIN:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON, "%s",
				     sessions_are_stopped()
					     ? CONNECTION_NO_SESSIONS_TEXT
					     : "deployd does not accept connections; "
					       "see `systemctl status deployd`");
		break;
	default:
		(void)errinfo_refuse(error, RESULT_NO_DAEMON,
				     "cannot connect to deployd at %s: %s", path,
				     strerror(err));
	}
	return -err;
}

/* Whoever sits at deployd's address gets our archives: it must be root. */
static int check_server(int fd, const char *path, struct errinfo *error)
{
	struct ucred ucred;
	socklen_t length = sizeof(ucred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &length) < 0)
		return explain(path, errno, error);
	if (ucred.uid == 0)
		return 0;
	(void)errinfo_refuse(error, RESULT_NO_DAEMON,
			     "%s is not served by root but by uid %u: not deployd; "
			     "--socket=%s uses it all the same",
			     path, (unsigned int)ucred.uid, path);
	return -EPERM;
}

int connection_open(struct connection *connection, const char *path,
		    struct errinfo *error)
{
	const char *at = path ? path : CONNECTION_SOCKET_PATH;
	const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_SEC};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_close int fd = -1;
	int r;

	if (strlen(at) >= sizeof(address.sun_path)) {
		(void)errinfo_refuse(error, RESULT_USAGE,
				     "the socket's path is longer than %zu bytes",
				     sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	(void)strcpy(address.sun_path, at);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return explain(at, errno, error);
	/* It bounds connect() as well, unix(7). */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return explain(at, errno, error);
	if (!path) {
		r = check_server(fd, at, error);
		if (r < 0)
			return r;
	}
	*connection = (struct connection){.fd = steal_fd(&fd), .needs_sessions = !path};
	return 0;
}

/* The fd travels with the first byte. */
static int send_all(int fd, const char *data, size_t length, int pass_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};

	while (length > 0) {
		struct iovec iov = {(void *)(uintptr_t)data, length};
		struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (pass_fd >= 0) {
			struct cmsghdr *cmsg = &control.align;

			cmsg->cmsg_level = SOL_SOCKET;
			cmsg->cmsg_type = SCM_RIGHTS;
			cmsg->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));
			header.msg_control = control.bytes;
			header.msg_controllen = sizeof(control.bytes);
		}
		n = sendmsg(fd, &header, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		pass_fd = -1;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

int connection_call(struct connection *connection, const char *method,
		    json_t *parameters, bool more, int pass_fd)
{
	size_t length = 0;
	cleanup_free char *text =
		varlink_encode_call(method, parameters, more, &length);

	if (!text)
		return -ENOMEM;
	if (length > VARLINK_MESSAGE_BYTES_MAX)
		return -EMSGSIZE;
	return send_all(connection->fd, text, length, pass_fd);
}

static enum received decode(json_t *message, struct reply *ret_reply)
{
	const json_t *error = json_object_get(message, "error");
	json_t *parameters = json_object_get(message, "parameters");

	if ((error && !json_is_string(error) && !json_is_null(error)) ||
	    (parameters && !json_is_object(parameters) && !json_is_null(parameters))) {
		json_decref(message);
		return RECEIVED_NONSENSE;
	}
	*ret_reply = (struct reply){
		.message = message,
		.error = json_string_value(error),
		.parameters = json_is_object(parameters) ? parameters : NULL,
		.continues = json_is_true(json_object_get(message, "continues"))};
	return RECEIVED_REPLY;
}

static enum received wait_readable(int fd, int64_t deadline_ms, const sigset_t *mask)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	for (;;) {
		int64_t left_ms = deadline_ms < 0 ? 0 : deadline_ms - program_now_ms();
		struct timespec timeout = {.tv_sec = left_ms / 1000,
					   .tv_nsec = left_ms % 1000 * 1000000};
		int n;

		if (left_ms < 0)
			return RECEIVED_TIMEOUT;
		n = ppoll(&pollfd, 1, deadline_ms < 0 ? NULL : &timeout, mask);
		if (n > 0)
			return RECEIVED_REPLY;
		if (n < 0 && errno == EINTR && mask)
			return RECEIVED_SIGNAL;
		if (n < 0 && errno != EINTR)
			return RECEIVED_END;
	}
}

/* As wait_readable(), but not in vain for a deployd without sessions. */
static enum received wait_for_deployd(const struct connection *connection,
				      int64_t deadline_ms, const sigset_t *mask)
{
	for (;;) {
		int64_t until_ms = program_now_ms() + CONNECTION_SILENCE_MSEC;
		bool last = !connection->needs_sessions ||
			    (deadline_ms >= 0 && deadline_ms <= until_ms);
		enum received received = wait_readable(
			connection->fd, last ? deadline_ms : until_ms, mask);

		if (received != RECEIVED_TIMEOUT)
			return received;
		if (connection->needs_sessions && sessions_are_stopped())
			return RECEIVED_NO_SESSIONS;
		if (last)
			return received;
	}
}

enum received connection_receive(struct connection *connection, int64_t deadline_ms,
				 const sigset_t *mask, struct reply *ret_reply)
{
	for (;;) {
		char data[65536];
		json_t *message = NULL;
		enum received received;
		ssize_t n;
		int r = varlink_buffer_take(&connection->input, &message);

		if (r > 0)
			return decode(message, ret_reply);
		if (r < 0)
			return RECEIVED_NONSENSE;
		received = wait_for_deployd(connection, deadline_ms, mask);
		if (received != RECEIVED_REPLY)
			return received;
		connection->needs_sessions = false;
		n = recv(connection->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return RECEIVED_END;
		if (varlink_buffer_add(&connection->input, data, (size_t)n) < 0)
			return RECEIVED_NONSENSE;
	}
}

void connection_close(struct connection *connection)
{
	if (connection->fd >= 0)
		(void)close(connection->fd);
	varlink_buffer_deinit(&connection->input);
	*connection = (struct connection){.fd = -1};
}
