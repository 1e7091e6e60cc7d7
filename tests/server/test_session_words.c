/*
 * deployd's side of a session process, over the real channel and the real connection to
 * the spawner. The process is the test's: it says its words in pieces, out of order and
 * wrong, dies at any moment, and does not read. What is around it is played, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config_set.h"
#include "base/journal.h"
#include "deploy/daemon_config.h"
#include "fake_spawner.h"
#include "server/session.h"
#include "util/fdio.h"
#include "util/session_protocol.h"

#define READY "{\"type\":\"ready\",\"version\":1}"
#define TAKEN "{\"type\":\"taken\"}"
#define REQUEST                                                                        \
	"{\"type\":\"request\",\"request\":1,\"fds\":1,\"call\":{\"method\":\"a.B\","  \
	"\"more\":true}}"
#define GONE "{\"type\":\"gone\"}"

static struct world {
	uv_loop_t loop;
	uv_timer_t tick; /* what a timer did ends no UV_RUN_ONCE */
	struct daemon_config limits;
	struct config_set set;
	struct config_current config;
	struct session_host host;
	struct spawner to_spawner;
	struct fake_spawner spawner;
	struct session *session;  /* NULL: freed */
	struct channel_ends ends; /* the process's */
	pid_t pid;		  /* stands for it: what is killed */
	int client;		  /* the client's end of the connection */
	struct varlink_buffer down;

	bool up, changed;
	unsigned int n_ready, n_failed, n_requests, n_archive, n_gone, n_lines_end;
	int handed_again; /* -1, or the connection that came back */
	bool answer_at_once;
	bool alone; /* the server has forgotten the session */
	char journal[300];
} world;

/* --- what session.c is surrounded by -----------------------------------------------
 */

static bool has(void *userdata, const struct session *session)
{
	(void)userdata;
	return world.session == session && !world.alone;
}

static void forget(void *userdata, struct session *session)
{
	(void)userdata;
	assert_ptr_equal(session, world.session);
	world.session = NULL;
}

static void on_changed(void *userdata)
{
	(void)userdata;
	world.changed = true;
}

static void on_ready(void *userdata)
{
	(void)userdata;
	world.n_ready++;
}

static void on_failed(void *userdata)
{
	(void)userdata;
	world.n_failed++;
}

static void hand_again(void *userdata, int fd)
{
	(void)userdata;
	assert_int_equal(world.handed_again, -1);
	world.handed_again = fd;
}

void peer_deinit(struct peer *peer)
{
	(void)peer;
}

void journal_client(enum log_kind kind, enum journal_event event, int priority,
		    const struct journal_context *context, const char *fmt, ...)
{
	va_list ap;

	(void)kind;
	(void)event;
	(void)priority;
	(void)context;
	va_start(ap, fmt);
	(void)vsnprintf(world.journal, sizeof(world.journal), fmt, ap);
	va_end(ap);
}

static void on_gone(void *userdata)
{
	(void)userdata;
	world.n_gone++;
}

static void dispatch(void *userdata, struct session *session)
{
	(void)userdata;
	world.n_requests++;
	session_on_gone(session, on_gone, NULL);
	if (world.answer_at_once)
		session_reply(session, json_pack("{s:i}", "n", (int)world.n_requests),
			      false);
}

static void on_archive(void *userdata, struct session *session)
{
	(void)userdata;
	(void)session;
	world.n_archive++;
}

static void on_up(void *userdata)
{
	(void)userdata;
	world.up = true;
}

static void on_down(void *userdata, int error)
{
	(void)userdata;
	(void)error;
}

static void on_started(void *userdata, uint64_t number, pid_t pid)
{
	(void)userdata;
	if (world.session && world.session->id == number)
		session_process_started(world.session, pid);
}

