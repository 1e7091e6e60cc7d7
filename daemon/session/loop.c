/*
 * The session's one loop. Each turn first does everything that cannot hang. Last, when
 * deployd has been told everything, it does what the client's fds can make hang.
 */
#include <errno.h>
#include <poll.h>

#include "session/session.h"
#include "session/words.h"
#include "util/session_protocol.h"

/* No word is read while this much of the session's own words is unread. */
#define UP_BYTES_MAX (SESSION_WORD_BYTES_MAX + 65536)

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

static short client_events(const struct session *session)
{
	short events = 0;

	if (client_wants_input(&session->client))
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
	watch(&polled[LINES], session_wants_lines(session), session->lines.fd, POLLIN);
}

static int time_left(const struct session *session)
{
	int64_t left = session->deadline_ms - session_now_ms();

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
		session_become_orphan(session);
	else if (polled[REPORT].revents & POLLOUT)
		session_flush_up(session);
	if (polled[WORDS].revents)
		words_read(session);
	words_handle(session);
	if (polled[CLIENT].revents && session->client.fd >= 0)
		session_serve_client(session, polled[CLIENT].revents);
	if (polled[PUMP].revents && session->archive.pump_fd >= 0) {
		if (archive_may_write(&session->archive))
			archive_write(&session->archive);
		else if (polled[PUMP].revents & POLLERR)
			archive_drop(&session->archive);
	}
	if (polled[LINES].revents && session_wants_lines(session))
		session_pass_lines_on(session);
	session_settle_client(session);
	/* After reading: a request that came in time is not late because we are. */
	if (session->deadline_ms != 0 && session->deadline_ms <= session_now_ms())
		session_deadline_passed(session);
	session_settle_lines(session);
	session_settle_archive(session);
}

/* Everything that the client's fds can make hang, after all else is done. */
static void act_on_clients_fds(struct session *session, bool stream_ready)
{
	struct archive *archive = &session->archive;

	if (archive_may_read(archive, true) ||
	    (stream_ready && archive_may_read(archive, false))) {
		archive_read(archive);
		session_settle_archive(session);
	}
	if (outgoing_left(&session->up) == 0 &&
	    (outgoing_left(&session->client.output) == 0 ||
	     session->client.n_held > SESSION_FDS_MAX))
		client_close_old_fds(&session->client);
}

bool session_run(struct session *session)
{
	session_say(session, json_pack("{s:s, s:i}", "type", "ready", "version",
				       SESSION_PROTOCOL_VERSION));
	while (!session_is_over(session)) {
		struct pollfd polled[N_POLLED];

		fill_polled(session, polled);
		if (poll(polled, N_POLLED, time_left(session)) < 0) {
			if (errno != EINTR)
				return false;
			continue;
		}
		act(session, polled);
		if (!session_is_over(session))
			act_on_clients_fds(session, polled[ARCHIVE].revents != 0);
	}
	return !session->over;
}
