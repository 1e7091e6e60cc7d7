/*
 * deployd's words to the session. They may come in any order and at any time. A late
 * word is ignored; an invalid one ends the session.
 */
#include "session/words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/fdio.h"
#include "util/session_protocol.h"

#define WORDS_READ_BYTES 65536

static bool get_number(const json_t *word, const char *key, uint64_t *ret_number)
{
	const json_t *value = json_object_get(word, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret_number = (uint64_t)json_integer_value(value);
	return true;
}

/* True when the word is about the request under way. Any other is late, and ignored. */
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
	session_say(session, json_pack("{s:s}", "type", "taken"));
	session_expect_progress(session, session->timeout_ms);
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
	/* Not closed here, where what waits in it unread could make that hang. */
	session->client.ending = session->refused = true;
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
		session_reply(session, json_string_value(error),
			      json_is_object(parameters) ? json_incref(parameters)
							 : NULL,
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
	session->archive_decided = true;
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
	session->archive_decided = true;
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
	session_say(session, json_pack("{s:s, s:O}", "type", "pong", "number", number));
	return true;
}

static bool on_close(struct session *session, const json_t *word, int fd)
{
	(void)word;
	(void)fd;
	session->connected = true; /* or will never be */
	session->archive_decided = true;
	lines_close(&session->lines);
	if (session->client.fd >= 0)
		session_end_client(session, session->timeout_ms);
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

/* The one fd of a word: 1; 0 when it has not arrived, -errno when it never will. */
static int receive_fd(int *ret_fd)
{
	char byte;
	size_t n_fds;
	ssize_t n = fd_receive(SESSION_FDS_FD, &byte, 1, ret_fd, 1, &n_fds);

	if (n == -EAGAIN)
		return 0;
	if (n == -EBADMSG || (n > 0 && n_fds != 1))
		return -EBADMSG;
	return n > 0 ? 1 : -EPIPE;
}

static void broken(struct session *session, const char *why)
{
	(void)fprintf(stderr,
		      "deployd-session: %s; if deployd was upgraded but not restarted, "
		      "run `systemctl restart deployd`\n",
		      why);
	session->over = true;
}

/* Handles the waiting word, if its fd has arrived. */
static void handle_waiting(struct session *session)
{
	const struct word *word = find_word(session->waiting);
	json_t *object = session->waiting;
	int fd = -1, r;

	if (!word) {
		broken(session, "deployd sent a message of an unknown type");
		return;
	}
	r = word->has_fd ? receive_fd(&fd) : 1;
	if (r == 0)
		return;
	session->waiting = NULL;
	if (r == -EPIPE)
		session_become_orphan(session);
	else if (r < 0)
		broken(session, "deployd sent a message without its file descriptor");
	else if (!word->handle(session, object, fd))
		broken(session, "deployd sent an invalid message");
	json_decref(object);
}

void words_handle(struct session *session)
{
	while (!session->orphan && !session_is_over(session)) {
		int r = 1;

		if (!session->waiting)
			r = varlink_buffer_take(&session->words, &session->waiting);
		if (r < 0)
			broken(session, "deployd sent something that is not a message");
		if (r <= 0)
			return;
		handle_waiting(session);
		if (session->waiting)
			return;
	}
}

void words_read(struct session *session)
{
	static char data[WORDS_READ_BYTES];
	ssize_t n = read(SESSION_WORDS_FD, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		session_become_orphan(session);
	else if (varlink_buffer_add(&session->words, data, (size_t)n) < 0)
		broken(session, "deployd sent a message that is too long");
}
