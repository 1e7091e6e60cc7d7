/*
 * The methods that start a job, and all who hear of it: each of them once, to the end,
 * whoever hangs up meanwhile.
 */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/followers.h"
#include "server/session.h"
#include "util/session_protocol.h"

#define CALL(member, parameters)                                                       \
	"{\"method\":\"io.deployd." member "\",\"parameters\":" parameters "}"
#define CALL_MORE(member, parameters)                                                  \
	"{\"method\":\"io.deployd." member                                             \
	"\",\"more\":true,\"parameters\":" parameters "}"
#define HELLO  "{\"app\":\"hello\"}"
#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void ask_attach(struct process *process, const char *id, bool more)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "{\"method\":\"io.deployd.Attach\",\"more\":%s,"
		       "\"parameters\":{\"job\":\"%s\"}}",
		       more ? "true" : "false", id);
	room_ask(process, text);
}

static void expect_outcome(struct process *process)
{
	json_t *parameters = room_expect_ok(process);

	assert_non_null(json_object_get(parameters, "outcome"));
	json_decref(parameters);
}

static void expect_progress_and_outcome(struct process *process)
{
	bool last = false;

	while (!last) {
		json_t *reply = room_reply(process);

		last = json_is_false(json_object_get(reply, "continues"));
		assert_non_null(json_object_get(json_object_get(reply, "parameters"),
						last ? "outcome" : "progress"));
		json_decref(reply);
	}
}

static void expect_word(struct process *process, const char *type)
{
	json_decref(room_expect(process, type));
}

/* --- who waits, and who does not ----------------------------------------------------
 */

static void a_job_is_reported_once(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, CALL("Restart", HELLO));
	room_expect_silence(process); /* nothing that continues without "more" */
	while (room_running("hello"))
		room_step("hello", true);
	expect_outcome(process);
	room_expect_silence(process);
	assert_int_equal(room.n_ended, 1);
	/* The session is free for the next. */
	room_ask(process, CALL("Stop", HELLO));
	room_let_read(process);
	room_step("hello", false);
	room_step("hello", true);
	room_expect_error(process, "io.deployd.Failed", "the test said no");
	room_expect_silence(process);
	assert_int_equal(room.n_ended, 2);
	room_end(process);
}

static void more_is_progress_until_the_outcome(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, CALL_MORE("Restart", HELLO));
	room_expect_progress(process, "queued");
	room_expect_progress(process, "restarting");
	room_step("hello", true);
	room_expect_progress(process, "checking");
	room_step("hello", true);
	room_expect_progress(process, "finishing");
	room_step("hello", true);
	room_expect_progress(process, "done");
	expect_outcome(process);
	room_expect_silence(process);
	room_end(process);
}

static void who_does_not_wait_hears_the_id(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	json_t *parameters;
	const char *id;

	(void)state;
	room_ask(process, CALL_MORE("Reload", "{\"app\":\"hello\",\"wait\":false}"));
	parameters = room_expect_ok(process);
	id = json_string_value(
		json_object_get(json_object_get(parameters, "progress"), "job"));
	assert_non_null(manager_find(&room.manager, id));
	room_finish_all(true);
	room_expect_silence(process); /* and nothing else, ever */
	ask_attach(process, id, true);
	expect_outcome(process);
	json_decref(parameters);
	room_end(process);
}

/* deployd-session swallows it; deployd must not take it for a call of many replies. */
static void oneway_gets_the_last_reply_only(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, "{\"method\":\"io.deployd.Restart\",\"oneway\":true,"
			  "\"parameters\":" HELLO "}");
	room_expect_silence(process);
	assert_false(session_wants_more(room_session(process)));
	room_finish_all(true);
	expect_outcome(process);
	/* With "more" it is no call at all. */
	room_ask(process, "{\"method\":\"io.deployd.Restart\",\"oneway\":true,"
			  "\"more\":true,\"parameters\":" HELLO "}");
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	assert_true(room_journal_has("not a Varlink call"));
	assert_null(room.manager.jobs);
	room_end(process);
}

