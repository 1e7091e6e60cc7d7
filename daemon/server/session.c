/*
 * deployd's side of a session process. Its words are checked as if a stranger had sent
 * them: anything but a reply to a word of ours, or the next request, ends the session.
 */
#include "server/session.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/journal.h"
#include "deploy/cleanup.h"
#include "deploy/daemon_config.h"
#include "deploy/names.h"
#include "util/session_protocol.h"

/* As io.deployd.varlink names them, which does not tell whether the client has gone.
 */
static const char *const state_names[] = {
	[SESSION_STATE_STARTING] = "idle",    [SESSION_STATE_IDLE] = "idle",
	[SESSION_STATE_HANDED] = "connected", [SESSION_STATE_CONNECTED] = "connected",
	[SESSION_STATE_ALONE] = "connected",  [SESSION_STATE_OVER] = "ended",
};
_Static_assert(sizeof(state_names) / sizeof(*state_names) == SESSION_STATE_COUNT,
	       "a name for each state");

const char *session_state_name(const struct session *session)
{
	return session->hung ? "hung" : state_names[session->state];
}

static const char *text_of(const json_t *word, const char *key)
{
	return json_string_value(json_object_get(word, key));
}

/* --- the process ------------------------------------------------------------------ */

static void release(struct session *session)
{
	session->host->events->forget(session->host->userdata, session);
	if (session->busy)
		varlink_call_deinit(&session->call);
	json_decref(session->waiting);
	peer_deinit(&session->peer);
	free(session);
}

static bool is_over(const struct session *session)
{
	return session->state == SESSION_STATE_OVER && session->ended &&
	       !session->process_open && !session->dispatching && !session->held;
}

/*
 * Later, from the server's own turn: whoever is in the middle of something with this
 * session, or goes through all of them, still needs it.
 */
static void release_if_over(struct session *session)
{
	if (!is_over(session))
		return;
	if (session->host->events->has(session->host->userdata, session))
		session->host->events->changed(session->host->userdata);
	else
		release(session);
}

static void on_process_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	(void)close(session->pidfd);
	session->pidfd = -1;
	session->process_open = false;
	release_if_over(session);
}

static void stop_watching(struct session *session)
{
	if (session->process_open && !uv_is_closing((uv_handle_t *)&session->process))
		uv_close((uv_handle_t *)&session->process, on_process_closed);
}

static void on_process_ended(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	session_process_ended(poll->data);
}

void session_process_started(struct session *session, pid_t pid)
{
	if (session->pid != 0 || session->ended)
		return;
	session->pid = pid;
	/*
	 * Until the spawner has reaped it the number is its own; if it has by now, its
	 * word comes next, and this handle is closed again.
	 */
	session->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (session->pidfd < 0)
		return;
	if (uv_poll_init(session->host->loop, &session->process, session->pidfd) < 0) {
		(void)close(session->pidfd);
		session->pidfd = -1;
		return;
	}
	session->process.data = session;
	session->process_open = true;
	(void)uv_poll_start(&session->process, UV_READABLE, on_process_ended);
}

static void go_over(struct session *session, bool flush);

void session_process_ended(struct session *session)
{
	if (session->ended)
		return;
	session->ended = true;
	stop_watching(session);
	/* With a client: the pipe has its last words, and then ends by itself. */
	if (session->state <= SESSION_STATE_IDLE)
		go_over(session, false);
	release_if_over(session);
}

/* --- the end of the connection ---------------------------------------------------- */

static void tell_gone(struct session *session)
{
	void (*on_gone)(void *userdata) = session->on_gone;

	session->on_gone = NULL;
	session->on_lines_end = NULL;
	if (on_gone)
		on_gone(session->gone_userdata);
}

