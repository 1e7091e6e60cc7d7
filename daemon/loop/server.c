#include "loop/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "deploy/cleanup.h"
#include "loop/config_set.h"
#include "loop/daemon.h"
#include "loop/journal.h"
#include "loop/session.h"

#define RESUME_MSEC 1000

static void on_poll(uv_poll_t *poll, int status, int events);

/*
 * The uids lent to a user by /etc/subuid count with his own (*ret_own); root is not
 * counted.
 */
static unsigned int count_of(const struct server *server, uid_t owner,
			     unsigned int *ret_own)
{
	unsigned int n = 0;

	*ret_own = 0;
	for (const struct session *s = server->sessions; s; s = s->next) {
		if (s->peer.uid == 0 || s->peer.owner != owner)
			continue;
		n++;
		if (s->peer.uid == owner)
			(*ret_own)++;
	}
	return n;
}

/*
 * The reply tells a client why it is turned away. Best effort: the socket buffer of a
 * new connection is empty.
 */
static void turn_away(int fd, const char *why)
{
	size_t length = 0;
	cleanup_free char *message =
		varlink_encode_error(result_error_name(RESULT_BUSY),
				     json_pack("{s:s}", "message", why), &length);

	if (message)
		(void)send(fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Why there is no place for the session; NULL: there is one. */
static const char *over_limit(const struct server *server,
			      const struct session *session)
{
	const struct daemon_config *limits = server->daemon->config->daemon;
	const struct peer *peer = &session->peer;
	unsigned int own;

	if (peer->uid == 0)
		return NULL;
	if (server->n_sessions > limits->connections_max)
		return "too many connections; try again";
	if (count_of(server, peer->owner, &own) <= limits->connections_per_user_max)
		return NULL;
	if (peer->owner == (uid_t)-1)
		return "too many connections of uids that cannot be looked up; try "
		       "again";
	if (peer->owner != peer->uid)
		return "too many connections of the user this uid is subordinate to; "
		       "try again";
	if (own <= limits->connections_per_user_max)
		return "too many connections of this user and its subordinate uids; "
		       "try again";
	return "too many connections of this user; try again";
}

/* False: it is closed, and its client told why. */
static bool keep_within_limits(struct server *server, struct session *session)
{
	const char *why = over_limit(server, session);

	if (!why)
		return true;
	turn_away(session->fd, why);
	journal_event(JOURNAL_LIMIT_REACHED, LOG_WARNING,
		      &(struct journal_context){.uid = session->peer.uid,
						.pid = session->peer.pid},
		      "refusing a connection of %s (pid %d): %s", session->peer.user,
		      (int)session->peer.pid, why);
	session_close(session);
	return false;
}

static void on_user_found(void *userdata, uint64_t session_id,
			  const struct user_answer *answer)
{
	struct server *server = userdata;
	struct session *session = server_find(server, session_id);

	if (!session)
		return;
	peer_set_user(&session->peer, answer);
	if (keep_within_limits(server, session))
		session_start(session);
}

static void admit(struct server *server, int accepted_fd)
{
	const struct daemon_config *limits = server->daemon->config->daemon;
	cleanup_close int fd = accepted_fd;
	struct session *session = NULL;
	uint64_t id = ++server->last_id;
	int r;

	/* One place is kept for root, who may have to see why all are taken. */
	if (server->n_sessions > limits->connections_max) {
		turn_away(fd, "too many connections; try again");
		return;
	}
	r = session_new(server, fd, id, &session);
	if (r < 0) {
		journal_log(LOG_WARNING, "refusing a connection: %s", strerror(-r));
		return;
	}
	(void)steal_fd(&fd); /* the session owns it from here */
	session->next = server->sessions;
	if (server->sessions)
		server->sessions->prev = session;
	server->sessions = session;
	server->n_sessions++;
	session->peer.owner = users_owner(&server->daemon->users, session->peer.uid);
	if (keep_within_limits(server, session))
		users_find(&server->daemon->users, session->peer.uid, on_user_found,
			   server, id);
}

static void listen_again(struct server *server)
{
	if (!server->closing)
		(void)uv_poll_start(&server->poll, UV_READABLE, on_poll);
}

static void on_resume(uv_timer_t *timer)
{
	listen_again(timer->data);
}

/*
 * Out of fds: the connection at the head of the backlog would wake us for ever. The
 * spare fd makes room to accept and drop it; then accepting rests for a second.
 */
static void shed(struct server *server)
{
	int fd;

	journal_event(JOURNAL_LIMIT_REACHED, LOG_WARNING, NULL,
		      "out of file descriptors: refusing connections");
	(void)close(server->spare_fd);
	fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		(void)close(fd);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)uv_poll_stop(&server->poll);
	(void)uv_timer_start(&server->resume, on_resume, RESUME_MSEC, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct server *server = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < SERVER_ACCEPTS_MAX; i++) {
		int fd = accept4(server->listen_fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			admit(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			shed(server);
		return;
	}
}

struct session *server_find(const struct server *server, uint64_t session_id)
{
	for (struct session *s = server->sessions; s; s = s->next)
		if (s->id == session_id)
			return s;
	return NULL;
}

void server_forget(struct server *server, struct session *session)
{
	if (session->prev)
		session->prev->next = session->next;
	else
		server->sessions = session->next;
	if (session->next)
		session->next->prev = session->prev;
	session->next = NULL;
	session->prev = NULL;
	server->n_sessions--;
}

void server_close_sessions(struct server *server)
{
	while (server->sessions)
		session_close(server->sessions);
}

int server_open_socket(const char *path, int *ret_fd)
{
	cleanup_close int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct group *group;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* Runs before the loop: NSS may block. The umask left the socket at 0700. */
	group = getgrnam(SERVER_SOCKET_GROUP);
	if (group && lchown(path, 0, group->gr_gid) < 0)
		return -errno;
	if (chmod(path, 0660) < 0)
		return -errno;
	if (listen(fd, 128) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int server_start(struct server *server, struct daemon *daemon, int listen_fd)
{
	int r;

	*server = (struct server){.daemon = daemon, .listen_fd = listen_fd};
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	r = uv_poll_init(daemon->loop, &server->poll, listen_fd);
	if (r < 0)
		return r;
	server->poll.data = server;
	(void)uv_timer_init(daemon->loop, &server->resume);
	server->resume.data = server;
	server->open_handles = 2;
	return uv_poll_start(&server->poll, UV_READABLE, on_poll);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (--server->open_handles > 0)
		return;
	(void)close(server->listen_fd);
	if (server->spare_fd >= 0)
		(void)close(server->spare_fd);
}

void server_stop(struct server *server)
{
	if (server->closing || server->open_handles == 0)
		return;
	server->closing = true;
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->resume, on_handle_closed);
}