static void several_watchers_hear_all_of_it(void **state)
{
	struct process *first = room_connect(ROOM_ALICE), *second, *third, *quiet;
	const char *id;

	(void)state;
	room_ask(first, CALL_MORE("Restart", HELLO));
	room_expect_progress(first, "queued");
	room_expect_progress(first, "restarting");
	id = room_running("hello")->id;
	second = room_connect(ROOM_BOB);
	third = room_connect(ROOM_ERIN);
	quiet = room_connect(ROOM_BOB);
	ask_attach(second, id, true);
	room_expect_progress(second, "restarting");
	room_expect_progress(first, "restarting");
	ask_attach(third, id, true);
	room_expect_progress(third, "restarting");
	ask_attach(quiet, id, false);
	room_expect_silence(quiet);
	room_end(third); /* hangs up in the middle */
	room_finish_all(true);
	expect_progress_and_outcome(second);
	expect_outcome(quiet);
	room_expect_silence(second);
	room_expect_silence(quiet);
	room_end(first);
	room_end(second);
	room_end(quiet);
}

/* The output of what failed is for those who may read it. */
static void each_watcher_sees_what_it_may(void **state)
{
	struct process *alice = room_connect(ROOM_ALICE), *bob = room_connect(ROOM_BOB);
	char id[JOB_ID_SIZE];
	struct job *job;
	json_t *reply;

	(void)state;
	room_ask(alice, CALL("Restart", HELLO));
	room_let_read(alice);
	job = room_running("hello");
	(void)strcpy(id, job->id);
	ask_attach(bob, id, false);
	room_let_read(bob);
	job->unit_log_text = strdup("secret line\n");
	job->check_output = strdup("secret check");
	room_finish_all(false);
	room_expect_error(alice, "io.deployd.Failed", "secret line");
	for (int i = 0; i < 2; i++) {
		char *text;

		reply = room_reply(bob);
		text = json_dumps(reply, 0);
		assert_non_null(strstr(text, "the test said no"));
		assert_null(strstr(text, "secret"));
		free(text);
		json_decref(reply);
		if (i == 0) /* the same of what has ended */
			ask_attach(bob, id, true);
	}
	ask_attach(alice, id, false);
	room_expect_error(alice, "io.deployd.Failed", "secret check");
	room_end(alice);
	room_end(bob);
}

static void who_may_not_see_the_app_hears_of_no_job(void **state)
{
	struct process *alice = room_connect(ROOM_ALICE),
		       *carol = room_connect(ROOM_CAROL);
	char id[JOB_ID_SIZE];

	(void)state;
	ask_attach(alice, "0123456789abcdef", false);
	room_expect_error(alice, "io.deployd.NotFound", "no job 0123456789abcdef");
	room_ask(alice, CALL("Restart", HELLO));
	room_let_read(alice);
	(void)strcpy(id, room_running("hello")->id);
	ask_attach(carol, id, false);
	room_expect_error(carol, "io.deployd.NotFound", "no job");
	room_finish_all(true);
	expect_outcome(alice);
	ask_attach(carol, id, false);
	room_expect_error(carol, "io.deployd.NotFound", "no job");
	room_end(alice);
	room_end(carol);
}

static void a_job_has_a_bounded_number_of_watchers(void **state)
{
	struct process *watchers[JOB_WATCHERS_MAX + 1], *late;
	const char *id;

	(void)state;
	room.config.set->daemon->connections_per_user_max = 40;
	for (int i = 0; i <= JOB_WATCHERS_MAX; i++) {
		watchers[i] = room_connect(ROOM_ALICE);
		if (i == 0)
			room_ask(watchers[i], CALL("Restart", HELLO));
		else
			ask_attach(watchers[i], room_running("hello")->id, false);
		room_let_read(watchers[i]);
	}
	room_expect_error(watchers[JOB_WATCHERS_MAX], "io.deployd.Busy",
			  "too many clients follow this job");
	/* The place of one that has gone is free. */
	room_end(watchers[1]);
	id = room_running("hello")->id;
	late = room_connect(ROOM_ALICE);
	ask_attach(late, id, false);
	room_let_read(late);
	room_finish_all(true);
	expect_outcome(late);
	for (int i = 0; i < JOB_WATCHERS_MAX; i++)
		if (i != 1)
			expect_outcome(watchers[i]);
}

static void two_who_want_the_same_hear_of_the_same_job(void **state)
{
	struct process *first = room_connect(ROOM_ALICE),
		       *second = room_connect(ROOM_ERIN),
		       *third = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(first, CALL("Stop", HELLO)); /* runs, so that the others wait */
	room_let_read(first);
	room_ask(second, CALL_MORE("Restart", HELLO));
	room_expect_progress(second, "queued");
	room_ask(third, CALL("Restart", HELLO));
	room_let_read(third);
	assert_non_null(room.manager.jobs->next);
	assert_null(room.manager.jobs->next->next);
	room_finish_all(true);
	expect_outcome(first);
	expect_outcome(third);
	assert_int_equal(room.n_ended, 2);
	room_end(first);
	room_end(second);
	room_end(third);
}

