#include "server/server.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/journal.h"
#include "deploy/cleanup.h"
#include "util/session_protocol.h"

#define RESUME_MSEC 1000

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_update(uv_timer_t *timer);
static void on_retry(uv_timer_t *timer);

/* --- counting --------------------------------------------------------------------- */

/* Includes a session whose client has gone, as long as its process exists. */
static bool is_connection(const struct session *session)
{
	return session->state >= SESSION_STATE_HANDED && !session->refusing;
}

static unsigned int connections(const struct server *server)
{
	unsigned int n = 0;

	for (const struct session *s = server->sessions; s; s = s->next)
		if (is_connection(s))
			n++;
	return n;
}

/*
 * The uids that /etc/subuid lends to a user count together with the user's own
 * (*ret_own); root is not counted.
 */
static unsigned int connections_of(const struct server *server, uid_t owner,
				   unsigned int *ret_own)
{
	unsigned int n = 0;

	*ret_own = 0;
	for (const struct session *s = server->sessions; s; s = s->next) {
		if (!is_connection(s) || s->peer.uid == 0 || s->peer.owner != owner)
			continue;
		n++;
		if (s->peer.uid == owner)
			(*ret_own)++;
	}
	return n;
}

static struct session *idle_session(const struct server *server)
{
	for (struct session *s = server->sessions; s; s = s->next)
		if (s->state == SESSION_STATE_IDLE && !s->ended)
			return s;
	return NULL;
}

/* --- connections ------------------------------------------------------------------ */

/* One place is reserved for root, who may have to find out why all are taken. */
static const char *total_refusal(const struct server *server, const struct peer *peer)
{
	uint64_t max = server->options.config->set->daemon->connections_max;
	unsigned int n = connections(server);

	if (n > max || (peer->uid != 0 && n >= max))
		return "too many connections; try again";
	return NULL;
}

/*
 * Why this peer's owner cannot have one more connection, or (with more = 0) as many as
 * there are; NULL: it can.
 */
static const char *user_refusal(const struct server *server, const struct peer *peer,
				unsigned int more)
{
	uint64_t max = server->options.config->set->daemon->connections_per_user_max;
	unsigned int own;

	if (peer->uid == 0 || connections_of(server, peer->owner, &own) + more <= max)
		return NULL;
	if (peer->owner == (uid_t)-1)
		return "too many connections of uids that cannot be looked up; try "
		       "again";
	if (peer->owner != peer->uid)
		return "too many connections of the user this uid is subordinate to; "
		       "try again";
	if (own + more <= max)
		return "too many connections of this user and its subordinate uids; "
		       "try again";
	return "too many connections of this user; try again";
}

static const char *refusal_for(const struct server *server, const struct peer *peer)
{
	const char *refusal = total_refusal(server, peer);

	return refusal ? refusal : user_refusal(server, peer, 1);
}

static void log_refusal(const struct session *session, const char *refusal)
{
	const struct journal_context context = {.uid = session->peer.uid,
						.user = session->peer.user,
						.pid = session->peer.pid,
						.owner = session->peer.owner,
						.owner_name = session->peer.owner_name};

	journal_client(LOG_KIND_TURNED_AWAY, JOURNAL_LIMIT_REACHED, LOG_WARNING,
		       &context, "turning away uid %u (pid %d): %s",
		       (unsigned int)session->peer.uid, (int)session->peer.pid,
		       refusal);
}

static void on_user_found(void *userdata, uint64_t session_id,
			  const struct user_answer *answer)
{
	struct server *server = userdata;
	struct session *session = server_find(server, session_id);

	if (!session)
		return;
	peer_set_user(&session->peer, answer);
	/* Only now it is known whose connection it is. */
	session->turned_away = user_refusal(server, &session->peer, 0);
	if (session->turned_away)
		log_refusal(session, session->turned_away);
	session_start(session);
}

static void ping_again(struct server *server);