static void set_archive(struct session *session, enum archive_state state,
			const char *error)
{
	if (session->archive.state == ARCHIVE_STATE_NONE ||
	    session->archive.state >= ARCHIVE_STATE_COMPLETE)
		return;
	session->archive.state = state;
	if (session->archive.result == RESULT_OK)
		session->archive.result = RESULT_FAILED; /* if it fails */
	(void)snprintf(session->archive.error, sizeof(session->archive.error), "%s",
		       error ? error : "");
	session->host->events->archive(session->host->userdata, session);
}

/* A connection that the session has not taken yet goes to the next one. */
static void take_back(struct session *session)
{
	int fd = session->state == SESSION_STATE_HANDED
			 ? channel_take_back(session->channel)
			 : -1;

	if (fd >= 0)
		session->host->events->hand_again(session->host->userdata, fd);
}

/* The last state: from here on nothing is sent or received. */
static void go_over(struct session *session, bool flush)
{
	enum session_state before = session->state;

	if (before == SESSION_STATE_OVER)
		return;
	take_back(session);
	session->state = SESSION_STATE_OVER;
	session->over_ms = uv_now(session->host->loop);
	if (flush)
		channel_close(session->channel);
	else
		channel_abort(session->channel);
	session->channel = NULL;
	if (before == SESSION_STATE_STARTING)
		session->host->events->failed(session->host->userdata);
	if (before == SESSION_STATE_CONNECTED || before == SESSION_STATE_HANDED)
		tell_gone(session);
	set_archive(session, ARCHIVE_STATE_FAILED,
		    session->hung
			    ? "a file or socket that the sender passed does not respond"
			    : "the connection of its sender has ended");
	session->host->events->changed(session->host->userdata);
}

static void end(struct session *session, bool flush)
{
	go_over(session, flush);
	release_if_over(session);
}

static struct journal_context context_of(const struct session *session)
{
	return (struct journal_context){.uid = session->peer.uid,
					.user = session->peer.user,
					.pid = session->peer.pid,
					.owner = session->peer.owner,
					.owner_name = session->peer.owner_name};
}

static void on_channel_closed(void *userdata, const char *why)
{
	struct session *session = userdata;

	if (why) {
		struct journal_context context = context_of(session);

		journal_client(LOG_KIND_SESSION, JOURNAL_EVENT_COUNT, LOG_WARNING,
			       &context, "ending session %d: %s", (int)session->pid,
			       why);
	}
	if (why && session->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, session->pidfd, SIGKILL, NULL, 0);
	end(session, false);
}

static void break_off(struct session *session, const char *why)
{
	on_channel_closed(session, why);
}

static void say_close(struct session *session)
{
	if (session->state == SESSION_STATE_OVER)
		return;
	(void)!channel_send(session->channel, json_pack("{s:s}", "type", "close"));
	go_over(session, true);
}

void session_close(struct session *session)
{
	if (session->state == SESSION_STATE_OVER)
		return;
	say_close(session);
	release_if_over(session);
}

void session_abandon(struct session *session)
{
	say_close(session);
	session->ended = true;
	stop_watching(session);
	release_if_over(session);
}

static void be_hung(struct session *session)
{
	struct journal_context context = context_of(session);

	session->hung = true;
	journal_client(LOG_KIND_SESSION, JOURNAL_SESSION_HUNG, LOG_WARNING, &context,
		       "the session process %d of %s (pid %d) hangs: a file or socket "
		       "that the client passed does not respond; it counts as a "
		       "connection of that user until it exits",
		       (int)session->pid, session->peer.user, (int)session->peer.pid);
	/* Has no effect while it is in an uninterruptible sleep. */
	if (session->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, session->pidfd, SIGKILL, NULL, 0);
	end(session, false);
}