static void on_ended(void *userdata, uint64_t number)
{
	(void)userdata;
	if (world.session && world.session->id == number)
		session_process_ended(world.session);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* --- the world ------------------------------------------------------------------- */

/* One turn of the loop, and then the server's own, as its timer has it. */
static void turn(void)
{
	uv_run(&world.loop, UV_RUN_ONCE);
	if (world.changed && world.session) {
		world.changed = false;
		session_settle(world.session);
	}
}

static void start_loop(void)
{
	static const struct spawner_events events = {on_up, on_down, on_started,
						     on_ended};
	static const struct session_events session_events = {.dispatch = dispatch,
							     .archive = on_archive,
							     .changed = on_changed,
							     .ready = on_ready,
							     .failed = on_failed,
							     .hand_again = hand_again,
							     .has = has,
							     .forget = forget};

	memset(&world, 0, sizeof(world));
	world.handed_again = world.client = -1;
	world.down.message_bytes_max = SESSION_WORD_BYTES_MAX;
	world.limits.request_timeout_sec = 30;
	world.set.daemon = &world.limits;
	world.config.set = &world.set;
	world.host = (struct session_host){.loop = &world.loop,
					   .config = &world.config,
					   .spawner = &world.to_spawner,
					   .events = &session_events};
	fake_spawner_init(&world.spawner);
	assert_int_equal(uv_loop_init(&world.loop), 0);
	assert_int_equal(uv_timer_init(&world.loop, &world.tick), 0);
	assert_int_equal(uv_timer_start(&world.tick, on_tick, 1, 1), 0);
	assert_int_equal(spawner_start(&world.to_spawner, &world.loop,
				       world.spawner.path, &events, &world),
			 0);
	while (!world.up)
		turn();
	fake_spawner_accept(&world.spawner);
}

static void start_session(void)
{
	static uint64_t last_id;
	char line[64];

	world.session = session_new(&world.host, ++last_id);
	assert_non_null(world.session);
	assert_true(fake_spawner_take(&world.spawner, &world.ends) == last_id);
	world.pid = fork();
	if (world.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close_range(3, ~0U, 0); /* the ends are the test's alone */
		for (;;)
			(void)pause();
	}
	(void)snprintf(line, sizeof(line), "started %d %d\n", (int)last_id,
		       (int)world.pid);
	fake_spawner_say(&world.spawner, line);
	while (world.session->pid == 0)
		turn();
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Everything goes, and nothing is left: of the session, on the loop, in memory. */
static void end_session(void)
{
	char line[64];

	channel_ends_close(&world.ends);
	(void)kill(world.pid, SIGKILL);
	assert_int_equal(waitpid(world.pid, NULL, 0), world.pid);
	if (world.session) {
		(void)snprintf(line, sizeof(line), "ended %d\n",
			       (int)world.session->id);
		fake_spawner_say(&world.spawner, line);
	}
	while (world.session)
		turn();
	close_end(&world.client);
	close_end(&world.handed_again);
	varlink_buffer_deinit(&world.down);
	world.n_ready = world.n_failed = world.n_requests = 0;
	world.n_archive = world.n_gone = world.n_lines_end = 0;
	world.journal[0] = '\0';
	world.changed = world.alone = false;
}

static void end_loop(void)
{
	spawner_stop(&world.to_spawner);
	uv_close((uv_handle_t *)&world.tick, NULL);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	fake_spawner_deinit(&world.spawner);
}

static int setup(void **state)
{
	(void)state;
	start_loop();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	/* Only after a failure. */
	if (world.session)
		session_abandon(world.session);
	end_loop();
	return 0;
}

/* --- what the process does ---------------------------------------------------------
 */

static void say_bytes(const char *text, size_t length)
{
	assert_int_equal(write(world.ends.report, text, length), length);
}

/* Turns of the loop until deployd has read all, and has had time to act on it. */
static void let_read(void)
{
	int left = 1;

	while (left > 0) {
		turn();
		assert_int_equal(ioctl(world.ends.report, FIONREAD, &left), 0);
	}
	turn();
}

static size_t cut_at; /* in each word; 0: none */

static void say(const char *text)
{
	size_t length = strlen(text) + 1, cut = cut_at % length;

	if (cut > 0) {
		say_bytes(text, cut);
		let_read();
	}
	say_bytes(text + cut, length - cut);
	let_read();
}

/* The next word that deployd has sent; NULL: none. Caller decrefs. */
static json_t *hear(void)
{
	char data[4096];
	json_t *word = NULL;
	ssize_t n;

	assert_int_equal(fcntl(world.ends.words, F_SETFL, O_NONBLOCK), 0);
	turn();
	while (varlink_buffer_take(&world.down, &word) == 0) {
		n = read(world.ends.words, data, sizeof(data));
		if (n <= 0)
			return NULL;
		assert_int_equal(varlink_buffer_add(&world.down, data, (size_t)n), 0);
	}
	return word;
}

static void expect_heard(const char *type)
{
	json_t *word = hear();

	assert_non_null(word);
	assert_string_equal(json_string_value(json_object_get(word, "type")), type);
	json_decref(word);
}

static void expect_nothing_heard(void)
{
	assert_null(hear());
}

static int take_fd(void)
{
	char byte;
	int fd = -1;
	size_t n;

	assert_int_equal(fd_receive(world.ends.fds, &byte, 1, &fd, 1, &n), 1);
	assert_int_equal(n, 1);
	return fd;
}

static void hand_over(void)
{
	static const struct peer peer = {.uid = 4711, .user = "alice"};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	world.client = ends[0];
	assert_int_equal(session_hand(world.session, &ends[1], &peer, NULL), 0);
	assert_int_equal(ends[1], -1);
	session_start(world.session);
}

enum stage {
	STARTING,
	IDLE,
	HANDED,
	CONNECTED,
	BUSY,
	ASKED, /* for the archive */
	COMPLETE,
	ALONE,
	N_STAGES
};

static void get_to(enum stage stage)
{
	start_session();
	if (stage >= IDLE)
		say(READY);
	if (stage >= HANDED) {
		hand_over();
		expect_heard("connection");
	}
	if (stage >= CONNECTED) {
		close_end(&(int){take_fd()});
		say(TAKEN);
	}
	if (stage >= BUSY)
		say(REQUEST);
	if (stage >= ASKED) {
		assert_int_equal(session_archive_open(world.session, 0), 0);
		expect_heard("archive");
	}
	if (stage >= COMPLETE)
		say("{\"type\":\"archive\",\"state\":\"complete\",\"bytes\":7,"
		    "\"total\":7}");
	if (stage >= ALONE)
		say(GONE);
}

static bool is_over(void)
{
	return !world.session || world.session->state == SESSION_STATE_OVER;
}

static bool was_killed(void)
{
	siginfo_t info = {0};

	assert_int_equal(
		waitid(P_PID, (id_t)world.pid, &info, WEXITED | WNOWAIT | WNOHANG), 0);
	return info.si_pid == world.pid;
}

static void wait_killed(void)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)world.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, SIGKILL);
}