/* --- clients that hang up ------------------------------------------------------------
 */

static void a_client_that_hangs_up_loses_its_reply_not_its_job(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, CALL_MORE("Restart", HELLO));
	room_expect_progress(process, "queued");
	room_expect_progress(process, "restarting");
	room_say(process, "{\"type\":\"gone\"}");
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_ALONE);
	room_step("hello", true);
	room_expect_silence(process);
	room_end(process);
	assert_non_null(room_running("hello"));
	room_finish_all(true);
	assert_int_equal(room.n_ended, 1);
	assert_int_equal(room.manager.finished[0].result, RESULT_OK);
}

/* At every turn of a job its client's process may die; nothing of it is used then. */
static void a_session_may_end_at_every_step(void **state)
{
	(void)state;
	for (int at = 0; at < 4; at++) {
		for (int how = 0; how < 3; how++) {
			struct process *process = room_connect(ROOM_ALICE);
			unsigned int n_ended = room.n_ended;

			room_ask(process, CALL_MORE("Restart", HELLO));
			room_let_read(process);
			for (int i = 0; i < at; i++)
				room_step("hello", true);
			if (how == 0) {
				room_end(process); /* it is freed before the job ends */
				room_finish_all(true);
			} else if (how == 1) {
				/* the job ends in the turn in which the pipe does */
				room_close_ends(process);
				room_say_ended(process);
				room_finish_all(true);
			} else {
				/* the process is still there when the job ends */
				room_close_ends(process);
				room_let_read(&room.processes[room.n_processes - 1]);
				room_finish_all(true);
				room_settle();
				assert_non_null(room_session(process));
				room_say_ended(process);
			}
			ROOM_UNTIL(!room_session(process));
			assert_int_equal(room.n_ended, n_ended + 1);
		}
	}
}

/* It neither reads nor goes: what is unread has a bound, and then it is ended. */
static void a_session_that_never_reads_is_ended_and_its_job_is_not(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	struct session *session = room_session(process);

	(void)state;
	room_embody(process);
	room_ask(process, CALL_MORE("Restart", HELLO));
	room_let_read(process);
	for (int i = 0; session->unsent == 0; i++) {
		assert_true(i < 100000);
		job_tell(room_running("hello"));
	}
	/* Not in the middle of what the job tells. */
	assert_int_equal(session->state, SESSION_STATE_CONNECTED);
	ROOM_UNTIL(!room_session(process)); /* its pidfd says that it has ended */
	assert_true(room_was_killed(process));
	assert_true(room_journal_has("hangs: a file or socket"));
	assert_non_null(room_running("hello"));
	room_end(process);
	room_finish_all(true);
	assert_int_equal(room.n_ended, 1);
}

/* Its end is known, but not that of its pipe, when a reply cannot be sent any more. */
static void a_session_that_is_over_in_a_settlement_is_freed_after_it(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	struct session *session = room_session(process);

	(void)state;
	room_ask(process, CALL_MORE("Restart", HELLO));
	room_let_read(process);
	room_say_ended(process);
	ROOM_UNTIL(session->ended);
	assert_int_equal(session->state, SESSION_STATE_CONNECTED);
	for (int i = 0; session->unsent == 0; i++) {
		assert_true(i < 100000);
		job_tell(room_running("hello"));
	}
	ROOM_UNTIL(!room_session(process));
	room_finish_all(true);
	assert_int_equal(room.n_ended, 1);
}

/* --- decisions that wait
 * -------------------------------------------------------------- */

/* journald is not there, and the audit file takes its time. */
static struct process *with_parked_decision(void)
{
	struct process *process = room_connect(ROOM_ALICE);

	room_settle();
	room_stop_journald();
	room_ask(process, CALL("Restart", HELLO));
	ROOM_UNTIL(room.audit);
	assert_true(room_session(process)->held);
	assert_null(room.manager.jobs);
	return process;
}

static void audit_ends(enum deploy_result result)
{
	struct store_call *call = room.audit;
	struct errinfo error = {.result = result, .what = "no space left"};

	assert_non_null(call);
	room.audit = NULL;
	call->done(call, result, NULL, &error);
}

