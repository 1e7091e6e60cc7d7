/*
 * From the listening socket to a session process: limits, processes that fail, hang and
 * lie, a deployd-sessions that goes and comes back, and the stop of deployd.
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/session.h"
#include "util/session_protocol.h"

#define READY "{\"type\":\"ready\",\"version\":1}"
#define TAKEN "{\"type\":\"taken\"}"
#define LIST  "{\"method\":\"io.deployd.List\"}"

/* --- limits
 * ------------------------------------------------------------------------------ */

/* Told by a process that does nothing else. */
static void expect_turned_away(uid_t uid, const char *text)
{
	struct process *process = room_handed(room_dial(uid));
	json_t *parameters = json_object_get(process->refuse, "parameters");

	assert_string_equal(
		json_string_value(json_object_get(process->refuse, "error")),
		"io.deployd.Busy");
	assert_string_equal(json_string_value(json_object_get(parameters, "message")),
			    text);
	room_say(process, TAKEN);
	room_let_read(process);
	assert_true(room_journal_has(text));
	/* It is no connection, and must not ask for anything. */
	assert_true(room_session(process)->refusing);
	room_ask(process, LIST);
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	room_end(process);
}

static void a_user_has_so_many_connections(void **state)
{
	struct process *alice[3];

	(void)state;
	room.config.set->daemon->connections_per_user_max = 3;
	for (int i = 0; i < 3; i++)
		alice[i] = room_connect(ROOM_ALICE);
	expect_turned_away(ROOM_ALICE, "too many connections of this user; try again");
	(void)room_connect(ROOM_BOB); /* others may */
	room_say(alice[0], "{\"type\":\"gone\"}");
	ROOM_UNTIL(room_session(alice[0])->state == SESSION_STATE_ALONE);
	/* Its process is there, and so the fds of the client may be. */
	expect_turned_away(ROOM_ALICE, "too many connections of this user; try again");
	room_close_ends(alice[0]);
	ROOM_UNTIL(room_session(alice[0])->state == SESSION_STATE_OVER);
	expect_turned_away(ROOM_ALICE, "too many connections of this user; try again");
	room_end(alice[0]);
	(void)room_connect(ROOM_ALICE);
	/* One fewer from now on: that is for the next. */
	room.config.set->daemon->connections_per_user_max = 2;
	room_ask(alice[1], LIST);
	json_decref(room_expect_ok(alice[1]));
}

static void lent_uids_count_as_those_of_who_lends_them(void **state)
{
	(void)state;
	room.config.set->daemon->connections_per_user_max = 3;
	(void)room_connect(ROOM_LENT);
	(void)room_connect(ROOM_LENT + 1);
	(void)room_connect(ROOM_LENT + 2);
	expect_turned_away(
		ROOM_LENT + 3,
		"too many connections of the user this uid is subordinate to; "
		"try again");
	expect_turned_away(ROOM_ALICE, "too many connections of this user and its "
				       "subordinate uids; try again");
	(void)room_connect(ROOM_BOB);
}

static void in_total_there_are_so_many_and_one_for_root(void **state)
{
	struct process *last;

	(void)state;
	room.config.set->daemon->connections_max = 3;
	(void)room_connect(ROOM_ALICE);
	(void)room_connect(ROOM_BOB);
	(void)room_connect(ROOM_CAROL);
	expect_turned_away(ROOM_DAVE, "too many connections; try again");
	last = room_connect(ROOM_ROOT); /* may find out why */
	room_ask(last, "{\"method\":\"io.deployd.DaemonStatus\"}");
	json_decref(room_expect_ok(last));
	expect_turned_away(ROOM_ROOT, "too many connections; try again");
}

