#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/result.h"
#include "util/session_protocol.h"

/* For a client to read its answer when there is no deployd any more. */
#define ORPHAN_MSEC 5000

/* No word is read while deployd has not read so much of what it was told. */
#define UP_BYTES_MAX (SESSION_WORD_BYTES_MAX + 65536)

#define WORDS_READ_BYTES 65536

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void expect_progress(struct session *session, uint64_t within_ms)
{
	session->deadline_ms = now_ms() + (int64_t)within_ms;
}

/* --- up ------------------------------------------------------------------------- */

static void flush_up(struct session *session)
{
	while (outgoing_left(&session->up) > 0) {
		ssize_t n = write(SESSION_REPORT_FD, outgoing_data(&session->up),
				  outgoing_left(&session->up));

		if (n >= 0)
			outgoing_advance(&session->up, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			/* deployd has gone; what it said before is read first. */
			outgoing_deinit(&session->up);
	}
}

/* Takes the reference on word, which may be NULL for want of memory. */
static void say(struct session *session, json_t *word)
{
	if (session->orphan)
		json_decref(word);
	else if (outgoing_add_json(&session->up, word) < 0)
		session->over = true; /* out of memory: deployd sees the pipe end */
	else
		flush_up(session);
}

static void hang_up(struct session *session)
{
	lines_close(&session->lines);
	session->deadline_ms = 0;
	client_hang_up(&session->client);
}

static void client_has_gone(struct session *session)
{
	say(session, json_pack("{s:s}", "type", "gone"));
	hang_up(session);
}

static void trouble(struct session *session, const char *what)
{
	say(session, json_pack("{s:s, s:s}", "type", "trouble", "what", what));
}

/* What is buffered goes out, and that is all. */
static void end_client(struct session *session, uint64_t within_ms)
{
	session->client.ending = true;
	expect_progress(session, within_ms);
}

/* --- the client ----------------------------------------------------------------- */

static void refuse_input(struct session *session, int error)
{
	trouble(session, error == -EMSGSIZE ? SESSION_TROUBLE_TOO_LARGE
					    : SESSION_TROUBLE_MALFORMED);
	end_client(session, session->timeout_ms);
}

/* The word for a call; NULL when it is longer than one may be, or without memory. */
static json_t *request_word(const struct session *session, json_t *call)
{
	return json_pack("{s:s, s:I, s:I, s:o}", "type", "request", "request",
			 (json_int_t)session->client.request, "fds",
			 (json_int_t)client_count_fds(&session->client), "call", call);
}

static void send_up(struct session *session, json_t *call)
{
	cleanup_free char *text = NULL;
	cleanup_json json_t *word = request_word(session, call);

	text = word ? json_dumps(word, JSON_COMPACT) : NULL;
	session->deadline_ms = 0;
	session->archive_refused = false;
	/* Numbers can be longer than the client wrote them. */
	if (!text || strlen(text) >= SESSION_WORD_BYTES_MAX) {
		session->client.busy = false;
		refuse_input(session, -EMSGSIZE);
	} else if (outgoing_add(&session->up, text, strlen(text) + 1) < 0) {
		session->over = true;
	} else {
		flush_up(session);
	}
}

/* The next call goes up, if there is one and none is under way. */
static void next_request(struct session *session)
{
	struct client *client = &session->client;
	json_t *call = NULL;
	int r;

	if (client->fd < 0 || session->orphan)
		return;
	r = client_next(client, &call);
	if (r > 0)
		send_up(session, call);
	else if (r < 0)
		refuse_input(session, r);
}

static bool wants_input(const struct client *client)
{
	return client->fd >= 0 && !client->busy && !client->ending &&
	       !client->input_ended && !client->more_input;
}

/* A client that ended its writing (socat does) is done when all is answered and sent.
 */
static bool is_served(const struct client *client)
{
	return outgoing_left(&client->output) == 0 &&
	       (client->ending ||
		(client->input_ended && !client->busy && !client->more_input));
}

static void serve_client(struct session *session, short events)
{
	struct client *client = &session->client;
	size_t unread = outgoing_left(&client->output);
	int r = 0;

	/*
	 * Hung up: whatever runs goes on, only its reply is lost. Without a request
	 * under way what it sent before is read first.
	 */
	if ((events & (POLLHUP | POLLERR)) && client->busy)
		r = -ECONNRESET;
	if (r == 0)
		r = client_flush(client);
	if (r == 0 && (events & (POLLIN | POLLHUP | POLLERR)) && wants_input(client))
		r = client_receive(client);
	if (r == -ECONNRESET) {
		client_has_gone(session);
		return;
	}
	if (r < 0) {
		refuse_input(session, r);
		return;
	}
	if (session->deadline_ms != 0 && outgoing_left(&client->output) < unread)
		expect_progress(session,
				session->orphan ? ORPHAN_MSEC : session->timeout_ms);
}

static void settle_client(struct session *session)
{
	struct client *client = &session->client;

	if (client->fd < 0)
		return;
	if (client_flush(client) < 0) {
		client_has_gone(session);
		return;
	}
	next_request(session);
	if (is_served(client)) {
		if (client->input_ended)
			client_has_gone(session);
		else
			hang_up(session);
	}
}

static void on_deadline(struct session *session)
{
	bool unread = outgoing_left(&session->client.output) > 0;

	if (!session->orphan)
		trouble(session,
			unread ? SESSION_TROUBLE_STALLED : SESSION_TROUBLE_TIMEOUT);
	hang_up(session);
}

/* The request under way has had its last reply. */
static void request_is_over(struct session *session)
{
	lines_close(&session->lines);
	if (session->client.fd >= 0 && !session->client.ending)
		expect_progress(session, session->timeout_ms);
}

static void reply(struct session *session, const char *error, json_t *parameters,
		  bool continues)
{
	if (client_reply(&session->client, error, parameters, continues) < 0)
		session->over = true;
	else if (!continues)
		request_is_over(session);
}

/*
 * deployd has gone: its client is told what to do next, and nobody wants an archive.
 * Not reached for a session that never had a client: it just ends.
 */
static void become_orphan(struct session *session)
{
	if (session->orphan)
		return;
	session->orphan = true;
	outgoing_deinit(&session->up);
	archive_drop(&session->archive);
	if (session->client.fd < 0)
		return;
	if (session->client.busy)
		reply(session, result_error_name(RESULT_FAILED),
		      json_pack("{s:s}", "message",
				"deployd was restarted; see `deployctl jobs`"),
		      false);
	lines_close(&session->lines);
	end_client(session, ORPHAN_MSEC);
}

/* --- words down ------------------------------------------------------------------- */

static bool get_number(const json_t *word, const char *key, uint64_t *ret_number)
{
	const json_t *value = json_object_get(word, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret_number = (uint64_t)json_integer_value(value);
	return true;
}

/* True when the word is about the request under way. Others are late, and no fault. */
static bool is_current(const struct session *session, uint64_t request)
{
	return session->client.busy && session->client.request == request;
}

static bool on_connection(struct session *session, const json_t *word, int fd)
{
	const json_t *refuse = json_object_get(word, "refuse");
	const char *error = json_string_value(json_object_get(refuse, "error"));
	json_t *parameters = json_object_get(refuse, "parameters");
	char *message;
	size_t length = 0;

	if (session->connected ||
	    !get_number(word, "requestTimeoutMs", &session->timeout_ms) ||
	    session->timeout_ms > INT32_MAX)
		return false;
	client_init(&session->client, fd);
	session->connected = true;
	say(session, json_pack("{s:s}", "type", "taken"));
	expect_progress(session, session->timeout_ms);
	if (!refuse || json_is_null(refuse))
		return true;
	if (!error)
		return false;
	message = varlink_encode_error(error, json_incref(parameters), &length);
	/* The buffer of a new connection is empty; one that does not take it is left.
	 */
	if (message)
		(void)send(fd, message, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(message);
	hang_up(session);
	return true;
}

static bool on_reply(struct session *session, const json_t *word, int fd)
{
	const json_t *error = json_object_get(word, "error");
	json_t *parameters = json_object_get(word, "parameters");
	uint64_t request;

	(void)fd;
	if (!get_number(word, "request", &request) ||
	    (error && !json_is_string(error) && !json_is_null(error)) ||
	    (parameters && !json_is_object(parameters) && !json_is_null(parameters)))
		return false;
	if (is_current(session, request))
		reply(session, json_string_value(error),
		      json_is_object(parameters) ? json_incref(parameters) : NULL,
		      json_is_true(json_object_get(word, "continues")));
	return true;
}

static bool on_archive(struct session *session, const json_t *word, int fd)
{
	uint64_t request, index;

	(void)fd;
	if (!get_number(word, "request", &request) ||
	    !get_number(word, "index", &index) || archive_is_wanted(&session->archive))
		return false;
	archive_start(&session->archive,
		      is_current(session, request)
			      ? client_take_fd(&session->client, index)
			      : -1);
	return true;
}

static bool on_pump(struct session *session, const json_t *word, int fd)
{
	(void)word;
	archive_pump_into(&session->archive, fd);
	return true;
}

static bool on_drop(struct session *session, const json_t *word, int fd)
{
	(void)word;
	(void)fd;
	session->archive_refused = true;
	archive_drop(&session->archive);
	return true;
}

static bool on_lines(struct session *session, const json_t *word, int fd)
{
	uint64_t request;

	if (!get_number(word, "request", &request))
		return false;
	if (!is_current(session, request))
		(void)close(fd);
	else if (lines_start(&session->lines, fd, request) < 0)
		session->over = true;
	return true;
}

static bool on_ping(struct session *session, const json_t *word, int fd)
{
	json_t *number = json_object_get(word, "number");

	(void)fd;
	if (!json_is_integer(number))
		return false;
	say(session, json_pack("{s:s, s:O}", "type", "pong", "number", number));
	return true;
}

static bool on_close(struct session *session, const json_t *word, int fd)
{
	(void)word;
	(void)fd;
	session->connected = true; /* or will never be */
	session->archive_refused = true;
	lines_close(&session->lines);
	if (session->client.fd >= 0)
		end_client(session, session->timeout_ms);
	return true;
}

static const struct word {
	const char *type;
	bool has_fd;
	/* fd: -1 without one, else owned from here. False: not a word of ours. */
	bool (*handle)(struct session *session, const json_t *word, int fd);
} words[] = {
	{"connection", true, on_connection},
	{"reply", false, on_reply},
	{"archive", false, on_archive},
	{"pump", true, on_pump},
	{"drop", false, on_drop},
	{"lines", true, on_lines},
	{"ping", false, on_ping},
	{"close", false, on_close},
};

static const struct word *find_word(const json_t *word)
{
	const char *type = json_string_value(json_object_get(word, "type"));

	for (size_t i = 0; type && i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(words[i].type, type) == 0)
			return &words[i];
	return NULL;
}

/* The one fd of a word: 1, 0 when it has not come, -errno when it never will. */
static int receive_fd(int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	const struct cmsghdr *c;
	ssize_t n = recvmsg(SESSION_FDS_FD, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&header);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)) || (header.msg_flags & MSG_CTRUNC))
		return -EBADMSG;
	memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	return 1;
}