static void a_change_waits_for_its_decision(void **state)
{
	struct process *process = with_parked_decision();

	(void)state;
	room_expect_silence(process);
	audit_ends(RESULT_OK);
	ROOM_UNTIL(room_running("hello"));
	room_finish_all(true);
	expect_outcome(process);
	room_expect_silence(process);
	assert_int_equal(room.n_audits, 1); /* once for both calls of the method */
	room_end(process);
}

static void a_change_whose_decision_is_lost_is_not_made(void **state)
{
	struct process *process = with_parked_decision();

	(void)state;
	audit_ends(RESULT_NO_SPACE);
	room_expect_error(process, "io.deployd.Failed", "nothing was done: ");
	assert_null(room.manager.jobs);
	/* Its session goes on. */
	room_ask(process, CALL("Jobs", "{}"));
	json_decref(room_expect_ok(process));
	room_end(process);
}

/* The session is kept for the decision, and freed after it, whichever comes first. */
static void a_client_may_hang_up_while_its_decision_waits(void **state)
{
	static const enum deploy_result results[] = {RESULT_OK, RESULT_FAILED};

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (int when = 0; when < 3; when++) {
			struct process *process = with_parked_decision();
			struct session *session = room_session(process);

			if (when == 0) { /* all of it before the answer */
				room_close_ends(process);
				room_say_ended(process);
				ROOM_UNTIL(session->ended &&
					   session->state == SESSION_STATE_OVER);
				room_settle();
				assert_ptr_equal(room_session(process), session);
			} else if (when == 1) { /* only the client */
				room_say(process, "{\"type\":\"gone\"}");
				ROOM_UNTIL(session->state == SESSION_STATE_ALONE);
			}
			audit_ends(results[i]);
			if (when == 2) { /* in the same turn */
				room_close_ends(process);
				room_say_ended(process);
			}
			room_settle();
			/* The change is made even so: it was allowed. */
			assert_int_equal(room.manager.jobs != NULL, i == 0);
			room_finish_all(true);
			if (when == 1)
				room_end(process);
			ROOM_UNTIL(!room_session(process));
			room_start_journald();
			room_settle();
		}
	}
}

static void deployd_may_stop_while_decisions_wait(void **state)
{
	(void)state;
	(void)with_parked_decision();
	/* The rest is the teardown's: the session is held, and the call is under way.
	 */
	room.service.stopping = true;
	room_settle();
	assert_non_null(room.audit);
}

/* --- archives
 * -------------------------------------------------------------------------- */

#define DEPLOY(more, rest)                                                             \
	"{\"method\":\"io.deployd.Deploy\",\"more\":" more                             \
	",\"parameters\":{\"app\":\"hello\",\"archiveFileDescriptor\":" rest "}}"

static void say_archive(struct process *process, const char *state, int bytes)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "{\"type\":\"archive\",\"state\":\"%s\",\"bytes\":%d,"
		       "\"total\":7,\"message\":\"it broke\"}",
		       state, bytes);
	room_say(process, text);
	room_let_read(process);
}

static void an_archive_is_one_of_the_fds_that_came(void **state)
{
	static const char *const calls[] = {
		DEPLOY("false", "-1"),
		DEPLOY("false", "2"),
		DEPLOY("false", "9223372036854775807"),
		DEPLOY("false", "-9223372036854775808"),
	};
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		room_ask_with_fds(process, 2, calls[i]);
		room_expect_error(process, "org.varlink.service.InvalidParameter",
				  "archiveFileDescriptor");
	}
	room_ask_with_fds(process, 0, DEPLOY("false", "0"));
	room_expect_error(process, "org.varlink.service.InvalidParameter",
			  "archiveFileDescriptor");
	room_ask_with_fds(process, SESSION_FDS_MAX, DEPLOY("false", "7"));
	expect_word(process, "archive");
	assert_int_equal(room.n_actions, 0);
	/* More than can come with a request is a lie. */
	room_end(process);
	process = room_connect(ROOM_ALICE);
	room_ask_with_fds(process, SESSION_FDS_MAX + 1, DEPLOY("false", "8"));
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	room_end(process);
}

