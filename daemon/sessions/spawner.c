/*
 * Starts deployd-session when deployd says so, and reaps it. Each message from deployd
 * is a number and the three fds that the session gets: pipes, and a socket that cannot
 * hold a client yet. So nothing that is closed here can hang, and nothing is waited
 * for.
 */
#include "sessions/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"
#include "util/session_protocol.h"

#define CHANNEL_FDS 3
#define LINE_SIZE   64 /* "started", two numbers */

/* Above the fds of the protocol, so that none is overwritten before it is moved. */
#define FIRST_FREE_FD (SESSION_FDS_FD + 1)

/* Of numbers in orders: 20 digits and the newline. */
#define ORDER_BYTES_MAX 32

static void warn(const char *what, int error)
{
	/* <4>: journald takes it for a warning. */
	(void)fprintf(stderr, "<4>deployd-sessions: %s%s%s\n", what, error ? ": " : "",
		      error ? strerror(error) : "");
}

int spawner_init(struct spawner *spawner, int listen_fd, const char *program)
{
	sigset_t children;

	*spawner = (struct spawner){.program = program,
				    .listen_fd = listen_fd,
				    .signal_fd = -1,
				    .connection_fd = -1,
				    .report_fd = -1};
	if (fcntl(listen_fd, F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(listen_fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	(void)sigemptyset(&children);
	(void)sigaddset(&children, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &children, NULL) < 0)
		return -errno;
	spawner->signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	return spawner->signal_fd < 0 ? -errno : 0;
}

/* --- deployd -----------------------------------------------------------------------
 */

static void forget_deployd(struct spawner *spawner)
{
	if (spawner->connection_fd >= 0)
		(void)close(spawner->connection_fd);
	if (spawner->report_fd >= 0)
		(void)close(spawner->report_fd);
	spawner->connection_fd = -1;
	spawner->report_fd = -1;
	spawner->report_length = 0;
}

static void accept_deployd(struct spawner *spawner)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof(peer);
	cleanup_close int fd =
		accept4(spawner->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    peer.uid != 0) {
		warn("refused a connection from a process that is not root", 0);
		return;
	}
	spawner->connection_fd = steal_fd(&fd);
	spawner->connection++;
}

static void flush_report(struct spawner *spawner)
{
	while (spawner->report_fd >= 0 && spawner->report_length > 0) {
		ssize_t n = write(spawner->report_fd, spawner->report,
				  spawner->report_length);

		if (n >= 0) {
			spawner->report_length -= (size_t)n;
			memmove(spawner->report, spawner->report + n,
				spawner->report_length);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			forget_deployd(spawner);
		}
	}
}

/* There is always room: see has_room(). */
static void report(struct spawner *spawner, const char *line)
{
	size_t length = strlen(line);

	if (spawner->report_fd < 0 ||
	    length > sizeof(spawner->report) - spawner->report_length)
		return;
	memcpy(spawner->report + spawner->report_length, line, length);
	spawner->report_length += length;
	flush_report(spawner);
}

static void report_end(struct spawner *spawner, uint64_t number)
{
	char line[LINE_SIZE];

	(void)snprintf(line, sizeof(line), "ended %" PRIu64 "\n", number);
	report(spawner, line);
}

/* Half of the room is reserved for the ends of all sessions. */
static bool has_room(const struct spawner *spawner)
{
	_Static_assert(SPAWNER_REPORT_BYTES_MAX / 2 >= SPAWNER_SESSIONS_MAX * LINE_SIZE,
		       "the ends of all sessions do not fit");

	return spawner->report_length + LINE_SIZE <= SPAWNER_REPORT_BYTES_MAX / 2;
}

/* --- sessions --------------------------------------------------------------------- */

static struct spawned *find_place(struct spawner *spawner, pid_t pid)
{
	for (size_t i = 0; i < SPAWNER_SESSIONS_MAX; i++)
		if (spawner->spawned[i].pid == pid)
			return &spawner->spawned[i];
	return NULL;
}

/* Calls only async-signal-safe functions, as after fork(); never returns. */
static void become_session(const char *program, int fds[CHANNEL_FDS], int go_fd,
			   int null_fd)
{
	char *const argv[] = {(char *)program, NULL}, *const environment[] = {NULL};
	sigset_t none;
	char byte;

	/* Until the spawner has closed its copies: only then may a client come in. */
	while (read(go_fd, &byte, 1) < 0 && errno == EINTR)
		;
	for (int i = 0; i < CHANNEL_FDS; i++) {
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
		if (fds[i] < 0)
			_exit(126);
	}
	if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
		_exit(126);
	for (int i = 0; i < CHANNEL_FDS; i++)
		if (dup2(fds[i], SESSION_WORDS_FD + i) < 0)
			_exit(126);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execve(program, argv, environment);
	_exit(127);
}

/* The fds are the caller's; the session begins when they and *ret_go_fd are closed. */
static pid_t start_session(const char *program, int fds[CHANNEL_FDS], int *ret_go_fd)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cleanup_close int wait_fd = -1;
	int go[2];
	pid_t pid;

	if (null_fd < 0 || pipe2(go, O_CLOEXEC) < 0)
		return -1;
	wait_fd = go[0];
	*ret_go_fd = go[1];
	pid = fork();
	if (pid == 0) {
		(void)close(go[1]);
		become_session(program, fds, wait_fd, null_fd);
	}
	return pid;
}