/* Only the look-up shows who it belongs to. */
static void a_limit_may_show_late(void **state)
{
	static const struct {
		uid_t owner;
		const char *text;
	} cases[] = {
		{ROOM_ALICE,
		 "too many connections of the user this uid is subordinate to; "
		 "try again"},
		{(uid_t)-1,
		 "too many connections of uids that cannot be looked up; try "
		 "again"},
	};

	(void)state;
	for (int n = 0; n < 4; n++) {
		int i = n % 2;
		struct process *first, *second;

		room.config.set->daemon->connections_per_user_max = 1;
		room.names_are_late = true;
		room.n_names = 0;
		first = room_connect(ROOM_DAVE);
		second = room_connect(ROOM_ERIN);
		assert_int_equal(room.n_names, 2);
		room_ask(second, LIST);
		room_expect_silence(second);
		if (n >= 2) { /* it was killed; the pipe has what it said before */
			room_say_ended(second);
			ROOM_UNTIL(room_session(second)->ended);
		}
		for (int k = 0; k < 2; k++) {
			struct user_answer answer = {.uid = room.names[k].uid,
						     .owner = cases[i].owner,
						     .status = i == 0 ? USER_SUBORDINATE
								      : USER_FAILED,
						     .why = "no answer"};

			room.names[k].found(room.names[k].userdata, room.names[k].id,
					    &answer);
		}
		room_expect_error(second, "io.deployd.Busy", cases[i].text);
		json_decref(room_expect(second, "close"));
		assert_true(room_journal_has(cases[i].text));
		room_end(first);
		room_end(second);
	}
}

static void one_of_whom_the_kernel_says_nothing_is_refused(void **state)
{
	struct process *process = room_handed(room_dial((uid_t)-1));

	(void)state;
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(process->refuse, "parameters"), "message")),
		"the kernel does not say which user it is");
	room_end(process);
}

/* --- handing over
 * -------------------------------------------------------------------------- */

/* Until it has said so, the connection is not the process's. */
static void a_process_that_dies_first_passes_the_connection_on(void **state)
{
	int client;
	struct process *process;

	(void)state;
	for (int i = 0; i < 3; i++)
		room_close_ends(&room.processes[i]); /* not told of yet */
	client = room_dial(ROOM_BOB);
	process = room_handed(client);
	room_say(process, TAKEN);
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_CONNECTED);
	room_ask(process, "{\"method\":\"io.deployd.Jobs\"}");
	json_decref(room_expect_ok(process));
	/* It is that connection, open, and the only one. */
	assert_int_equal(send(process->connection, "!", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(client, &(char){0}, 1, 0), 1);
	for (int i = 0; i < 3; i++)
		room_say_ended(&room.processes[i]);
}

/* The word has been written to it, and it dies without having read it. */
static void a_connection_in_a_dead_process_comes_back(void **state)
{
	struct process *other = NULL;
	int client = room_dial(ROOM_BOB);
	struct session *handed = NULL;

	(void)state;
	/* Turns of the loop without the test's processes. */
	for (int i = 0; !handed; i++) {
		assert_true(i < 8000);
		(void)uv_run(&room.loop, UV_RUN_ONCE);
		for (struct session *s = room.service.server.sessions; s; s = s->next)
			if (s->state == SESSION_STATE_HANDED)
				handed = s;
	}
	for (size_t i = 0; i < room.n_processes; i++) {
		if (room.processes[i].number == handed->id) {
			room_close_ends(&room.processes[i]);
			room_say_ended(&room.processes[i]);
		}
	}
	other = room_handed(client);
	room_say(other, TAKEN);
	ROOM_UNTIL(room_session(other)->state == SESSION_STATE_CONNECTED);
	assert_int_equal(room.service.server.n_held, 0);
	room_ask(other, "{\"method\":\"io.deployd.Jobs\"}");
	json_decref(room_expect_ok(other));
}

/* All of the processes die with a connection each: it is served by those that follow.
 */
