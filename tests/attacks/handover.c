#include "handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_A_MESSAGE	   253 /* the kernel's SCM_MAX_FD */
#define CONNECTIONS_AT_ALL 256

const char handover_help[] =
	"  --connections N  that many connections, each with the request (1)\n"
	"  --times N        the request N times on each, pipelined (1)\n"
	"  --fds N          the file N times with each request (1)\n"
	"  --pad BYTES      white space at the end of the request\n"
	"  --part           half a request, with the fds\n"
	"  --leave          ends the client when it has sent; else it stays\n"
	"  --unread         reads no reply\n"
	"\n"
	"Commands on stdin: finish (send the other half), connect (the same again "
	"over\n"
	"new connections), shut (end the writing), leave (end the client)";

struct run {
	const struct handover *what;
	struct pollfd polled[1 + CONNECTIONS_AT_ALL];
	nfds_t n_polled;
	char *message; /* the request, padded, with its NUL */
	size_t length;
	size_t first_bytes; /* of it, before those that finish it */
	int fd;
};

void handover_say(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(1);
}

void handover_die(const char *what)
{
	handover_say("%s: %s", what, strerror(errno));
	_exit(1);
}

static bool take_own(struct handover *handover, const char *name, const char *value,
		     bool *ret_takes_value)
{
	const struct {
		const char *name;
		bool *flag;
		unsigned int *count;
	} options[] = {
		{"--part", &handover->part, NULL},
		{"--leave", &handover->leave, NULL},
		{"--unread", &handover->unread, NULL},
		{"--connections", NULL, &handover->connections},
		{"--times", NULL, &handover->times},
		{"--fds", NULL, &handover->fds},
	};

	*ret_takes_value = true;
	if (strcmp(name, "--pad") == 0) {
		handover->pad = strtoul(value, NULL, 10);
		return true;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (strcmp(name, options[i].name) != 0)
			continue;
		*ret_takes_value = options[i].count != NULL;
		if (options[i].flag)
			*options[i].flag = true;
		else
			*options[i].count = (unsigned int)strtoul(value, NULL, 10);
		return true;
	}
	return false;
}

void handover_parse(struct handover *handover, int argc, char **argv, const char *usage,
		    bool (*take)(const char *name, const char *value))
{
	bool takes_value = true;
	int i = 1;

	*handover = (struct handover){.connections = 1, .times = 1, .fds = 1};
	for (; i < argc - 2; i += takes_value ? 2 : 1) {
		if (take_own(handover, argv[i], argv[i + 1], &takes_value))
			continue;
		takes_value = true;
		if (!take || !take(argv[i], argv[i + 1]))
			break;
	}
	if (i != argc - 2 || handover->connections > CONNECTIONS_AT_ALL) {
		(void)fprintf(stderr, "usage: %s\n%s\n", usage, handover_help);
		exit(2);
	}
	handover->socket_path = argv[i];
	handover->request = argv[i + 1];
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (s < 0 || connect(s, (const struct sockaddr *)&address, sizeof(address)) < 0)
		handover_die("cannot connect");
	return s;
}

/* False: the other side has closed the connection already. */
static bool send_bytes(int s, const char *bytes, size_t length, int fd,
		       unsigned int n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * FDS_A_MESSAGE)] = {0};
	struct iovec iov = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *header;
	ssize_t n;

	if (n_fds > 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned int i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(fd));
	}
	while (iov.iov_len > 0) {
		n = sendmsg(s, &message, MSG_NOSIGNAL);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return false;
		if (n < 0)
			handover_die("cannot send");
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return true;
}

/* More fds than go with one message go with one byte of the request each time. */
static void send_request(const struct run *run, int s, size_t end)
{
	unsigned int left = run->what->fds;
	size_t at = 0;

	for (; left > FDS_A_MESSAGE; left -= FDS_A_MESSAGE)
		if (!send_bytes(s, run->message + at++, 1, run->fd, FDS_A_MESSAGE))
			return;
	(void)send_bytes(s, run->message + at, end - at, run->fd, left);
}