/* --- tests -------------------------------------------------------------------------
 */

static void on_lines_end(void *userdata)
{
	(void)userdata;
	world.n_lines_end++;
}

/* Every word of a session in one conversation, each cut at the same byte. */
static void words_may_be_cut_at_every_byte(void **state)
{
	(void)state;
	for (cut_at = 0; cut_at < sizeof(REQUEST); cut_at++) {
		int ends[2];

		get_to(BUSY);
		assert_int_equal(world.n_ready, 1);
		assert_int_equal(world.n_requests, 1);
		assert_int_equal(world.session->request, 1);
		assert_int_equal(world.session->n_fds, 1);
		session_check(world.session);
		expect_heard("ping");
		assert_true(world.session->pinged);
		say("{\"type\":\"pong\",\"number\":1}");
		assert_false(world.session->pinged);
		assert_int_equal(session_archive_open(world.session, 0), 0);
		expect_heard("archive");
		say("{\"type\":\"archive\",\"state\":\"flows\",\"bytes\":3,\"total\":"
		    "7}");
		assert_int_equal(world.session->archive.state, ARCHIVE_STATE_FLOWS);
		say("{\"type\":\"archive\",\"state\":\"complete\",\"bytes\":7,"
		    "\"total\":7}");
		assert_int_equal(world.session->archive.state, ARCHIVE_STATE_COMPLETE);
		assert_int_equal(world.session->archive.bytes, 7);
		assert_int_equal(world.n_archive, 2);
		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		assert_int_equal(
			session_send_lines(world.session, ends[0], on_lines_end, NULL),
			0);
		expect_heard("lines");
		close_end(&(int){take_fd()});
		say("{\"type\":\"lines-end\",\"request\":1}");
		assert_int_equal(world.n_lines_end, 1);
		session_reply(world.session, NULL, false);
		expect_heard("reply");
		expect_nothing_heard();
		say("{\"type\":\"trouble\",\"what\":\"stalled\"}");
		assert_non_null(strstr(world.journal, "does not read its replies"));
		say(GONE);
		assert_int_equal(world.n_gone, 1);
		assert_int_equal(world.session->state, SESSION_STATE_ALONE);
		assert_false(was_killed());
		(void)close(ends[0]);
		(void)close(ends[1]);
		end_session();
		assert_int_equal(world.handed_again, -1);
	}
	cut_at = 0;
}