static void connections_are_held_until_there_are_processes(void **state)
{
	int clients[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		clients[i] = room_dial(ROOM_BOB);
	for (int n = 0; n < 4;) {
		(void)uv_run(&room.loop, UV_RUN_ONCE);
		n = 0;
		for (struct session *s = room.service.server.sessions; s; s = s->next)
			n += s->state == SESSION_STATE_HANDED;
	}
	room.mute = true;
	for (size_t i = 0; i < 4; i++) {
		room_close_ends(&room.processes[i]);
		room_say_ended(&room.processes[i]);
	}
	ROOM_UNTIL(room.service.server.n_held == 4);
	assert_false(uv_is_active((uv_handle_t *)&room.service.server.poll));
	room.mute = false;
	for (size_t i = 4; i < room.n_processes; i++)
		room_say(&room.processes[i], READY);
	for (int i = 0; i < 4; i++) {
		struct process *process = room_handed(clients[i]);

		room_say(process, TAKEN);
		ROOM_UNTIL(room_session(process)->state == SESSION_STATE_CONNECTED);
		assert_int_equal(room_session(process)->peer.uid, ROOM_BOB);
	}
	assert_int_equal(room.service.server.n_held, 0);
}

static void a_held_connection_is_no_obstacle_to_a_stop(void **state)
{
	(void)state;
	(void)room_dial(ROOM_BOB);
	for (int n = 0; n < 1;) {
		(void)uv_run(&room.loop, UV_RUN_ONCE);
		for (struct session *s = room.service.server.sessions; s; s = s->next)
			n += s->state == SESSION_STATE_HANDED;
	}
	room.mute = true;
	for (size_t i = 0; i < 4; i++)
		room_close_ends(&room.processes[i]);
	ROOM_UNTIL(room.service.server.n_held == 1);
}

/* --- processes that do not start
 * ------------------------------------------------------------- */

static void processes_that_end_at_once_are_not_started_at_once(void **state)
{
	struct server *server = &room.service.server;
	size_t n;

	(void)state;
	room.mute = true;
	for (size_t i = 0; i < 4; i++) {
		room_close_ends(&room.processes[i]);
		room_say_ended(&room.processes[i]);
	}
	ROOM_UNTIL(room.n_processes == 8);
	for (size_t i = 4; i < 8; i++)
		room_say_ended(&room.processes[i]); /* before they are ready */
	ROOM_UNTIL(uv_is_active((uv_handle_t *)&server->retry));
	assert_int_equal(server->retry_msec, SERVER_RETRY_MSEC_MIN);
	assert_true(room_journal_has("session processes end as soon as they start"));
	n = room.n_processes;
	ROOM_UNTIL(room.n_processes > n);
	/* Again: later, and nothing more in the journal until it works. */
	for (size_t i = n; i < room.n_processes; i++)
		room_say_ended(&room.processes[i]);
	ROOM_UNTIL(server->retry_msec == 2 * (uint64_t)SERVER_RETRY_MSEC_MIN);
	n = room.n_processes;
	room.mute = false;
	ROOM_UNTIL(server->retry_msec == 0);
	assert_true(room_journal_has("session processes are starting again"));
	(void)room_connect(ROOM_BOB);
}

/* --- deployd-sessions goes
 * ---------------------------------------------------------------------- */

static void lose_spawner(void)
{
	fake_spawner_vanish(&room.spawner);
	fake_spawner_hang_up(&room.spawner);
	ROOM_UNTIL(!room.service.server.spawner_up);
	assert_true(room_journal_has("cannot start sessions for clients"));
}

static void find_spawner(void)
{
	fake_spawner_listen(&room.spawner);
	ROOM_UNTIL(room.service.server.spawner_up);
	assert_true(room_journal_has("connected to deployd-sessions again"));
}

static void sessions_outlive_the_spawner(void **state)
{
	struct process *process = room_connect(ROOM_ALICE), *other;

	(void)state;
	ROOM_UNTIL(room.n_processes == 5);
	for (size_t i = 0; i < 5; i++)
		room_embody(&room.processes[i]);
	lose_spawner();
	/* Who is connected goes on. */
	room_ask(process, "{\"method\":\"io.deployd.Restart\",\"parameters\":{\"app\":"
			  "\"hello\"}}");
	room_let_read(process);
	room_finish_all(true);
	json_decref(room_expect_ok(process));
	/* Those that wait for a client can have one. */
	other = room_connect(ROOM_BOB);
	room_ask(other, "{\"method\":\"io.deployd.Jobs\"}");
	json_decref(room_expect_ok(other));
	assert_int_equal(room.n_processes, 5);
	/* How one ends is seen without the spawner. */
	room_end(process);
	find_spawner();
	ROOM_UNTIL(room.n_processes == 6);
}

/* Nobody would tell when they end: they are of no use, and others take their place. */
static void idle_sessions_without_a_pid_go_with_the_spawner(void **state)
{
	int client;

	(void)state;
	lose_spawner();
	client = room_dial(ROOM_BOB);
	ROOM_UNTIL(!room.service.server.sessions);
	assert_false(uv_is_active((uv_handle_t *)&room.service.server.poll));
	find_spawner();
	room_say(room_handed(client), TAKEN);
	assert_true(room.n_processes >= 8);
}

static void what_was_starting_when_the_spawner_went_is_over(void **state)
{
	size_t n;

	(void)state;
	room.mute = true;
	(void)room_connect(ROOM_ALICE); /* one new process is starting */
	ROOM_UNTIL(room.n_processes == 5);
	n = room.n_processes;
	fake_spawner_hang_up(&room.spawner);
	room.mute = false;
	ROOM_UNTIL(!room.service.server.spawner_up);
	ROOM_UNTIL(room.service.server.spawner_up);
	ROOM_UNTIL(room.n_processes > n);
	assert_null(room_session(&room.processes[n - 1]));
	(void)room_connect(ROOM_BOB);
	/* Nothing failed: there was nobody to start them. */
	assert_int_equal(room.service.server.retry_msec, 0);
}

static void news_of_unknown_processes_is_no_news(void **state)
{
	(void)state;
	fake_spawner_say(&room.spawner, "started 12345 1\nended 12345\n");
	fake_spawner_say(&room.spawner, "started 12346 77\nended 12346\n");
	room_settle();
	ROOM_UNTIL(room.service.server.spawner_up);
	(void)room_connect(ROOM_BOB);
}

/* --- processes that hang or lie
 * ------------------------------------------------------------------ */

/* Makes the server's own check come now. */
static void check_now(void)
{
	uv_timer_t *ping = &room.service.server.ping;

	assert_true(uv_is_active((uv_handle_t *)ping));
	uv_timer_set_repeat(ping, 1);
	assert_int_equal(uv_timer_again(ping), 0);
}

static void a_process_that_does_not_answer_counts_until_it_is_gone(void **state)
{
	struct process *hangs = room_connect(ROOM_ALICE),
		       *well = room_connect(ROOM_ALICE);
	json_t *word;

	(void)state;
	room.config.set->daemon->connections_per_user_max = 2;
	room_embody(hangs);
	check_now();
	word = room_expect(well, "ping");
	assert_int_equal(json_integer_value(json_object_get(word, "number")), 1);
	json_decref(word);
	room_say(well, "{\"type\":\"pong\",\"number\":1}");
	ROOM_UNTIL(room_session(hangs)->pinged);
	uv_timer_set_repeat(&room.service.server.ping, SESSION_PING_MSEC);
	assert_int_equal(uv_timer_again(&room.service.server.ping), 0);
	ROOM_UNTIL(!room_session(well)->pinged);
	room.skew_ms += SESSION_HUNG_MSEC;
	for (struct session *s = room.service.server.sessions; s; s = s->next)
		session_check(s);
	assert_true(room_session(hangs)->hung);
	assert_true(room_was_killed(hangs));
	ROOM_UNTIL(!room_session(hangs));
	assert_true(
		room_journal_has("counts as a connection of that user until it exits"));
	assert_int_equal(room_session(well)->state, SESSION_STATE_CONNECTED);
	(void)room_connect(ROOM_ALICE);
}

/* Its channel is closed, its process is not gone: a kill that has no effect. */
static void a_process_that_cannot_be_killed_counts(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room.config.set->daemon->connections_per_user_max = 1;
	room_close_ends(process);
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	room.skew_ms += SESSION_HUNG_MSEC;
	check_now();
	ROOM_UNTIL(room_session(process)->hung);
	assert_string_equal(session_state_name(room_session(process)), "hung");
	expect_turned_away(ROOM_ALICE, "too many connections of this user; try again");
	room_say_ended(process);
	ROOM_UNTIL(!room_session(process));
	(void)room_connect(ROOM_ALICE);
}

/* The timer rests while nobody is connected. */
static void nobody_is_pinged_when_nobody_is_there(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_end(process);
	check_now();
	ROOM_UNTIL(!uv_is_active((uv_handle_t *)&room.service.server.ping));
	(void)room_connect(ROOM_ALICE);
	assert_true(uv_is_active((uv_handle_t *)&room.service.server.ping));
}

static void each_lie_ends_its_session_and_no_other(void **state)
{
	static const struct {
		const char *word, *why;
	} lies[] = {
		{"{}", "it sent a message without a type"},
		{"{\"type\":\"quit\"}", "it sent an unexpected message"},
		{"{\"type\":\"taken\"}", "it sent an unexpected message"},
		{"{\"type\":\"pong\",\"number\":1}", "it sent an unexpected message"},
		{READY, "it reported twice that it is ready"},
		{"{\"type\":\"request\",\"request\":2,\"fds\":0,\"call\":{\"method\":"
		 "\"a.B\"}"
		 "}",
		 "it sent a request out of turn"},
		{"{\"type\":\"request\",\"request\":1,\"fds\":9,\"call\":{\"method\":"
		 "\"a.B\"}"
		 "}",
		 "it sent a request out of turn"},
		{"{\"type\":\"request\",\"request\":1,\"fds\":-1,\"call\":{\"method\":"
		 "\"a."
		 "B\"}}",
		 "it sent a request out of turn"},
		{"{\"type\":\"request\",\"request\":1,\"fds\":0,\"call\":7}",
		 "it sent a request out of turn"},
		{"{\"type\":\"request\",\"request\":1,\"fds\":0,\"call\":{\"method\":7}"
		 "}",
		 "it sent something that is not a Varlink call"},
		{"{\"type\":\"archive\",\"state\":\"flows\"}",
		 "it reported on an archive that nobody asked for"},
		{"[1]", "not a JSON object"},
		{"{\"type\":\"a\",\"type\":\"b\"}", "not a JSON object"},
	};
	struct process *well = room_connect(ROOM_BOB);

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct process *process = room_connect(ROOM_ALICE);

		room_embody(process);
		room_say(process, lies[i].word);
		ROOM_UNTIL(!room_session(process)); /* killed, and seen to be gone */
		assert_true(room_was_killed(process));
		assert_true(room_journal_has(lies[i].why));
		room.journal_length = 0;
		room_end(process);
	}
	room_ask(well, LIST);
	json_decref(room_expect_ok(well));
}