void session_check(struct session *session)
{
	uint64_t now_ms = uv_now(session->host->loop);

	if (session->hung || session->state < SESSION_STATE_HANDED)
		return;
	if (session->state == SESSION_STATE_OVER) {
		if (!session->ended && now_ms - session->over_ms >= SESSION_HUNG_MSEC)
			be_hung(session);
		return;
	}
	if (session->pinged) {
		if (now_ms - session->ping_ms >= SESSION_HUNG_MSEC)
			be_hung(session);
		return;
	}
	if (session->archive.state == ARCHIVE_STATE_AWAITED &&
	    now_ms - session->archive_opened_ms >= SESSION_ARCHIVE_AWAITED_MSEC) {
		set_archive(
			session, ARCHIVE_STATE_FAILED,
			"too little of it arrived within 10min for its job to start");
		return; /* its job has ended, and the session may have, too */
	}
	if (session->archive_due && session->archive.state < ARCHIVE_STATE_COMPLETE &&
	    now_ms - session->archive_due_ms >= SESSION_HUNG_MSEC) {
		set_archive(session, ARCHIVE_STATE_FAILED,
			    "its pipe has ended, and the session does not say that it "
			    "is whole");
		return;
	}
	session->pinged = true;
	session->ping_ms = now_ms;
	if (channel_send(session->channel,
			 json_pack("{s:s, s:I}", "type", "ping", "number",
				   (json_int_t)++session->ping_number)) < 0)
		be_hung(session);
}

void session_settle(struct session *session)
{
	bool failed = session->unsent < 0 && session->state != SESSION_STATE_OVER;

	if (failed && session->unsent == -ENOBUFS)
		be_hung(session);
	else if (failed)
		break_off(session, NULL);
	session->unsent = 0;
	if (session->archive_given_up)
		set_archive(session, ARCHIVE_STATE_FAILED, "its job was ended");
	if (is_over(session))
		release(session);
}

bool session_is_connected(const struct session *session)
{
	return session->state == SESSION_STATE_CONNECTED ||
	       session->state == SESSION_STATE_HANDED;
}

/* --- replies ---------------------------------------------------------------------- */

static void next_request(struct session *session);

/* final: the request is over. */
static void sent(struct session *session, int error, bool final)
{
	/* Not ended here: its jobs would end with it, in the middle of an answer. */
	if (error < 0) {
		session->unsent = error;
		session->host->events->changed(session->host->userdata);
		return;
	}
	if (!final)
		return;
	session->busy = false;
	varlink_call_deinit(&session->call);
	if (!session->dispatching)
		next_request(session);
}

/* The word that carries a reply; takes the reference. NULL without memory. */
static char *encode_reply(const struct session *session, const char *error,
			  json_t *parameters, bool continues)
{
	json_t *word =
		json_pack("{s:s, s:I, s:b, s:s?, s:o}", "type", "reply", "request",
			  (json_int_t)session->request, "continues", continues, "error",
			  error, "parameters", parameters ? parameters : json_object());
	char *text = word ? json_dumps(word, JSON_COMPACT) : NULL;

	json_decref(word);
	return text;
}

/*
 * A client that has gone gets no reply. But its session keeps the client's fds until
 * the request is over, so it must be told.
 */
static bool takes_reply(const struct session *session, bool continues)
{
	return session_is_connected(session) ||
	       (!continues && session->state == SESSION_STATE_ALONE);
}

void session_reply(struct session *session, json_t *parameters, bool continues)
{
	size_t length;
	char *text;

	assert(session->busy);
	if (!takes_reply(session, continues) ||
	    (continues && (!session->call.more || session->call.oneway))) {
		json_decref(parameters);
		return;
	}
	text = encode_reply(session, NULL, parameters, continues);
	length = text ? strlen(text) + 1 : 0;
	/* No client takes a longer one, nor could it tell why. */
	if (length > VARLINK_MESSAGE_BYTES_MAX && !continues) {
		free(text);
		session_refuse(session, RESULT_FAILED,
			       "the answer is longer than a message may be (%u bytes); "
			       "ask for less, --lines says how much",
			       VARLINK_MESSAGE_BYTES_MAX);
		return;
	}
	sent(session,
	     text ? channel_send_text(session->channel, text, length) : -ENOMEM,
	     !continues);
}