/* The session that has it now; NULL when none could take it. */
static struct session *give(const struct server *server, int *fd,
			    const struct peer *peer, const char *refusal)
{
	struct session *session;

	while (*fd >= 0 && (session = idle_session(server)))
		if (session_hand(session, fd, peer, refusal) == 0)
			return session;
	return NULL;
}

/* False: no session could take it, and *fd is still the caller's. */
static bool admit(struct server *server, int *fd)
{
	struct peer peer = {.uid = (uid_t)-1};
	const char *refusal;
	struct session *session;
	int r = peer_init(&peer, *fd);

	peer.owner = users_owner(server->options.users, peer.uid);
	refusal = r < 0 ? "the kernel does not say which user it is"
			: refusal_for(server, &peer);
	session = give(server, fd, &peer, refusal);
	if (!session) {
		peer_deinit(&peer);
		return *fd < 0;
	}
	ping_again(server);
	if (refusal)
		log_refusal(session, refusal);
	else
		users_find(server->options.users, session->peer.uid, on_user_found,
			   server, session->id);
	return true;
}

static void hand_again(void *userdata, int fd)
{
	struct server *server = userdata;

	if (server->n_held == server->held_capacity) {
		size_t capacity = server->held_capacity ? 2 * server->held_capacity : 8;
		int *held = realloc(server->held, capacity * sizeof(*held));

		if (!held) {
			/* Left open for good: closing it could hang. */
			journal_log(LOG_ERR, "out of memory: a connection was lost");
			return;
		}
		server->held = held;
		server->held_capacity = capacity;
	}
	server->held[server->n_held++] = fd;
}

/* --- the pool of sessions --------------------------------------------------------- */

static void refill(struct server *server)
{
	const struct daemon_config *limits = server->options.config->set->daemon;
	unsigned int n_ready = 0, n = 0;

	if (uv_is_active((uv_handle_t *)&server->retry))
		return;
	for (const struct session *s = server->sessions; s; s = s->next) {
		n++;
		if (s->state <= SESSION_STATE_IDLE)
			n_ready++;
	}
	while (server->spawner_up && n_ready < SERVER_IDLE_SESSIONS_MAX &&
	       n < limits->connections_max + SERVER_REFUSING_SESSIONS_MAX) {
		struct session *session = session_new(&server->host, ++server->last_id);

		if (!session) {
			/* No memory or fd was left: nothing else would wake us. */
			(void)uv_timer_start(&server->retry, on_retry,
					     SERVER_RETRY_MSEC_MAX, 0);
			break;
		}
		session->next = server->sessions;
		if (server->sessions)
			server->sessions->prev = session;
		server->sessions = session;
		n++;
		n_ready++;
	}
}

static void update_poll(struct server *server)
{
	if (server->closing)
		return;
	if (!server->resting && server->n_held == 0 && idle_session(server))
		(void)uv_poll_start(&server->poll, UV_READABLE, on_poll);
	else
		(void)uv_poll_stop(&server->poll);
}

static void on_update(uv_timer_t *timer)
{
	struct server *server = timer->data;
	struct session *next;

	for (struct session *s = server->sessions; s; s = next) {
		next = s->next;
		session_settle(s);
	}

	while (server->n_held > 0 && admit(server, &server->held[server->n_held - 1]))
		server->n_held--;
	if (!server->closing)
		refill(server);
	update_poll(server);
}

/* Never called from within a session's functions, as it adds and frees sessions. */
static void update_soon(struct server *server)
{
	if (!uv_is_closing((uv_handle_t *)&server->update))
		(void)uv_timer_start(&server->update, on_update, 0, 0);
}

static void on_changed(void *userdata)
{
	update_soon(userdata);
}

static void on_retry(uv_timer_t *timer)
{
	update_soon(timer->data);
}

static void on_ready(void *userdata)
{
	struct server *server = userdata;

	if (server->retry_msec > 0)
		journal_log(LOG_NOTICE, "session processes are starting again");
	server->retry_msec = 0;
}