static void one_of_another_version_is_not_used(void **state)
{
	static const struct {
		int version;
		const char *why;
	} others[] = {
		{SESSION_PROTOCOL_VERSION + 1, "it is from a newer version"},
		{SESSION_PROTOCOL_VERSION - 1, "it is from an older version"},
	};

	(void)state;
	room.mute = true;
	for (size_t i = 0; i < 2; i++) {
		struct process *process;
		size_t n = room.n_processes;
		char text[64];

		(void)room_connect(ROOM_ALICE);
		ROOM_UNTIL(room.n_processes > n);
		process = &room.processes[n];
		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"ready\",\"version\":%d}",
			       others[i].version);
		room_say(process, text);
		ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
		assert_true(room_journal_has(others[i].why));
		room_say_ended(process);
		/* Not at once: the next would be no better. */
		assert_true(uv_is_active((uv_handle_t *)&room.service.server.retry));
		uv_timer_stop(&room.service.server.retry);
	}
}

static void why_a_connection_is_closed_is_in_the_journal(void **state)
{
	static const struct {
		const char *what, *text;
	} troubles[] = {
		{SESSION_TROUBLE_TIMEOUT, "no complete request arrived in time"},
		{SESSION_TROUBLE_MALFORMED, "not a Varlink call"},
		{SESSION_TROUBLE_TOO_LARGE, "request too large or too many fds"},
		{SESSION_TROUBLE_STALLED, "it does not read its replies"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++) {
		struct process *process = room_connect(ROOM_ALICE);
		char text[80];

		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"trouble\",\"what\":\"%s\"}",
			       troubles[i].what);
		room.journal_length = 0;
		room_say(process, "{\"type\":\"trouble\",\"what\":\"nothing\"}");
		room_say(process, text);
		room_say(process, "{\"type\":\"gone\"}");
		ROOM_UNTIL(room_session(process)->state == SESSION_STATE_ALONE);
		ROOM_UNTIL(room_journal_has(troubles[i].text));
		room_end(process);
	}
}