void session_error(struct session *session, const char *error, json_t *parameters)
{
	char *text;

	assert(session->busy);
	if (!takes_reply(session, false)) {
		json_decref(parameters);
		return;
	}
	text = encode_reply(session, error, parameters, false);
	sent(session,
	     text ? channel_send_text(session->channel, text, strlen(text) + 1)
		  : -ENOMEM,
	     true);
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
		      json_pack("{s:s}", "message", names_trim_utf8(text)));
}

bool session_wants_more(const struct session *session)
{
	return session->busy && session_is_connected(session) && session->call.more &&
	       !session->call.oneway;
}

void session_on_gone(struct session *session, void (*on_gone)(void *userdata),
		     void *userdata)
{
	session->on_gone = on_gone;
	session->gone_userdata = userdata;
	if (!on_gone)
		session->on_lines_end = NULL;
}

/* --- archives and lines ----------------------------------------------------------- */

int session_archive_open(struct session *session, json_int_t index)
{
	int r;

	if (index < 0 || index >= (json_int_t)session->n_fds)
		return -EINVAL;
	if (session->archive.state != ARCHIVE_STATE_NONE)
		return -EBUSY;
	/* The client hung up while its request was held. */
	if (session->state == SESSION_STATE_OVER)
		return -EPIPE;
	r = channel_send(session->channel,
			 json_pack("{s:s, s:I, s:I}", "type", "archive", "request",
				   (json_int_t)session->request, "index", index));
	if (r == 0) {
		session->archive.state = ARCHIVE_STATE_AWAITED;
		session->archive_opened_ms = uv_now(session->host->loop);
	}
	return r;
}

int session_archive_pump(struct session *session, int pipe_fd)
{
	if (session->state == SESSION_STATE_OVER)
		return -EPIPE;
	return channel_send_fd(session->channel, pipe_fd,
			       json_pack("{s:s}", "type", "pump"));
}

void session_archive_due(struct session *session)
{
	session->archive_due = true;
	session->archive_due_ms = uv_now(session->host->loop);
}

void session_archive_give_up(struct session *session)
{
	session->archive_given_up = true;
	session->host->events->changed(session->host->userdata);
}

void session_archive_drop(struct session *session)
{
	if (session->state == SESSION_STATE_OVER ||
	    session->archive.state == ARCHIVE_STATE_NONE)
		return;
	/* Not NONE: a session has one archive. */
	session->archive.state = ARCHIVE_STATE_FAILED;
	(void)!channel_send(session->channel, json_pack("{s:s}", "type", "drop"));
}

int session_send_lines(struct session *session, int pipe_fd,
		       void (*on_end)(void *userdata), void *userdata)
{
	int r;

	assert(session->busy);
	r = channel_send_fd(session->channel, pipe_fd,
			    json_pack("{s:s, s:I}", "type", "lines", "request",
				      (json_int_t)session->request));
	if (r < 0)
		return r;
	session->on_lines_end = on_end;
	session->lines_userdata = userdata;
	return 0;
}

/* --- words of the session --------------------------------------------------------- */

static void run_method(struct session *session)
{
	session->dispatching = true;
	if (session->turned_away) {
		session_refuse(session, RESULT_BUSY, "%s", session->turned_away);
		session_close(session);
	} else {
		session->host->events->dispatch(session->host->userdata, session);
	}
	session->dispatching = false;
	release_if_over(session);
}

void session_hold(struct session *session)
{
	assert(session->busy && !session->held);
	session->held = true;
}

void session_dispatch_again(struct session *session)
{
	assert(session->busy && session->held && !session->dispatching);
	session->held = false;
	session->decision_written = true;
	run_method(session);
}

void session_give_up(struct session *session)
{
	session->held = false;
	release_if_over(session);
}