/* If restarted at once, a session that always fails would use up a CPU, unreported. */
static void on_failed(void *userdata)
{
	struct server *server = userdata;

	/* Otherwise the spawner has gone, or deployd stops. */
	if (!server->spawner_up || server->closing ||
	    uv_is_active((uv_handle_t *)&server->retry))
		return;
	if (server->retry_msec == 0)
		journal_log(LOG_WARNING,
			    "session processes end as soon as they start, so new "
			    "clients wait; see `journalctl -u deployd -u "
			    "deployd-sessions`");
	server->retry_msec *= 2;
	if (server->retry_msec < SERVER_RETRY_MSEC_MIN)
		server->retry_msec = SERVER_RETRY_MSEC_MIN;
	if (server->retry_msec > SERVER_RETRY_MSEC_MAX)
		server->retry_msec = SERVER_RETRY_MSEC_MAX;
	(void)uv_timer_start(&server->retry, on_retry, server->retry_msec, 0);
}

static void on_ping(uv_timer_t *timer)
{
	struct server *server = timer->data;
	struct session *next;
	bool any = false;

	for (struct session *s = server->sessions; s; s = next) {
		next = s->next;
		any = any || (s->state >= SESSION_STATE_HANDED && !s->hung);
		session_check(s);
	}
	if (!any)
		(void)uv_timer_stop(timer);
}

/* The timer does not run while nobody is connected. */
static void ping_again(struct server *server)
{
	if (!uv_is_active((uv_handle_t *)&server->ping))
		(void)uv_timer_start(&server->ping, on_ping, SESSION_PING_MSEC,
				     SESSION_PING_MSEC);
}