static void broken(struct session *session, const char *why)
{
	(void)fprintf(stderr, "deployd-session: %s: is it of the same package?\n", why);
	session->over = true;
}

/* Handles the word that waits, when its fd is there. */
static void handle_waiting(struct session *session)
{
	const struct word *word = find_word(session->waiting);
	json_t *object = session->waiting;
	int fd = -1, r;

	if (!word) {
		broken(session, "deployd said an unknown word");
		return;
	}
	r = word->has_fd ? receive_fd(&fd) : 1;
	if (r == 0)
		return;
	session->waiting = NULL;
	if (r == -EPIPE)
		become_orphan(session);
	else if (r < 0)
		broken(session, "deployd sent a word without its file descriptor");
	else if (!word->handle(session, object, fd))
		broken(session, "deployd said a word that makes no sense");
	json_decref(object);
}

static bool is_over(const struct session *session);

static void handle_words(struct session *session)
{
	while (!session->orphan && !is_over(session)) {
		int r = 1;

		if (!session->waiting)
			r = varlink_buffer_take(&session->words, &session->waiting);
		if (r < 0)
			broken(session, "deployd said something that is not a word");
		if (r <= 0)
			return;
		handle_waiting(session);
		if (session->waiting)
			return;
	}
}

static void read_words(struct session *session)
{
	static char data[WORDS_READ_BYTES];
	ssize_t n = read(SESSION_WORDS_FD, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		become_orphan(session);
	else if (varlink_buffer_add(&session->words, data, (size_t)n) < 0)
		broken(session, "deployd said a word that is too long");
}

/* --- archive and lines ---------------------------------------------------------- */

static json_t *archive_word(const struct archive *archive)
{
	static const char *const names[] = {
		[ARCHIVE_FLOWS] = "flows",
		[ARCHIVE_COMPLETE] = "complete",
		[ARCHIVE_FAILED] = "failed",
	};
	const struct source *source = &archive->source;
	json_t *word = json_pack(
		"{s:s, s:s, s:I, s:o}", "type", "archive", "state",
		names[archive->state], "bytes", (json_int_t)archive->bytes, "total",
		source->seekable ? json_integer((json_int_t)source->expected)
				 : json_null());
	char message[sizeof(archive->error.what)];

	if (!word || archive->state != ARCHIVE_FAILED)
		return word;
	(void)snprintf(message, sizeof(message), "%s", archive->error.what);
	(void)json_object_set_new(word, "message",
				  lines_text(message, strlen(message)));
	(void)json_object_set_new(word, "result",
				  json_string(result_name(archive->error.result)));
	return word;
}

static void settle_archive(struct session *session)
{
	struct archive *archive = &session->archive;

	if (archive->told < archive->state && archive->state >= ARCHIVE_FLOWS) {
		archive->told = archive->state;
		say(session, archive_word(archive));
	}
	if (outgoing_left(&session->up) == 0)
		archive_settle(archive);
}

/* Lines are read when the client has read what went before: it sets the pace. */
static bool wants_lines(const struct session *session)
{
	return session->lines.fd >= 0 && !session->lines.ended &&
	       outgoing_left(&session->client.output) == 0;
}

static void pass_lines_on(struct session *session)
{
	json_t *array = lines_read(&session->lines);

	if (!array)
		return;
	if (json_array_size(array) == 0)
		json_decref(array);
	else if (client_reply_lines(&session->client, array) < 0)
		session->over = true;
}

static void settle_lines(struct session *session)
{
	if (!session->lines.ended || outgoing_left(&session->client.output) > 0)
		return;
	say(session, json_pack("{s:s, s:I}", "type", "lines-end", "request",
			       (json_int_t)session->lines.request));
	lines_close(&session->lines);
}

/* --- the loop --------------------------------------------------------------------- */

enum {
	WORDS,
	REPORT,
	FDS,
	CLIENT,
	ARCHIVE,
	PUMP,
	LINES,
	N_POLLED
};

/* May deployd still want one of the fds of a request whose client has gone? */
static bool may_be_asked_for_archive(const struct session *session)
{
	return session->client.busy && !session->archive_refused &&
	       client_count_fds(&session->client) > 0;
}

static bool is_over(const struct session *session)
{
	if (session->over)
		return true;
	if (session->orphan)
		return session->client.fd < 0;
	return session->connected && session->client.fd < 0 &&
	       outgoing_left(&session->up) == 0 &&
	       !archive_is_wanted(&session->archive) &&
	       !may_be_asked_for_archive(session);
}

static short client_events(const struct session *session)
{
	short events = 0;

	if (wants_input(&session->client))
		events |= POLLIN;
	if (outgoing_left(&session->client.output) > 0)
		events |= POLLOUT;
	return events;
}

static void watch(struct pollfd *polled, bool wanted, int fd, int events)
{
	*polled = (struct pollfd){.fd = wanted ? fd : -1, .events = (short)events};
}

static void fill_polled(const struct session *session, struct pollfd polled[N_POLLED])
{
	const struct archive *archive = &session->archive;
	bool up_waits = outgoing_left(&session->up) > 0;

	watch(&polled[WORDS],
	      !session->orphan && !session->waiting &&
		      outgoing_left(&session->up) < UP_BYTES_MAX,
	      SESSION_WORDS_FD, POLLIN);
	watch(&polled[REPORT], !session->orphan, SESSION_REPORT_FD,
	      up_waits ? POLLOUT : 0);
	watch(&polled[FDS], session->waiting && !session->orphan, SESSION_FDS_FD,
	      POLLIN);
	watch(&polled[CLIENT], session->client.fd >= 0, session->client.fd,
	      client_events(session));
	watch(&polled[ARCHIVE], archive_may_read(archive, false), archive->source.fd,
	      POLLIN);
	watch(&polled[PUMP], archive->pump_fd >= 0, archive->pump_fd,
	      archive_may_write(archive) ? POLLOUT : 0);
	watch(&polled[LINES], wants_lines(session), session->lines.fd, POLLIN);
}

static int time_left(const struct session *session)
{
	int64_t left = session->deadline_ms - now_ms();

	if (archive_may_read(&session->archive, true))
		return 0;
	if (session->deadline_ms == 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

static void act(struct session *session, const struct pollfd polled[N_POLLED])
{
	/* Its last words may be in the other pipe. */
	if ((polled[REPORT].revents & POLLERR) && !polled[WORDS].revents &&
	    !polled[FDS].revents)
		become_orphan(session);
	else if (polled[REPORT].revents & POLLOUT)
		flush_up(session);
	if (polled[WORDS].revents)
		read_words(session);
	handle_words(session);
	if (polled[CLIENT].revents && session->client.fd >= 0)
		serve_client(session, polled[CLIENT].revents);
	if (polled[PUMP].revents && session->archive.pump_fd >= 0) {
		if (archive_may_write(&session->archive))
			archive_write(&session->archive);
		else if (polled[PUMP].revents & POLLERR)
			archive_drop(&session->archive);
	}
	if (polled[LINES].revents && wants_lines(session))
		pass_lines_on(session);
	if (session->deadline_ms != 0 && session->deadline_ms <= now_ms())
		on_deadline(session);
	settle_client(session);
	settle_lines(session);
	settle_archive(session);
}

/* What the client's fds can make hang, after everything else was done. */
static void act_on_clients_fds(struct session *session, bool stream_ready)
{
	struct archive *archive = &session->archive;

	if (archive_may_read(archive, true) ||
	    (stream_ready && archive_may_read(archive, false))) {
		archive_read(archive);
		settle_archive(session);
	}
	if (outgoing_left(&session->up) == 0 &&
	    (outgoing_left(&session->client.output) == 0 ||
	     session->client.n_held > SESSION_FDS_MAX))
		client_close_old_fds(&session->client);
}

int session_init(struct session *session)
{
	static const int fds[] = {SESSION_WORDS_FD, SESSION_REPORT_FD, SESSION_FDS_FD};

	*session = (struct session){.words.message_bytes_max = SESSION_WORD_BYTES_MAX};
	client_init(&session->client, -1);
	archive_init(&session->archive);
	lines_init(&session->lines);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		int flags = fcntl(fds[i], F_GETFL);

		if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return -errno;
	}
	return 0;
}

bool session_run(struct session *session)
{
	say(session, json_pack("{s:s, s:i}", "type", "ready", "version",
			       SESSION_PROTOCOL_VERSION));
	while (!is_over(session)) {
		struct pollfd polled[N_POLLED];

		fill_polled(session, polled);
		if (poll(polled, N_POLLED, time_left(session)) < 0) {
			if (errno != EINTR)
				return false;
			continue;
		}
		act(session, polled);
		if (!is_over(session))
			act_on_clients_fds(session, polled[ARCHIVE].revents != 0);
	}
	return !session->over;
}