static void each_request_is_answered_once(void **state)
{
	json_t *word;

	(void)state;
	get_to(CONNECTED);
	world.answer_at_once = true;
	for (int i = 1; i <= 20; i++) {
		char text[128];

		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"request\",\"request\":%d,\"fds\":0,"
			       "\"call\":{\"method\":\"a.B\"}}",
			       i);
		say(text);
		word = hear();
		assert_non_null(word);
		assert_int_equal(json_integer_value(json_object_get(word, "request")),
				 i);
		assert_true(json_is_false(json_object_get(word, "continues")));
		assert_int_equal(json_integer_value(json_object_get(
					 json_object_get(word, "parameters"), "n")),
				 i);
		json_decref(word);
		expect_nothing_heard();
	}
	assert_int_equal(world.n_requests, 20);
	end_session();
}

#define CALL	   ",\"call\":{\"method\":\"a.B\"}}"
#define ALL	   ((1u << N_STAGES) - 1)
#define BIT(stage) (1u << (stage))

static const struct {
	unsigned int stages; /* where it is a lie */
	const char *text;
} lies[] = {
	{ALL, "{}"},
	{ALL, "{\"type\":7}"},
	{ALL, "{\"type\":\"surprise\"}"},
	{ALL, "[]"},
	{ALL, "x"},
	{ALL, ""},
	{ALL, "{\"type\":\"ready\",\"version\":0}"},
	{ALL, "{\"type\":\"ready\",\"version\":2}"},
	{ALL, "{\"type\":\"ready\",\"version\":4294967297}"},
	{ALL, "{\"type\":\"ready\"}"},
	{ALL & ~BIT(STARTING), READY},
	{ALL & ~BIT(HANDED), TAKEN},
	{ALL, "{\"type\":\"pong\",\"number\":0}"},
	{ALL, "{\"type\":\"pong\",\"number\":1}"},
	{ALL & ~BIT(CONNECTED), REQUEST},
	{BIT(BUSY) | BIT(ASKED) | BIT(COMPLETE),
	 "{\"type\":\"request\",\"request\":2,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":0,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":2,\"fds\":9" CALL},
	{ALL, "{\"type\":\"request\",\"request\":3,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":-1,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":4294967297,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":9223372036854775807,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":18446744073709551617,\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":\"1\",\"fds\":0" CALL},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":-1" CALL},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":9" CALL},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":4294967296" CALL},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":0}"},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":0,\"call\":[]}"},
	{ALL, "{\"type\":\"request\",\"request\":1,\"fds\":0,\"call\":{}}"},
	{ALL & ~BIT(ASKED) & ~BIT(COMPLETE) & ~BIT(ALONE),
	 "{\"type\":\"archive\",\"state\":\"complete\",\"bytes\":7,\"total\":7}"},
	{ALL, "{\"type\":\"archive\",\"state\":\"complete\",\"bytes\":-7}"},
	{ALL, "{\"type\":\"archive\",\"state\":\"flows\",\"bytes\":7,\"total\":-1}"},
	{ALL,
	 "{\"type\":\"archive\",\"state\":\"flows\",\"bytes\":9223372036854775808}"},
	{ALL, "{\"type\":\"archive\",\"bytes\":7}"},
};

