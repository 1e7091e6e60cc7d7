#include "server/followers.h"

#include <errno.h>

#include "server/request.h"
#include "server/session.h"

void followers_progress(struct service *service, const struct job *job)
{
	for (size_t i = 0; i < job->n_watchers; i++) {
		struct session *session =
			server_find(&service->server, job->watchers[i]);

		if (session && session_wants_more(session))
			session_reply(
				session,
				json_pack("{s:o}", "progress", manager_progress(job)),
				true);
	}
}

void followers_answer(struct service *service, const struct job *job, json_t *reply)
{
	for (size_t i = 0; i < job->n_watchers; i++) {
		struct session *session =
			server_find(&service->server, job->watchers[i]);
		json_t *seen;

		if (!session)
			continue;
		seen = request_reply_for(service, session, job->settings->app_name,
					 reply);
		if (job->result == RESULT_OK)
			session_reply(session, seen, false);
		else
			session_error(session, result_error_name(job->result), seen);
	}
}

static bool is_there(void *userdata, uint64_t reader)
{
	return server_find_archive(userdata, reader) != NULL;
}

static int pump(void *userdata, uint64_t reader, int pipe_fd)
{
	struct session *session = server_find_archive(userdata, reader);

	return session ? session_archive_pump(session, pipe_fd) : -EPIPE;
}

static void due(void *userdata, uint64_t reader)
{
	struct session *session = server_find_archive(userdata, reader);

	if (session)
		session_archive_due(session);
}

static void give_up(void *userdata, uint64_t reader)
{
	struct session *session = server_find_archive(userdata, reader);

	if (session)
		session_archive_give_up(session);
}

static void drop(void *userdata, uint64_t reader)
{
	struct session *session = server_find_archive(userdata, reader);

	if (session)
		session_archive_drop(session);
}

const struct archive_readers session_archive_readers = {
	.is_there = is_there,
	.pump = pump,
	.due = due,
	.give_up = give_up,
	.drop = drop,
};