static void a_deploy_begins_when_its_archive_flows(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	const struct job *job;
	json_t *word;
	int ends[2], pump;

	(void)state;
	room_ask_with_fds(process, 2, DEPLOY("true", "1"));
	word = room_expect(process, "archive");
	assert_int_equal(json_integer_value(json_object_get(word, "index")), 1);
	assert_int_equal(json_integer_value(json_object_get(word, "request")), 1);
	json_decref(word);
	word = room_reply(process);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_object_get(word, "parameters"),
						    "progress"),
				    "message")),
			    "waits for its archive");
	json_decref(word);
	room_expect_silence(process);
	assert_null(room_running("hello"));
	say_archive(process, "flows", 3);
	room_expect_progress(process, "preparing");
	job = room_running("hello");
	room_step("hello", true);
	room_expect_progress(process, "unpacking");
	/* What the step does, but for the helpers. */
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(session_archive_readers.pump(&room.service.server,
						      job->archive_reader, ends[1]),
			 0);
	expect_word(process, "pump");
	pump = room_take_fd(process);
	(void)close(ends[1]);
	assert_int_equal(write(pump, "archive", 7), 7);
	(void)close(pump);
	(void)close(ends[0]);
	say_archive(process, "complete", 7);
	assert_int_equal(job->archive.state, ARCHIVE_STATE_COMPLETE);
	assert_int_equal(job->archive.bytes, 7);
	room_finish_all(true);
	expect_progress_and_outcome(process);
	expect_word(process, "drop");
	room_expect_silence(process);
	/* One archive a connection. */
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	room_expect_error(process, "io.deployd.Busy", "a connection takes one archive");
	room_end(process);
}

/* What comes after the end of it changes nothing, whatever comes first. */
static void words_about_an_archive_may_come_in_any_order(void **state)
{
	static const char *const words[] = {"flows", "complete", "failed",
					    "no-such-state"};

	(void)state;
	for (int first = 0; first < 4; first++) {
		for (int second = 0; second < 4; second++) {
			struct process *process = room_connect(ROOM_ALICE);
			struct session *session = room_session(process);
			bool failed = first >= 2 || (first == 0 && second >= 2);

			room_ask_with_fds(process, 1, DEPLOY("false", "0"));
			expect_word(process, "archive");
			say_archive(process, words[first], 7);
			say_archive(process, words[second], 7);
			assert_int_equal(session->state, SESSION_STATE_CONNECTED);
			if (failed) {
				assert_int_equal(session->archive.state,
						 ARCHIVE_STATE_FAILED);
				room_finish_all(false);
				room_expect_error(process, "io.deployd.Failed", "");
			} else {
				assert_non_null(room_running("hello"));
				assert_int_equal(session->archive.state,
						 first == 1 || second == 1
							 ? ARCHIVE_STATE_COMPLETE
							 : ARCHIVE_STATE_FLOWS);
				room_finish_all(true);
				expect_outcome(process);
			}
			assert_null(room.manager.jobs);
			say_archive(process, "flows", 1);
			room_end(process);
		}
	}
	assert_int_equal(room.n_ended, 16);
}

static void an_archive_that_nobody_asked_for_is_a_lie(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	say_archive(process, "complete", 7);
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	assert_true(
		room_journal_has("it reported on an archive that nobody asked for"));
	room_end(process);
}

/* The sender may go once its archive flows; with its process, the archive goes, too. */
static void a_deploy_outlives_its_client_not_its_archive(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	struct job *job;

	(void)state;
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	expect_word(process, "archive");
	say_archive(process, "flows", 3);
	room_say(process, "{\"type\":\"gone\"}");
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_ALONE);
	job = room_running("hello");
	assert_true(session_archive_readers.is_there(&room.service.server,
						     job->archive_reader));
	room_step("hello", true);
	room_end(process);
	assert_false(session_archive_readers.is_there(&room.service.server,
						      job->archive_reader));
	assert_int_equal(job->archive.state, ARCHIVE_STATE_FAILED);
	assert_non_null(strstr(job->archive.error, "its sender has ended"));
	room_finish_all(false);
	assert_int_equal(room.n_ended, 1);
}

/* All of these accept a reader that has gone. */
static void an_archive_that_has_gone_is_asked_for_nothing(void **state)
{
	const struct archive_readers *readers = &session_archive_readers;
	struct server *server = &room.service.server;
	struct process *process = room_connect(ROOM_ALICE);
	uint64_t reader = process->number;

	(void)state;
	room_end(process);
	assert_false(readers->is_there(server, reader));
	assert_int_equal(readers->pump(server, reader, -1), -EPIPE);
	readers->due(server, reader);
	readers->give_up(server, reader);
	readers->drop(server, reader);
}