/* It is ended, the process is killed, and who waits for it hears of that once. */
static void expect_caught(enum stage stage, const char *text)
{
	if (!is_over())
		print_message("stage %d: %s\n", (int)stage, text);
	assert_true(is_over());
	wait_killed();
	assert_non_null(strstr(world.journal, "ending session"));
	assert_int_equal(world.n_failed, stage == STARTING ? 1 : 0);
	assert_int_equal(world.n_requests, stage >= BUSY ? 1 : 0);
	assert_int_equal(world.n_gone, stage >= BUSY ? 1 : 0);
	assert_int_equal(world.n_archive, stage >= ASKED ? 1 : 0);
	/* A connection that it was handed and has not taken is never lost. */
	assert_int_equal(world.handed_again >= 0, false);
}

static void lies_end_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		for (enum stage stage = 0; stage < N_STAGES; stage++) {
			if (!(lies[i].stages & BIT(stage)))
				continue;
			get_to(stage);
			if (stage == HANDED) /* it has it, and does not say so */
				close_end(&(int){take_fd()});
			say(lies[i].text);
			expect_caught(stage, lies[i].text);
			end_session();
		}
	}
}

/* Late or needless, but nothing that could do harm: the session goes on. */
static void what_is_only_late_is_ignored(void **state)
{
	static const char *const texts[] = {
		"{\"type\":\"lines-end\",\"request\":1}",
		"{\"type\":\"lines-end\",\"request\":99}",
		"{\"type\":\"trouble\",\"what\":\"nothing that is known\"}",
		"{\"type\":\"trouble\"}",
	};

	(void)state;
	for (enum stage stage = IDLE; stage < N_STAGES; stage++) {
		get_to(stage);
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			say(texts[i]);
		if (stage == COMPLETE) {
			say("{\"type\":\"archive\",\"state\":\"failed\",\"bytes\":7,"
			    "\"message\":\"no\"}");
			say("{\"type\":\"archive\",\"state\":\"complete\",\"bytes\":"
			    "7}");
			assert_int_equal(world.session->archive.state,
					 ARCHIVE_STATE_COMPLETE);
		}
		if (stage == ALONE)
			say(GONE);
		assert_false(is_over());
		assert_int_equal(world.n_archive, stage >= COMPLETE ? 1 : 0);
		assert_int_equal(world.n_gone, stage == ALONE ? 1 : 0);
		end_session();
	}
}

/* The connection is in exactly one place, and open: the next session gets it. */
static void it_may_die_at_every_byte_before_taken(void **state)
{
	char byte;

	(void)state;
	for (int took = 0; took < 2; took++) {
		for (size_t cut = 0; cut <= sizeof(TAKEN); cut++) {
			bool told = cut == sizeof(TAKEN);

			get_to(HANDED);
			if (took)
				close_end(&(int){take_fd()});
			if (cut > 0)
				say_bytes(TAKEN, cut);
			channel_ends_close(&world.ends);
			while (!is_over())
				turn();
			assert_int_equal(world.handed_again >= 0, !took && !told);
			assert_int_equal(world.n_failed, 0);
			if (world.handed_again >= 0) {
				assert_int_equal(write(world.handed_again, "!", 1), 1);
				assert_int_equal(read(world.client, &byte, 1), 1);
				assert_true(fcntl(world.handed_again, F_GETFD) &
					    FD_CLOEXEC);
				close_end(&world.handed_again);
			}
			/* And nowhere else: the client sees the end. */
			assert_int_equal(recv(world.client, &byte, 1, MSG_DONTWAIT), 0);
			end_session();
		}
	}
}

/* At every stage: the pipe, or the process first. */
static void it_may_die_at_every_stage(void **state)
{
	(void)state;
	for (enum stage stage = 0; stage < N_STAGES; stage++) {
		for (int process_first = 0; process_first < 2; process_first++) {
			get_to(stage);
			if (process_first) {
				(void)kill(world.pid, SIGKILL);
				while (world.session && !world.session->ended)
					turn();
			}
			channel_ends_close(&world.ends);
			while (!is_over())
				turn();
			assert_int_equal(world.handed_again >= 0, stage == HANDED);
			assert_int_equal(world.n_failed, stage == STARTING ? 1 : 0);
			assert_int_equal(world.n_gone, stage >= BUSY ? 1 : 0);
			assert_int_equal(world.n_archive, stage >= ASKED ? 1 : 0);
			if (stage == ASKED && world.session)
				assert_int_equal(world.session->archive.state,
						 ARCHIVE_STATE_FAILED);
			end_session();
		}
	}
}