static struct session *find_any(const struct server *server, uint64_t id)
{
	for (struct session *s = server->sessions; s; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

static void on_spawner_up(void *userdata)
{
	struct server *server = userdata;

	server->spawner_up = true;
	if (server->spawner_trouble)
		journal_log(LOG_NOTICE, "connected to deployd-sessions again");
	server->spawner_trouble = false;
	update_soon(server);
}

static void on_spawner_down(void *userdata, int error)
{
	struct server *server = userdata;
	struct session *next;

	if (!server->spawner_trouble)
		journal_log(LOG_WARNING,
			    "cannot start sessions for clients: deployd-sessions: %s; "
			    "see `systemctl status deployd-sessions.socket "
			    "deployd-sessions.service`",
			    strerror(-error));
	server->spawner_trouble = true;
	server->spawner_up = false;
	/* Nobody will report how these end, or whether they started. */
	for (struct session *s = server->sessions; s; s = next) {
		next = s->next;
		if (!s->process_open)
			session_process_ended(s);
	}
}

static void on_spawner_started(void *userdata, uint64_t number, pid_t pid)
{
	struct session *session = find_any(userdata, number);

	if (session)
		session_process_started(session, pid);
}

static void on_spawner_ended(void *userdata, uint64_t number)
{
	struct session *session = find_any(userdata, number);

	if (session)
		session_process_ended(session);
}

/* --- accepting -------------------------------------------------------------------- */

static void on_resume(uv_timer_t *timer)
{
	struct server *server = timer->data;

	server->resting = false;
	update_poll(server);
}

/*
 * The connection at the head of the backlog would wake us for ever. It cannot be
 * accepted and dropped, since closing it could hang.
 */
static void rest(struct server *server, int error)
{
	if (!server->rest_logged)
		journal_event(JOURNAL_LIMIT_REACHED, LOG_WARNING, NULL,
			      "cannot accept connections: %s; trying every %d s",
			      strerror(error), RESUME_MSEC / 1000);
	server->rest_logged = true;
	server->resting = true;
	(void)uv_timer_start(&server->resume, on_resume, RESUME_MSEC, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct server *server = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < SERVER_ACCEPTS_MAX && idle_session(server); i++) {
		int fd = accept4(server->listen_fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			server->rest_logged = false;
			if (!admit(server, &fd))
				hand_again(server, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			rest(server, errno);
		break;
	}
	update_soon(server);
	update_poll(server);
}

struct session *server_find(const struct server *server, uint64_t session_id)
{
	struct session *session = find_any(server, session_id);

	return session && session_is_connected(session) ? session : NULL;
}

struct session *server_find_archive(const struct server *server, uint64_t session_id)
{
	struct session *session = find_any(server, session_id);

	return session && session->state != SESSION_STATE_OVER ? session : NULL;
}

static bool has(void *userdata, const struct session *session)
{
	const struct server *server = userdata;

	return session->prev || server->sessions == session;
}

static void forget(void *userdata, struct session *session)
{
	struct server *server = userdata;

	/* Already removed when deployd stopped. */
	if (!has(server, session))
		return;
	if (session->prev)
		session->prev->next = session->next;
	else
		server->sessions = session->next;
	if (session->next)
		session->next->prev = session->prev;
	session->next = NULL;
	session->prev = NULL;
	update_soon(server);
}

/* Where somebody accepts, the socket is in use; a file that nobody serves is left over.
 */
static bool is_served(const struct sockaddr_un *address)
{
	cleanup_close int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno == EAGAIN;
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
	if (is_served(&address))
		return -EADDRINUSE;
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

static void init_timer(struct server *server, uv_timer_t *timer)
{
	(void)uv_timer_init(server->options.loop, timer);
	timer->data = server;
	server->open_handles++;
}

static void dispatch(void *userdata, struct session *session)
{
	const struct server_options *options = &((struct server *)userdata)->options;

	options->dispatch(options->userdata, session);
}

static void on_archive(void *userdata, struct session *session)
{
	const struct server_options *options = &((struct server *)userdata)->options;

	options->archive(options->userdata, session);
}

int server_start(struct server *server, const struct server_options *options,
		 int listen_fd)
{
	static const struct session_events session_events = {.dispatch = dispatch,
							     .archive = on_archive,
							     .changed = on_changed,
							     .ready = on_ready,
							     .failed = on_failed,
							     .hand_again = hand_again,
							     .has = has,
							     .forget = forget};
	static const struct spawner_events events = {.on_up = on_spawner_up,
						     .on_down = on_spawner_down,
						     .on_started = on_spawner_started,
						     .on_ended = on_spawner_ended};
	int r;

	*server = (struct server){.options = *options,
				  .host = {.loop = options->loop,
					   .config = options->config,
					   .spawner = &server->spawner,
					   .events = &session_events,
					   .userdata = server},
				  .listen_fd = listen_fd};
	r = uv_poll_init(options->loop, &server->poll, listen_fd);
	if (r < 0)
		return r;
	server->poll.data = server;
	server->open_handles = 1;
	init_timer(server, &server->resume);
	init_timer(server, &server->update);
	init_timer(server, &server->ping);
	init_timer(server, &server->retry);
	return spawner_start(&server->spawner, options->loop, SESSIONS_SOCKET_PATH,
			     &events, server);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	server->open_handles--;
}

void server_stop(struct server *server)
{
	if (server->closing || server->open_handles == 0)
		return;
	server->closing = true;
	/* listen_fd stays open until exit: closing the last reference could hang, too.
	 */
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->resume, on_handle_closed);
}

void server_close_sessions(struct server *server)
{
	if (server->open_handles == 0)
		return;
	while (server->sessions) {
		struct session *session = server->sessions;

		/* It may live until its handle is closed, but is on no list. */
		forget(server, session);
		session_abandon(session);
	}
	spawner_stop(&server->spawner);
	if (!uv_is_closing((uv_handle_t *)&server->update)) {
		uv_close((uv_handle_t *)&server->update, on_handle_closed);
		uv_close((uv_handle_t *)&server->ping, on_handle_closed);
		uv_close((uv_handle_t *)&server->retry, on_handle_closed);
	}
	/* Held connections are closed by exit, which waits for nothing. */
	free(server->held);
	server->held = NULL;
	server->n_held = server->held_capacity = 0;
}