static void finish(const struct run *run, nfds_t first)
{
	for (nfds_t i = first; i < run->n_polled; i++)
		(void)send_bytes(run->polled[i].fd, run->message + run->first_bytes,
				 run->length - run->first_bytes, -1, 0);
}

static void *close_it(void *fd)
{
	(void)close(*(int *)fd);
	return NULL;
}

/* In a thread: it waits itself when the session has let go of its own already. */
static void let_go(int *fd)
{
	static int closed;
	pthread_t thread;

	closed = *fd;
	*fd = -1;
	if (pthread_create(&thread, NULL, close_it, &closed) != 0)
		handover_die("cannot start a thread");
	while (fcntl(closed, F_GETFD) >= 0)
		(void)sched_yield();
}

static void connect_and_send(struct run *run)
{
	const struct handover *what = run->what;
	nfds_t first = run->n_polled;

	for (unsigned int i = 0; i < what->connections; i++) {
		int s;

		if (run->n_polled > CONNECTIONS_AT_ALL)
			break;
		s = connect_to(what->socket_path);
		run->polled[run->n_polled].fd = s;
		run->polled[run->n_polled].events = what->unread ? 0 : POLLIN;
		run->n_polled++;
		for (unsigned int n = 1; n < what->times; n++)
			send_request(run, s, run->length);
		send_request(run, s, run->first_bytes);
	}
	if (what->last && run->fd >= 0)
		let_go(&run->fd);
	if (!what->part && run->first_bytes < run->length)
		finish(run, first);
	handover_say("sent");
}

/* False: leave. */
static bool obey(struct run *run, const char *command)
{
	if (strcmp(command, "connect") == 0) {
		connect_and_send(run);
	} else if (strcmp(command, "finish") == 0) {
		finish(run, 1);
	} else if (strcmp(command, "shut") == 0) {
		for (nfds_t i = 1; i < run->n_polled; i++)
			(void)shutdown(run->polled[i].fd, SHUT_WR);
	}
	return strcmp(command, "leave") != 0;
}

static bool read_commands(struct run *run)
{
	char text[256];
	ssize_t n = read(run->polled[0].fd, text, sizeof(text) - 1);
	char *save = NULL;

	if (n <= 0) {
		run->polled[0].fd = -1; /* no more of them: stay */
		return true;
	}
	text[n] = '\0';
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!obey(run, line))
			return false;
	return true;
}

static void read_reply(struct pollfd *polled)
{
	char text[4096];
	ssize_t n = read(polled->fd, text, sizeof(text) - 1);
	char *save = NULL;

	if (n <= 0) {
		handover_say("closed");
		(void)close(polled->fd);
		polled->fd = -1;
		return;
	}
	text[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = '\n';
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		handover_say("reply %s", line);
}

static void fill_message(struct run *run)
{
	size_t length = strlen(run->what->request);

	run->length = length + run->what->pad + 1;
	run->message = malloc(run->length);
	if (!run->message)
		handover_die("cannot make the request");
	memset(run->message, ' ', run->length);
	memcpy(run->message, run->what->request, length);
	run->message[run->length - 1] = '\0';
	if (run->what->part)
		run->first_bytes = run->length / 2;
	else
		run->first_bytes = run->length - (run->what->last ? 1 : 0);
}

void handover_run(const struct handover *handover, int fd, int commands_fd)
{
	struct run run = {.what = handover, .n_polled = 1, .fd = fd};
	bool stay = !handover->leave;

	run.polled[0] = (struct pollfd){.fd = commands_fd, .events = POLLIN};
	fill_message(&run);
	connect_and_send(&run);
	while (stay && poll(run.polled, run.n_polled, -1) > 0) {
		for (nfds_t i = 1; i < run.n_polled; i++)
			if (run.polled[i].revents)
				read_reply(&run.polled[i]);
		if (run.polled[0].revents)
			stay = read_commands(&run);
	}
	for (nfds_t i = 1; i < run.n_polled; i++)
		if (run.polled[i].fd >= 0)
			(void)close(run.polled[i].fd);
	free(run.message);
}