static void close_all(int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
}

static void spawn(struct spawner *spawner, uint64_t number, int fds[CHANNEL_FDS])
{
	struct spawned *place = find_place(spawner, 0);
	char line[LINE_SIZE];
	int go_fd = -1;
	pid_t pid = -1;

	if (place) {
		pid = start_session(spawner->program, fds, &go_fd);
		if (pid < 0)
			warn("cannot start a session", errno);
	} else {
		warn("too many sessions are under way", 0);
	}
	close_all(fds, CHANNEL_FDS);
	if (pid > 0) {
		*place = (struct spawned){pid, number, spawner->connection};
		(void)snprintf(line, sizeof(line), "started %" PRIu64 " %d\n", number,
			       (int)pid);
		report(spawner, line);
	} else {
		report_end(spawner, number);
	}
	if (go_fd >= 0)
		(void)close(go_fd);
}

static void reap(struct spawner *spawner)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(spawner->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct spawned *place = find_place(spawner, pid);
		struct spawned ended;

		if (!place)
			continue;
		ended = *place;
		*place = (struct spawned){0};
		/* A restarted deployd does not know it. */
		if (ended.connection == spawner->connection)
			report_end(spawner, ended.number);
	}
}

/* --- orders ----------------------------------------------------------------------- */

/* "NUMBER\n", and nothing else. */
static bool parse_order(const char *text, size_t length, uint64_t *ret_number)
{
	char number[ORDER_BYTES_MAX];
	char *end;

	if (length < 2 || length >= sizeof(number) || text[length - 1] != '\n' ||
	    text[0] < '0' || text[0] > '9')
		return false;
	memcpy(number, text, length - 1);
	number[length - 1] = '\0';
	errno = 0;
	*ret_number = strtoull(number, &end, 10);
	return errno == 0 && end == number + length - 1;
}

struct order {
	char text[ORDER_BYTES_MAX];
	size_t length;
	int fds[CHANNEL_FDS];
	size_t n_fds;
};

/* 1; 0: there is none; -errno: there will be none. */
static int receive_order(int connection_fd, struct order *order)
{
	ssize_t n = fd_receive(connection_fd, order->text, sizeof(order->text),
			       order->fds, CHANNEL_FDS, &order->n_fds);

	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	order->length = (size_t)n;
	return 1;
}

/* Takes over the fds of an order that makes sense. */
static bool carry_out(struct spawner *spawner, struct order *order)
{
	uint64_t number;

	if (spawner->report_fd < 0) {
		if (order->length != 1 || order->n_fds != 1 ||
		    fcntl(order->fds[0], F_SETFL, O_WRONLY | O_NONBLOCK) < 0)
			return false;
		spawner->report_fd = order->fds[0];
		return true;
	}
	if (order->n_fds != CHANNEL_FDS ||
	    !parse_order(order->text, order->length, &number))
		return false;
	spawn(spawner, number, order->fds);
	return true;
}

static void take_order(struct spawner *spawner)
{
	struct order order;
	int r = receive_order(spawner->connection_fd, &order);

	if (r > 0 && carry_out(spawner, &order))
		return;
	if (r != 0) {
		close_all(order.fds, order.n_fds);
		forget_deployd(spawner);
	}
	if (r > 0 || r == -EBADMSG)
		warn("deployd sent an invalid order; if deployd was upgraded but not "
		     "restarted, run `systemctl restart deployd`",
		     0);
}

/* --- the loop --------------------------------------------------------------------- */

enum {
	LISTEN,
	SIGNAL,
	CONNECTION,
	REPORT,
	N_POLLED
};

static int turn(struct spawner *spawner)
{
	bool connected = spawner->connection_fd >= 0;
	struct pollfd polled[N_POLLED] = {
		[LISTEN] = {connected ? -1 : spawner->listen_fd, POLLIN, 0},
		[SIGNAL] = {spawner->signal_fd, POLLIN, 0},
		[CONNECTION] = {spawner->connection_fd, has_room(spawner) ? POLLIN : 0,
				0},
		[REPORT] = {spawner->report_fd,
			    spawner->report_length > 0 ? POLLOUT : 0, 0},
	};

	if (poll(polled, N_POLLED, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (polled[SIGNAL].revents)
		reap(spawner);
	if (polled[REPORT].revents & POLLERR)
		forget_deployd(spawner);
	else if (polled[REPORT].revents)
		flush_report(spawner);
	if (polled[CONNECTION].revents & (POLLHUP | POLLERR))
		forget_deployd(spawner);
	else if (polled[CONNECTION].revents && spawner->connection_fd >= 0)
		take_order(spawner);
	if (polled[LISTEN].revents)
		accept_deployd(spawner);
	return 0;
}

int spawner_run(struct spawner *spawner)
{
	int r;

	do {
		r = turn(spawner);
	} while (r == 0);
	return r;
}