static void an_archive_that_is_due_has_to_come(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	struct session *session = room_session(process);

	(void)state;
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	expect_word(process, "archive");
	say_archive(process, "flows", 3);
	session_archive_readers.due(&room.service.server, process->number);
	session_check(session);
	expect_word(process, "ping");
	room_say(process, "{\"type\":\"pong\",\"number\":1}");
	ROOM_UNTIL(!session->pinged);
	assert_int_equal(session->archive.state, ARCHIVE_STATE_FLOWS);
	room.skew_ms += SESSION_HUNG_MSEC;
	session_check(session);
	assert_int_equal(session->archive.state, ARCHIVE_STATE_FAILED);
	assert_non_null(strstr(room_running("hello")->archive.error,
			       "the session does not say that it is whole"));
	room_finish_all(false);
	room_expect_error(process, "io.deployd.Failed", "");
	room_end(process);
}

static void an_archive_that_never_flows_is_given_up(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	expect_word(process, "archive");
	room.skew_ms += SESSION_ARCHIVE_AWAITED_MSEC;
	session_check(room_session(process));
	room_expect_error(process, "io.deployd.Failed", "too little of it arrived");
	assert_null(room.manager.jobs);
	room_end(process);
}

static void an_archive_is_given_up_in_a_turn_of_its_own(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	struct session *session = room_session(process);

	(void)state;
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	expect_word(process, "archive");
	say_archive(process, "flows", 3);
	session_archive_readers.give_up(&room.service.server, process->number);
	assert_int_equal(session->archive.state, ARCHIVE_STATE_FLOWS);
	ROOM_UNTIL(session->archive.state == ARCHIVE_STATE_FAILED);
	room_finish_all(false);
	room_expect_error(process, "io.deployd.Failed", "");
	room_end(process);
}

/* --- what is wrong with a request
 * -------------------------------------------------------- */

static void what_a_job_is_asked_must_be_sound(void **state)
{
	static const struct {
		const char *call, *error, *text;
	} calls[] = {
		{CALL("Activate", "{\"app\":\"hello\",\"release\":\"../x\"}"),
		 "io.deployd.NotFound", "not a release id"},
		{CALL("Rollback", "{\"app\":\"hello\",\"ifCurrent\":\"../x\"}"),
		 "io.deployd.InvalidRequest", "--if-current must name a release"},
		{DEPLOY("false", "0,\"sha256\":\"ABC\""), "io.deployd.InvalidRequest",
		 "64 lower-case hex digits"},
		{DEPLOY("false", "0,\"confirmSec\":1"), "io.deployd.InvalidRequest",
		 "the time to confirm must be"},
		{DEPLOY("false", "0,\"confirmSec\":604801"),
		 "io.deployd.InvalidRequest", "to 604800 seconds"},
		{DEPLOY("false", "0,\"confirmSec\":-5"), "io.deployd.InvalidRequest",
		 "the time to confirm must be"},
		{CALL("Hold", "{\"app\":\"hello\",\"message\":\"m\",\"untilSec\":-1}"),
		 "io.deployd.InvalidRequest", "a time to come"},
		{CALL("Hold",
		      "{\"app\":\"hello\",\"message\":\"m\",\"untilSec\":1000}"),
		 "io.deployd.InvalidRequest", "a time to come"},
		{CALL("Hold", "{\"app\":\"hello\",\"message\":\"m\","
			      "\"untilSec\":253402300800}"),
		 "io.deployd.InvalidRequest", "before the year 10000"},
		{CALL("Cancel", HELLO), "io.deployd.NotFound",
		 "no such job of hello is running or waiting"},
		{CALL("Cancel", "{\"app\":\"hello\",\"job\":\"0123456789abcdef\"}"),
		 "io.deployd.NotFound", "no such job"},
	};
	static const char *const texts[] = {"version", "revision", "message"};
	struct process *process = room_connect(ROOM_ALICE);
	char *call = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		room_ask_with_fds(process, 1, calls[i].call);
		room_expect_error(process, calls[i].error, calls[i].text);
	}
	for (int i = 0; i < 3; i++) {
		assert_true(
			asprintf(&call,
				 "{\"method\":\"io.deployd.Deploy\",\"parameters\":{"
				 "\"app\":\"hello\",\"archiveFileDescriptor\":0,"
				 "\"%s\":\"%01001d\"}}",
				 texts[i], 0) > 0);
		room_ask_with_fds(process, 1, call);
		free(call);
		room_expect_error(process, "io.deployd.InvalidRequest",
				  "is longer than 1000 bytes");
	}
	assert_null(room.manager.jobs);
	assert_int_equal(room.n_actions, 0);
	room_end(process);
}

