#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/session_protocol.h"

#define DEADLINE_MSEC 60000

#define DIE(...) die(__FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 3, 4), noreturn)) static void
die(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, " (%s)\n", strerror(errno));
	exit(1);
}

void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		DIE("pipe");
}

static int lift(int fd)
{
	int lifted = fcntl(fd, F_DUPFD, 20);

	if (lifted < 0)
		_exit(120);
	return lifted;
}

static void become_session(uid_t uid, int words_fd, int report_fd, int fds_fd)
{
	char *const argv[] = {(char *)"deployd-session", NULL}, *const env[] = {NULL};
	int words = lift(words_fd), report = lift(report_fd), fds = lift(fds_fd);
	/* Opened before, since another user may not get to where the build is. */
	int program = open(SESSION, O_PATH | O_CLOEXEC);

	if (dup2(words, SESSION_WORDS_FD) < 0 || dup2(report, SESSION_REPORT_FD) < 0 ||
	    dup2(fds, SESSION_FDS_FD) < 0)
		_exit(120);
	if (uid != geteuid() &&
	    (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
		_exit(120);
	(void)fexecve(program, argv, env);
	_exit(121);
}

void world_start_as(struct world *world, uid_t uid)
{
	int words[2], report[2], fds[2];
	json_t *ready;

	*world = (struct world){.client_fd = -1,
				.server_fd = -1,
				.up.message_bytes_max = SESSION_WORD_BYTES_MAX};
	make_pipe(words);
	make_pipe(report);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	    shutdown(fds[0], SHUT_RD) < 0)
		DIE("socketpair");
	world->pid = fork();
	if (world->pid < 0)
		DIE("fork");
	if (world->pid == 0)
		become_session(uid, words[0], report[1], fds[1]);
	(void)close(words[0]);
	(void)close(report[1]);
	(void)close(fds[1]);
	world->words_fd = words[1];
	world->report_fd = report[0];
	world->fds_fd = fds[0];
	(void)signal(SIGPIPE, SIG_IGN);
	ready = expect_word(world, "ready");
	if (number_of(ready, "version") != SESSION_PROTOCOL_VERSION)
		DIE("another version");
	json_decref(ready);
}

void world_start(struct world *world)
{
	world_start_as(world, geteuid());
}

void world_prepare(struct world *world)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		DIE("socketpair");
	world->client_fd = ends[0];
	world->server_fd = ends[1];
}

void world_connect(struct world *world, int timeout_ms, json_t *refuse)
{
	if (world->server_fd < 0)
		world_prepare(world);
	say_fd(world,
	       json_pack("{s:s, s:i, s:o?}", "type", "connection", "requestTimeoutMs",
			 timeout_ms, "refuse", refuse),
	       world->server_fd);
	(void)close(world->server_fd);
	world->server_fd = -1;
	skip_word(world, "taken");
}

void world_begin(struct world *world)
{
	world_start(world);
	world_connect(world, REQUEST_TIMEOUT_MSEC, NULL);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

int world_end(struct world *world)
{
	int status = 0;

	close_end(&world->words_fd);
	close_end(&world->report_fd);
	close_end(&world->fds_fd);
	close_end(&world->client_fd);
	if (waitpid(world->pid, &status, 0) != world->pid)
		DIE("waitpid");
	varlink_buffer_deinit(&world->up);
	varlink_buffer_deinit(&world->down);
	return status;
}

static void write_whole(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EPIPE)
			return;
		if (n < 0)
			DIE("write");
		data += n;
		length -= (size_t)n;
	}
}

void say(struct world *world, json_t *word)
{
	char *text = word ? json_dumps(word, JSON_COMPACT) : NULL;

	if (!text)
		DIE("no word");
	write_whole(world->words_fd, text, strlen(text) + 1);
	free(text);
	json_decref(word);
}

void say_bytes(struct world *world, const void *data, size_t length)
{
	write_whole(world->words_fd, data, length);
}

/* Nothing can be waited for: a pipe that empties wakes a writer only when it was full.
 */
void wait_taken(struct world *world)
{
	int left = 0;

	(void)alarm(DEADLINE_MSEC / 1000);
	do {
		if (ioctl(world->words_fd, FIONREAD, &left) < 0)
			DIE("FIONREAD");
		(void)sched_yield();
	} while (left > 0);
	(void)alarm(0);
}

static void send_with_fds(int socket_fd, const void *data, size_t length,
			  const int *fds, size_t n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 32)];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)data, length};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	ssize_t n;

	if (n_fds > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	n = sendmsg(socket_fd, &header, MSG_NOSIGNAL);
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		DIE("sendmsg");
	if (n >= 0 && (size_t)n < length)
		send_with_fds(socket_fd, (const char *)data + n, length - (size_t)n,
			      NULL, 0);
}

void send_fd(struct world *world, int fd)
{
	send_with_fds(world->fds_fd, "", 1, &fd, 1);
}

void send_fds(struct world *world, const int *fds, size_t n_fds)
{
	send_with_fds(world->fds_fd, "", 1, fds, n_fds);
}

void say_fd(struct world *world, json_t *word, int fd)
{
	say(world, word);
	send_fd(world, fd);
}

void wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int r;

	do {
		r = poll(&p, 1, DEADLINE_MSEC);
	} while (r < 0 && errno == EINTR);
	if (r != 1)
		DIE("nothing comes");
}

/* The next message on fd; NULL at its end. */
static json_t *next(int fd, struct varlink_buffer *buffer)
{
	static char data[65536];
	json_t *message = NULL;
	ssize_t n;
	int r;

	while ((r = varlink_buffer_take(buffer, &message)) == 0) {
		wait_readable(fd);
		n = read(fd, data, sizeof(data));
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return NULL;
		if (n < 0 || varlink_buffer_add(buffer, data, (size_t)n) < 0)
			DIE("read");
	}
	if (r < 0)
		DIE("not a message");
	return message;
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "(none)";
}

json_int_t number_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

json_t *next_word(struct world *world)
{
	return next(world->report_fd, &world->up);
}

json_t *expect_word(struct world *world, const char *type)
{
	json_t *word = next(world->report_fd, &world->up);

	if (strcmp(text_of(word, "type"), type) != 0) {
		(void)json_dumpf(word ? word : json_null(), stderr, JSON_ENCODE_ANY);
		DIE(" came up instead of %s", type);
	}
	return word;
}

void skip_word(struct world *world, const char *type)
{
	json_decref(expect_word(world, type));
}

void expect_request(struct world *world, json_int_t number, json_int_t n_fds)
{
	json_t *word = expect_word(world, "request");

	if (number_of(word, "request") != number || number_of(word, "fds") != n_fds) {
		(void)json_dumpf(word, stderr, JSON_COMPACT);
		DIE(" instead of request %d with %d fds", (int)number, (int)n_fds);
	}
	json_decref(word);
}

void expect_end(struct world *world)
{
	json_t *word = next(world->report_fd, &world->up);

	if (word)
		DIE("'%s' came up instead of the end", text_of(word, "type"));
}

void client_send(struct world *world, const void *data, size_t length, const int *fds,
		 size_t n_fds)
{
	send_with_fds(world->client_fd, data, length, fds, n_fds);
}

void client_call(struct world *world, const char *method, bool more)
{
	size_t length = 0;
	char *call = varlink_encode_call(method, NULL, more, &length);

	client_send(world, call, length, NULL, 0);
	free(call);
}

json_t *client_expect(struct world *world)
{
	json_t *message = next(world->client_fd, &world->down);

	if (!message)
		DIE("the client is sent no more");
	return message;
}

void client_expect_end(struct world *world)
{
	if (next(world->client_fd, &world->down))
		DIE("the client is sent more");
}

void answer(struct world *world, json_int_t request, json_int_t n)
{
	say(world, json_pack("{s:s, s:I, s:{s:I}}", "type", "reply", "request", request,
			     "parameters", "n", n));
}

void client_expect_answer(struct world *world, json_int_t n)
{
	json_t *message = client_expect(world);

	if (number_of(json_object_get(message, "parameters"), "n") != n ||
	    json_object_get(message, "continues"))
		DIE("not the answer %d", (int)n);
	json_decref(message);
}

bool nothing_comes_up(struct world *world)
{
	static json_int_t number = 1000;
	json_t *word;
	bool nothing;

	say(world, json_pack("{s:s, s:I}", "type", "ping", "number", ++number));
	word = next(world->report_fd, &world->up);
	nothing = strcmp(text_of(word, "type"), "pong") == 0 &&
		  number_of(word, "number") == number;
	json_decref(word);
	return nothing;
}

void assert_ended(struct world *world)
{
	int status = world_end(world);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		DIE("it ended with wait status %d", status);
}

void close_channel(struct world *world, bool report_too)
{
	close_end(&world->words_fd);
	if (report_too)
		close_end(&world->report_fd);
}

void close_words(struct world *world)
{
	close_end(&world->words_fd);
}

void close_report(struct world *world)
{
	close_end(&world->report_fd);
}

void close_client(struct world *world)
{
	close_end(&world->client_fd);
}

void wait_ended(struct world *world)
{
	siginfo_t info;

	(void)alarm(DEADLINE_MSEC / 1000);
	if (waitid(P_PID, (id_t)world->pid, &info, WEXITED | WNOWAIT) < 0)
		DIE("waitid");
	(void)alarm(0);
}

void expect_trouble(struct world *world, const char *what)
{
	json_t *word = expect_word(world, "trouble");

	if (strcmp(text_of(word, "what"), what) != 0)
		DIE("trouble '%s' instead of '%s'", text_of(word, "what"), what);
	json_decref(word);
}

void answer_big(struct world *world, json_int_t request, size_t length)
{
	char *text = malloc(length);

	if (!text)
		DIE("malloc");
	memset(text, 'x', length);
	say(world, json_pack("{s:s, s:I, s:{s:s%}}", "type", "reply", "request",
			     request, "parameters", "text", text, length));
	free(text);
}

void client_expect_big(struct world *world, size_t length)
{
	json_t *message = client_expect(world);
	size_t got = json_string_length(
		json_object_get(json_object_get(message, "parameters"), "text"));

	if (got != length)
		DIE("%zu bytes of text instead of %zu", got, length);
	json_decref(message);
}