/* The server stops, and no turn of its own follows. */
static void one_that_nobody_has_is_freed_behind_its_last_callback(void **state)
{
	(void)state;
	for (enum stage stage = 0; stage < N_STAGES; stage++) {
		get_to(stage);
		world.alone = true;
		channel_ends_close(&world.ends);
		while (!is_over())
			turn();
		(void)kill(world.pid, SIGKILL);
		while (world.session)
			turn();
		end_session();
	}
}

/* The request is still being worked on when its session goes: the answer is lost only.
 */
static void an_answer_to_a_session_that_died_is_harmless(void **state)
{
	(void)state;
	get_to(BUSY);
	channel_ends_close(&world.ends);
	while (!is_over())
		turn();
	session_reply(world.session, json_pack("{s:i}", "n", 1), true);
	session_reply(world.session, json_pack("{s:i}", "n", 2), false);
	session_archive_drop(world.session);
	session_close(world.session);
	end_session();
}

static void one_that_never_reads_is_hung(void **state)
{
	char *text = calloc(1, 900001);
	unsigned int n = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 900000);
	get_to(BUSY);
	while (!is_over()) {
		assert_true(++n <= CHANNEL_UNSENT_BYTES_MAX / 900000 + 2);
		session_reply(world.session, json_pack("{s:s}", "x", text), true);
		turn();
	}
	assert_true(world.session->hung);
	assert_string_equal(session_state_name(world.session), "hung");
	assert_non_null(strstr(world.journal, "hangs"));
	wait_killed();
	assert_int_equal(world.n_gone, 1);
	free(text);
	end_session();
}

/* Time is moved, not waited for. */
static void one_that_does_not_answer_a_ping_is_hung(void **state)
{
	(void)state;
	for (enum stage stage = HANDED; stage < N_STAGES; stage++) {
		get_to(stage);
		session_check(world.session);
		assert_true(world.session->pinged);
		session_check(world.session); /* not yet */
		assert_false(is_over());
		world.session->ping_ms -= SESSION_HUNG_MSEC;
		session_check(world.session);
		assert_true(is_over());
		assert_true(world.session->hung);
		wait_killed();
		/* Its connection comes back, if it is still in the socket. */
		assert_int_equal(world.handed_again >= 0, stage == HANDED);
		end_session();
	}
}

static void an_answer_to_another_ping_is_a_lie(void **state)
{
	static const char *const numbers[] = {"0",	    "2",   "-1",
					      "4294967297", "1.0", "\"1\""};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		char text[64];

		get_to(CONNECTED);
		session_check(world.session);
		(void)snprintf(text, sizeof(text), "{\"type\":\"pong\",\"number\":%s}",
			       numbers[i]);
		say(text);
		expect_caught(CONNECTED, text);
		end_session();
	}
}

/* deployd closes, and the process says on what it had begun. */
static void nothing_is_heard_of_a_closed_session(void **state)
{
	(void)state;
	get_to(ASKED);
	session_close(world.session);
	assert_int_equal(world.n_archive, 1);
	(void)!write(world.ends.report, GONE, sizeof(GONE)); /* or nobody is there */
	turn();
	assert_int_equal(world.n_gone, 1);
	assert_int_equal(world.n_archive, 1);
	assert_true(is_over());
	end_session();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(words_may_be_cut_at_every_byte),
		TEST(each_request_is_answered_once),
		TEST(lies_end_it),
		TEST(what_is_only_late_is_ignored),
		TEST(it_may_die_at_every_byte_before_taken),
		TEST(it_may_die_at_every_stage),
		TEST(one_that_nobody_has_is_freed_behind_its_last_callback),
		TEST(an_answer_to_a_session_that_died_is_harmless),
		TEST(one_that_never_reads_is_hung),
		TEST(one_that_does_not_answer_a_ping_is_hung),
		TEST(an_answer_to_another_ping_is_a_lie),
		TEST(nothing_is_heard_of_a_closed_session),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	/* tests/server/mutants runs those that must find a mistake. */
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