/* --- sockets
 * --------------------------------------------------------------------------------------
 */

/* The connection waits in the backlog, and is taken when there are fds again. */
static void without_fds_nothing_is_accepted_for_a_while(void **state)
{
	struct server *server = &room.service.server;
	struct rlimit limit, low;
	int hoard[256], n = 0, client = room_dial(ROOM_BOB);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){sizeof(hoard) / sizeof(*hoard), limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while ((hoard[n] = dup(room.listen_fd)) >= 0)
		n++;
	for (int i = 0; !server->resting && i < 8000; i++)
		(void)uv_run(&room.loop, UV_RUN_ONCE);
	while (n > 0)
		(void)close(hoard[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(server->resting);
	assert_false(uv_is_active((uv_handle_t *)&server->poll));
	assert_true(room_journal_has("cannot accept connections: Too many open files"));
	room_say(room_handed(client), TAKEN);
	assert_false(server->resting);
}

static void the_socket_is_for_the_group(void **state)
{
	char path[128], too_long[300];
	struct stat st;
	int fd = -1, r;

	(void)state;
	(void)memset(too_long, 'x', sizeof(too_long));
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(server_open_socket(too_long, &fd), -ENAMETOOLONG);
	assert_int_equal(server_open_socket("/no/such/directory/socket", &fd), -ENOENT);
	assert_int_equal(fd, -1);
	(void)snprintf(path, sizeof(path), "%s/own", room.spawner.dir);
	for (int i = 0; i < 2; i++) { /* a stale one is replaced */
		r = server_open_socket(path, &fd);
		if (r == -EPERM && getuid() != 0) {
			/* The group is there, and only root can give a file to it. */
			(void)unlink(path);
			skip();
		}
		assert_int_equal(r, 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0660);
		(void)close(fd);
	}
	/* Of one that is served, nothing is taken away. */
	assert_int_equal(server_open_socket(path, &fd), 0);
	assert_int_equal(server_open_socket(path, &r), -EADDRINUSE);
	assert_int_equal(stat(path, &st), 0);
	(void)close(fd);
	(void)unlink(path);
}

/* --- the stop of deployd
 * ------------------------------------------------------------------------------ */

/* In each of these states deployd stops: the teardown asserts that nothing is left. */
static void it_may_stop_in_every_state(void **state)
{
	(void)state;
	for (int at = 0; at < 7; at++) {
		struct process *process;

		if (at > 0) {
			assert_int_equal(room_teardown(state), 0);
			assert_int_equal(room_setup(state), 0);
		}
		if (at == 0) { /* starting */
			room.mute = true;
			(void)room_connect(ROOM_ALICE);
			ROOM_UNTIL(room.n_processes == 5);
			continue;
		}
		if (at == 1) { /* handed */
			(void)room_handed(room_dial(ROOM_ALICE));
			continue;
		}
		process = room_connect(ROOM_ALICE);
		if (at >= 2)
			room_embody(process);
		if (at == 3 || at == 5)
			room_ask_with_fds(
				process, 1,
				"{\"method\":\"io.deployd.Deploy\",\"more\":true,"
				"\"parameters\":{\"app\":\"hello\","
				"\"archiveFileDescriptor\":0}}");
		if (at == 4) {
			room.units_are_late = true;
			room_ask(process, LIST);
		}
		if (at == 5) {
			room_let_read(process);
			room_say(process, "{\"type\":\"gone\"}");
			ROOM_UNTIL(room_session(process)->state == SESSION_STATE_ALONE);
		}
		if (at == 6) {
			room_close_ends(process);
			ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
		}
		room_settle();
	}
}

/* Connections in the backlog are the next deployd's. */
static void a_stop_leaves_the_backlog(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	int client;

	(void)state;
	room_ask(process, "{\"method\":\"io.deployd.Restart\",\"parameters\":{\"app\":"
			  "\"hello\"}}");
	room_let_read(process);
	server_stop(&room.service.server);
	server_stop(&room.service.server);
	client = room_dial(ROOM_BOB);
	room_settle();
	assert_int_equal(recv(client, &(char){0}, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	/* Who waits for a job is still told how it ended. */
	room_finish_all(true);
	json_decref(room_expect_ok(process));
	room_end(process);
	assert_int_equal(room.n_processes, 5); /* none is started for those that end */
	(void)close(client);
}

/* The client is told all that was sent to it before. */
static void a_stop_says_close_after_the_last_reply(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, "{\"method\":\"io.deployd.Jobs\"}");
	ROOM_UNTIL(!room_session(process)->busy && room_session(process)->request == 1);
	server_stop(&room.service.server);
	server_close_sessions(&room.service.server);
	assert_null(room_session(process));
	json_decref(room_expect_ok(process));
	json_decref(room_expect(process, "close"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(a_user_has_so_many_connections),
		ROOM_TEST(lent_uids_count_as_those_of_who_lends_them),
		ROOM_TEST(in_total_there_are_so_many_and_one_for_root),
		ROOM_TEST(a_limit_may_show_late),
		ROOM_TEST(one_of_whom_the_kernel_says_nothing_is_refused),
		ROOM_TEST(a_process_that_dies_first_passes_the_connection_on),
		ROOM_TEST(a_connection_in_a_dead_process_comes_back),
		ROOM_TEST(connections_are_held_until_there_are_processes),
		ROOM_TEST(a_held_connection_is_no_obstacle_to_a_stop),
		ROOM_TEST(processes_that_end_at_once_are_not_started_at_once),
		ROOM_TEST(sessions_outlive_the_spawner),
		ROOM_TEST(idle_sessions_without_a_pid_go_with_the_spawner),
		ROOM_TEST(what_was_starting_when_the_spawner_went_is_over),
		ROOM_TEST(news_of_unknown_processes_is_no_news),
		ROOM_TEST(a_process_that_does_not_answer_counts_until_it_is_gone),
		ROOM_TEST(a_process_that_cannot_be_killed_counts),
		ROOM_TEST(nobody_is_pinged_when_nobody_is_there),
		ROOM_TEST(each_lie_ends_its_session_and_no_other),
		ROOM_TEST(one_of_another_version_is_not_used),
		ROOM_TEST(why_a_connection_is_closed_is_in_the_journal),
		ROOM_TEST(without_fds_nothing_is_accepted_for_a_while),
		ROOM_TEST(the_socket_is_for_the_group),
		ROOM_TEST(it_may_stop_in_every_state),
		ROOM_TEST(a_stop_leaves_the_backlog),
		ROOM_TEST(a_stop_says_close_after_the_last_reply),
	};

	room_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