static void dispatch(struct session *session, json_t *call)
{
	if (varlink_call_init(&session->call, call) < 0) {
		break_off(session, "it sent something that is not a Varlink call");
		return;
	}
	session->busy = true;
	session->decision_written = false;
	run_method(session);
}

/* A request waits for its user's name, or until the last reply has been sent. */
static void next_request(struct session *session)
{
	if (session->waiting && session->named && !session->busy &&
	    session->state == SESSION_STATE_CONNECTED) {
		json_t *call = session->waiting;

		session->waiting = NULL;
		dispatch(session, call);
	}
}

static void on_request(struct session *session, const json_t *word)
{
	json_t *call = json_object_get(word, "call");
	json_int_t fds = json_integer_value(json_object_get(word, "fds"));
	json_int_t number = json_integer_value(json_object_get(word, "request"));

	if (session->state != SESSION_STATE_CONNECTED || session->refusing ||
	    session->busy || session->waiting || !json_is_object(call) ||
	    number != (json_int_t)session->request + 1 || fds < 0 ||
	    fds > SESSION_FDS_MAX) {
		break_off(session, "it sent a request out of turn");
		return;
	}
	session->request++;
	session->n_fds = (unsigned int)fds;
	session->waiting = json_incref(call);
	next_request(session);
}

static void on_archive_word(struct session *session, const json_t *word)
{
	const char *state = text_of(word, "state"), *message = text_of(word, "message");
	const char *result = text_of(word, "result");
	json_int_t bytes = json_integer_value(json_object_get(word, "bytes"));
	json_int_t total = json_integer_value(json_object_get(word, "total"));
	char escaped[160];

	if (session->archive.state == ARCHIVE_STATE_NONE || !state || bytes < 0 ||
	    total < 0) {
		break_off(session, "it reported on an archive that nobody asked for");
		return;
	}
	session->archive.bytes = (uint64_t)bytes;
	session->archive.total = (uint64_t)total;
	session->archive.result = result && strcmp(result, "rejected") == 0
					  ? RESULT_REJECTED
					  : RESULT_FAILED;
	if (strcmp(state, "flows") == 0)
		set_archive(session, ARCHIVE_STATE_FLOWS, NULL);
	else if (strcmp(state, "complete") == 0)
		set_archive(session, ARCHIVE_STATE_COMPLETE, NULL);
	else
		set_archive(session, ARCHIVE_STATE_FAILED,
			    names_escape(message ? message : "cannot be read", escaped,
					 sizeof(escaped)));
}

static void on_trouble(const struct session *session, const json_t *word)
{
	static const struct {
		const char *what, *words;
	} troubles[] = {
		{SESSION_TROUBLE_TIMEOUT, "no complete request arrived in time"},
		{SESSION_TROUBLE_MALFORMED, "not a Varlink call"},
		{SESSION_TROUBLE_TOO_LARGE, "request too large or too many fds"},
		{SESSION_TROUBLE_STALLED, "it does not read its replies"},
	};
	const char *what = text_of(word, "what");
	struct journal_context context = context_of(session);

	for (size_t i = 0; what && i < sizeof(troubles) / sizeof(*troubles); i++)
		if (strcmp(troubles[i].what, what) == 0)
			journal_client(LOG_KIND_CLOSED, JOURNAL_EVENT_COUNT, LOG_INFO,
				       &context,
				       "closing the connection of %s (pid %d): %s",
				       session->peer.user, (int)session->peer.pid,
				       troubles[i].words);
}

static void on_client_gone(struct session *session)
{
	if (session->state != SESSION_STATE_CONNECTED)
		return;
	/* Running jobs go on; only the reply is lost. */
	session->state = SESSION_STATE_ALONE;
	tell_gone(session);
}

static void on_lines_end(struct session *session)
{
	void (*on_end)(void *userdata) = session->on_lines_end;

	session->on_lines_end = NULL;
	if (on_end)
		on_end(session->lines_userdata);
}