static void a_rule_may_want_the_hash(void **state)
{
	struct process *process = room_connect(ROOM_CAROL);

	(void)state;
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	room_expect_error(process, "io.deployd.Denied",
			  "the policy wants the archive's sha256");
	room_ask_with_fds(process, 1, DEPLOY("false", "0,\"sha256\":\"" SHA256 "\""));
	expect_word(process, "archive");
	assert_non_null(room.manager.jobs);
	assert_string_equal(room.manager.jobs->sha256, SHA256);
	room_end(process);
	/* So may the app's file, of everybody. */
	room.config.set->apps[0]->require_sha256 = true;
	process = room_connect(ROOM_ALICE);
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	room_expect_error(process, "io.deployd.Denied",
			  "the policy wants the archive's sha256");
	room_end(process);
}

/* The session is told that the archive is not wanted, and is free for another. */
static void a_full_queue_takes_no_archive(void **state)
{
	struct process *first = room_connect(ROOM_ALICE),
		       *second = room_connect(ROOM_ALICE);

	(void)state;
	room.config.set->daemon->queue_max = 0;
	manager_take_limits(&room.manager);
	room_ask_with_fds(first, 1, DEPLOY("false", "0"));
	expect_word(first, "archive");
	room_ask_with_fds(second, 1, DEPLOY("false", "0"));
	expect_word(second, "archive");
	room_expect_error(second, "io.deployd.Busy", "there is no room");
	expect_word(second, "drop");
	room_end(first);
	room_end(second);
}

static void a_stopping_deployd_takes_no_jobs(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room.service.stopping = true;
	room_ask(process, CALL("Restart", HELLO));
	room_expect_error(process, "io.deployd.Busy", "deployd is stopping; try again");
	room_ask_with_fds(process, 1, DEPLOY("false", "0"));
	expect_word(process, "archive");
	room_expect_error(process, "io.deployd.Busy", "deployd is stopping; try again");
	expect_word(process, "drop");
	room_end(process);
}

/* --- cancel
 * ------------------------------------------------------------------------------ */

static void a_job_may_be_cancelled_before_its_switch(void **state)
{
	struct process *sender = room_connect(ROOM_ALICE),
		       *other = room_connect(ROOM_ALICE);
	json_t *parameters;
	char id[JOB_ID_SIZE], text[160];

	(void)state;
	room_ask_with_fds(sender, 1, DEPLOY("false", "0"));
	expect_word(sender, "archive");
	say_archive(sender, "complete", 7);
	room_step("hello", true);
	(void)strcpy(id, room_running("hello")->id);
	room_ask(other, CALL("Cancel", HELLO));
	parameters = room_expect_ok(other);
	assert_string_equal(json_string_value(json_object_get(parameters, "job")), id);
	json_decref(parameters);
	assert_int_equal(room.n_kills, 1);
	room_finish_all(false);
	room_expect_error(sender, "io.deployd.Cancelled",
			  "cancelled by alice; nothing was switched");
	expect_word(sender, "drop");
	room_expect_silence(sender);
	/* Of another app it is no job. */
	room_ask(sender, CALL("Restart", HELLO));
	room_let_read(sender);
	(void)snprintf(text, sizeof(text),
		       "{\"method\":\"io.deployd.Cancel\",\"parameters\":{\"app\":"
		       "\"world\",\"job\":\"%s\"}}",
		       room_running("hello")->id);
	room_end(other);
	other = room_connect(ROOM_ROOT);
	room_ask(other, text);
	room_expect_error(other, "io.deployd.NotFound", "no such job of world");
	room_ask(other, CALL("Cancel", HELLO));
	room_expect_error(other, "io.deployd.Busy",
			  "a restart, can no longer be cancelled");
	room_finish_all(true);
	expect_outcome(sender);
	room_end(sender);
	room_end(other);
}

