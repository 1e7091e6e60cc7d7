#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/result.h"
#include "util/session_protocol.h"

/* For a client to read its last reply when deployd has gone. */
#define ORPHAN_MSEC 5000

/* How many request timeouts deployd has to ask for the archive of a client that hung
 * up: it may have to look up a user first. */
#define GONE_TIMEOUTS_MAX 6

int64_t session_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void session_expect_progress(struct session *session, uint64_t within_ms)
{
	session->deadline_ms = session_now_ms() + (int64_t)within_ms;
}

/* --- up ------------------------------------------------------------------------- */

void session_flush_up(struct session *session)
{
	while (outgoing_left(&session->up) > 0) {
		ssize_t n = write(SESSION_REPORT_FD, outgoing_data(&session->up),
				  outgoing_left(&session->up));

		if (n >= 0)
			outgoing_advance(&session->up, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			/* deployd has gone; read its last words first. */
			outgoing_deinit(&session->up);
	}
}

/* Takes the reference on word; NULL means that there was no memory. */
void session_say(struct session *session, json_t *word)
{
	if (session->orphan)
		json_decref(word);
	else if (outgoing_add_json(&session->up, word) < 0)
		session->over = true; /* out of memory: deployd sees the pipe end */
	else
		session_flush_up(session);
}

void session_hang_up(struct session *session)
{
	lines_close(&session->lines);
	session->deadline_ms = 0;
	client_hang_up(&session->client);
}

/* May deployd still want one of the fds of a request whose client has gone? */
static bool may_be_asked_for_archive(const struct session *session)
{
	return session->client.busy && !session->archive_decided &&
	       client_count_fds(&session->client) > 0;
}

static void client_has_gone(struct session *session)
{
	session_say(session, json_pack("{s:s}", "type", "gone"));
	session_hang_up(session);
	if (may_be_asked_for_archive(session))
		session_expect_progress(session,
					GONE_TIMEOUTS_MAX * session->timeout_ms);
}

static void trouble(struct session *session, const char *what)
{
	session_say(session, json_pack("{s:s, s:s}", "type", "trouble", "what", what));
}

/* Sends the buffered output, and then closes the connection. */
void session_end_client(struct session *session, uint64_t within_ms)
{
	session->client.ending = true;
	session_expect_progress(session, within_ms);
}

/* --- the client ----------------------------------------------------------------- */

static void refuse_input(struct session *session, int error)
{
	trouble(session, error == -EMSGSIZE ? SESSION_TROUBLE_TOO_LARGE
					    : SESSION_TROUBLE_MALFORMED);
	session_end_client(session, session->timeout_ms);
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
	session->archive_decided = false;
	/* Numbers can be longer than the client wrote them. */
	if (!text || strlen(text) >= SESSION_WORD_BYTES_MAX) {
		session->client.busy = false;
		refuse_input(session, -EMSGSIZE);
	} else if (outgoing_add(&session->up, text, strlen(text) + 1) < 0) {
		session->over = true;
	} else {
		session_flush_up(session);
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

/* A client that ended its writing (socat does) is done when all is answered and sent.
 */
static bool is_served(const struct client *client)
{
	return outgoing_left(&client->output) == 0 &&
	       (client->ending ||
		(client->input_ended && !client->busy && !client->more_input));
}

void session_serve_client(struct session *session, short events)
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
	if (r == 0 && (events & (POLLIN | POLLHUP | POLLERR)) &&
	    client_wants_input(client))
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
		session_expect_progress(session, session->orphan ? ORPHAN_MSEC
								 : session->timeout_ms);
}

void session_settle_client(struct session *session)
{
	struct client *client = &session->client;

	if (client->fd < 0 || session->refused)
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
			session_hang_up(session);
	}
}

void session_deadline_passed(struct session *session)
{
	bool unread = outgoing_left(&session->client.output) > 0;

	session->deadline_ms = 0;
	if (session->client.fd < 0) {
		session->archive_decided = true;
		return;
	}
	if (!session->orphan)
		trouble(session,
			unread ? SESSION_TROUBLE_STALLED : SESSION_TROUBLE_TIMEOUT);
	session_hang_up(session);
}

/* The request under way has had its last reply. */
static void request_is_over(struct session *session)
{
	lines_close(&session->lines);
	if (session->client.fd >= 0 && !session->client.ending)
		session_expect_progress(session, session->timeout_ms);
}

void session_reply(struct session *session, const char *error, json_t *parameters,
		   bool continues)
{
	if (client_reply(&session->client, error, parameters, continues) < 0)
		session->over = true;
	else if (!continues)
		request_is_over(session);
}

/*
 * deployd has gone: tells the client what to do next, and drops the archive.
 * Not reached for a session that never had a client: it just ends.
 */
void session_become_orphan(struct session *session)
{
	if (session->orphan)
		return;
	session->orphan = true;
	outgoing_deinit(&session->up);
	archive_drop(&session->archive);
	if (session->client.fd < 0)
		return;
	if (session->client.busy)
		session_reply(session, result_error_name(RESULT_FAILED),
			      json_pack("{s:s}", "message",
					"deployd was restarted; see `deployctl jobs`"),
			      false);
	lines_close(&session->lines);
	session_end_client(session, ORPHAN_MSEC);
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

void session_settle_archive(struct session *session)
{
	struct archive *archive = &session->archive;

	if (archive->told < archive->state && archive->state >= ARCHIVE_FLOWS) {
		archive->told = archive->state;
		session_say(session, archive_word(archive));
	}
	if (outgoing_left(&session->up) == 0)
		archive_settle(archive);
}

/* Lines are read once the client has read the previous ones: it sets the pace. */
bool session_wants_lines(const struct session *session)
{
	return session->lines.fd >= 0 && !session->lines.ended &&
	       outgoing_left(&session->client.output) == 0;
}

void session_pass_lines_on(struct session *session)
{
	json_t *array = lines_read(&session->lines);

	if (!array)
		return;
	if (json_array_size(array) == 0)
		json_decref(array);
	else if (client_reply_lines(&session->client, array) < 0)
		session->over = true;
}

void session_settle_lines(struct session *session)
{
	if (!session->lines.ended || outgoing_left(&session->client.output) > 0)
		return;
	session_say(session, json_pack("{s:s, s:I}", "type", "lines-end", "request",
				       (json_int_t)session->lines.request));
	lines_close(&session->lines);
}

/* --- beginning and end ------------------------------------------------------------ */

bool session_is_over(const struct session *session)
{
	if (session->over)
		return true;
	/* The end of the process closes it, and waits for nothing (SO_LINGER). */
	if (session->refused)
		return outgoing_left(&session->up) == 0;
	if (session->orphan)
		return session->client.fd < 0;
	return session->connected && session->client.fd < 0 &&
	       outgoing_left(&session->up) == 0 &&
	       !archive_is_wanted(&session->archive) &&
	       !may_be_asked_for_archive(session);
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