static void on_ready(struct session *session, const json_t *word)
{
	json_int_t version = json_integer_value(json_object_get(word, "version"));

	if (session->state != SESSION_STATE_STARTING) {
		break_off(session, "it reported twice that it is ready");
		return;
	}
	/* Each is started from its file: a later one than ours came with an upgrade. */
	if (version > SESSION_PROTOCOL_VERSION) {
		break_off(session, "it is from a newer version than the deployd that "
				   "runs; run `systemctl restart deployd`");
		return;
	}
	if (version != SESSION_PROTOCOL_VERSION) {
		break_off(session, "it is from an older version than deployd; install "
				   "deployd again, then run `systemctl restart "
				   "deployd-sessions.service`");
		return;
	}
	session->state = SESSION_STATE_IDLE;
	session->host->events->ready(session->host->userdata);
	session->host->events->changed(session->host->userdata);
}

static void on_word(void *userdata, const json_t *word)
{
	struct session *session = userdata;
	const char *type = text_of(word, "type");

	if (!type)
		break_off(session, "it sent a message without a type");
	else if (strcmp(type, "ready") == 0)
		on_ready(session, word);
	else if (strcmp(type, "request") == 0)
		on_request(session, word);
	else if (strcmp(type, "archive") == 0)
		on_archive_word(session, word);
	else if (strcmp(type, "pong") == 0 && session->pinged &&
		 json_integer_value(json_object_get(word, "number")) ==
			 (json_int_t)session->ping_number)
		session->pinged = false;
	else if (strcmp(type, "taken") == 0 && session->state == SESSION_STATE_HANDED) {
		channel_taken(session->channel);
		session->state = SESSION_STATE_CONNECTED;
	} else if (strcmp(type, "lines-end") == 0)
		on_lines_end(session);
	else if (strcmp(type, "gone") == 0)
		on_client_gone(session);
	else if (strcmp(type, "trouble") == 0)
		on_trouble(session, word);
	else
		break_off(session, "it sent an unexpected message");
}

/* --- the start -------------------------------------------------------------------- */

struct session *session_new(const struct session_host *host, uint64_t id)
{
	static const struct channel_events events = {.on_word = on_word,
						     .on_closed = on_channel_closed};
	struct session *session = calloc(1, sizeof(*session));
	struct channel_ends ends;
	int r;

	if (!session)
		return NULL;
	session->host = host;
	session->id = id;
	session->pidfd = -1;
	session->peer.uid = (uid_t)-1;
	session->since_sec = (int64_t)time(NULL);
	r = channel_new(host->loop, &events, session, &session->channel, &ends);
	if (r < 0) {
		free(session);
		return NULL;
	}
	r = spawner_request(host->spawner, id, &ends);
	/* Now only the session has its ends, except as channel.h says. */
	channel_ends_close(&ends);
	if (r < 0) {
		channel_abort(session->channel);
		free(session);
		return NULL;
	}
	return session;
}

static json_t *refusal_word(const char *text)
{
	return text ? json_pack("{s:s, s:{s:s}}", "error",
				result_error_name(RESULT_BUSY), "parameters", "message",
				text)
		    : json_null();
}

int session_hand(struct session *session, int *fd, const struct peer *peer,
		 const char *refusal)
{
	uint64_t timeout_sec = session->host->config->set->daemon->request_timeout_sec;
	int r;

	assert(session->state == SESSION_STATE_IDLE);
	r = channel_hand_over(session->channel, fd,
			      json_pack("{s:s, s:I, s:o}", "type", "connection",
					"requestTimeoutMs",
					(json_int_t)timeout_sec * 1000, "refuse",
					refusal_word(refusal)));
	if (r < 0) {
		end(session, false);
		return r;
	}
	session->peer = *peer;
	session->refusing = refusal != NULL;
	session->state = SESSION_STATE_HANDED;
	session->since_sec = (int64_t)time(NULL);
	return 0;
}

void session_start(struct session *session)
{
	session->named = true;
	next_request(session);
}