static void a_waiting_job_ends_at_once_when_cancelled(void **state)
{
	struct process *first = room_connect(ROOM_ALICE),
		       *second = room_connect(ROOM_ALICE),
		       *third = room_connect(ROOM_ALICE);
	char text[200];

	(void)state;
	room_ask(first, CALL("Restart", HELLO));
	room_let_read(first);
	room_ask(second, CALL("Stop", HELLO));
	room_let_read(second);
	(void)snprintf(text, sizeof(text),
		       "{\"method\":\"io.deployd.Cancel\",\"parameters\":{\"app\":"
		       "\"hello\",\"job\":\"%s\"}}",
		       room.manager.jobs->next->id);
	room_ask(third, text);
	json_decref(room_expect_ok(third));
	room_expect_error(second, "io.deployd.Cancelled", "cancelled by alice");
	room_finish_all(true);
	expect_outcome(first);
	assert_int_equal(room.n_ended, 2);
	room_end(first);
	room_end(second);
	room_end(third);
}

static void past_its_switch_a_job_goes_on(void **state)
{
	static const enum job_kind own[] = {JOB_KIND_FLAG, JOB_KIND_RECOVER,
					    JOB_KIND_REVERT};
	struct process *process = room_connect(ROOM_ALICE),
		       *other = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, CALL("Activate", "{\"app\":\"hello\",\"release\":"
					   "\"20250101000000\"}"));
	room_let_read(process);
	room_step("hello", true); /* preflight */
	room_step("hello", true);
	room_ask(other, CALL("Cancel", HELLO));
	room_expect_error(other, "io.deployd.Busy", "is past its switch (restarting)");
	room_finish_all(true);
	expect_outcome(process);
	for (int i = 0; i < 3; i++) {
		struct job_request request = {.kind = own[i], .user = "deployd"};
		struct errinfo error = {0};
		struct job *job = NULL;

		assert_int_equal(manager_submit(&room.manager, room.config.set,
						room.config.set->apps[0], &request, 0,
						&job, &error),
				 RESULT_OK);
		manager_run(&room.manager);
		room_ask(other, CALL("Cancel", HELLO));
		room_expect_error(other, "io.deployd.Busy", "of deployd's own");
		room_finish_all(true);
	}
	room_end(process);
	room_end(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(a_job_is_reported_once),
		ROOM_TEST(more_is_progress_until_the_outcome),
		ROOM_TEST(who_does_not_wait_hears_the_id),
		ROOM_TEST(oneway_gets_the_last_reply_only),
		ROOM_TEST(several_watchers_hear_all_of_it),
		ROOM_TEST(each_watcher_sees_what_it_may),
		ROOM_TEST(who_may_not_see_the_app_hears_of_no_job),
		ROOM_TEST(a_job_has_a_bounded_number_of_watchers),
		ROOM_TEST(two_who_want_the_same_hear_of_the_same_job),
		ROOM_TEST(a_client_that_hangs_up_loses_its_reply_not_its_job),
		ROOM_TEST(a_session_may_end_at_every_step),
		ROOM_TEST(a_session_that_never_reads_is_ended_and_its_job_is_not),
		ROOM_TEST(a_session_that_is_over_in_a_settlement_is_freed_after_it),
		ROOM_TEST(a_change_waits_for_its_decision),
		ROOM_TEST(a_change_whose_decision_is_lost_is_not_made),
		ROOM_TEST(a_client_may_hang_up_while_its_decision_waits),
		ROOM_TEST(deployd_may_stop_while_decisions_wait),
		ROOM_TEST(an_archive_is_one_of_the_fds_that_came),
		ROOM_TEST(a_deploy_begins_when_its_archive_flows),
		ROOM_TEST(words_about_an_archive_may_come_in_any_order),
		ROOM_TEST(an_archive_that_nobody_asked_for_is_a_lie),
		ROOM_TEST(a_deploy_outlives_its_client_not_its_archive),
		ROOM_TEST(an_archive_that_has_gone_is_asked_for_nothing),
		ROOM_TEST(an_archive_that_is_due_has_to_come),
		ROOM_TEST(an_archive_that_never_flows_is_given_up),
		ROOM_TEST(an_archive_is_given_up_in_a_turn_of_its_own),
		ROOM_TEST(what_a_job_is_asked_must_be_sound),
		ROOM_TEST(a_rule_may_want_the_hash),
		ROOM_TEST(a_full_queue_takes_no_archive),
		ROOM_TEST(a_stopping_deployd_takes_no_jobs),
		ROOM_TEST(a_job_may_be_cancelled_before_its_switch),
		ROOM_TEST(a_waiting_job_ends_at_once_when_cancelled),
		ROOM_TEST(past_its_switch_a_job_goes_on),
	};

	room_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
