/*
 * The methods that only ask, and those that wait for somebody else's answer: the
 * service manager, deployd-store, the name service, a reload, a journal. Their clients
 * may have gone by then.
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/output.h"
#include "server/peer.h"
#include "server/session.h"
#include "util/session_protocol.h"

#define CALL(member, parameters)                                                       \
	"{\"method\":\"io.deployd." member "\",\"parameters\":" parameters "}"
#define HELLO "{\"app\":\"hello\"}"

#define NEW "20250102000000"
#define OLD "20250101000000"
#define VIEW(more)                                                                     \
	"{\"current\":\"" NEW "\",\"previous\":\"" OLD                                 \
	"\",\"activated_at\":\"2025-01-02T00:00:00Z\",\"activated_by\":{\"uid\":1001," \
	"\"user\":\"alice\"}," more "\"releases\":["                                   \
	"{\"id\":\"" NEW "\",\"state\":\"good\",\"version\":\"1.2\",\"bytes\":7,"      \
	"\"files\":2,\"pinned\":true},"                                                \
	"{\"id\":\"" OLD "\",\"state\":\"bad\",\"evidence\":{\"reason\":\"it died\","  \
	"\"unit_result\":\"exit-code\",\"check_output\":\"secret check\","             \
	"\"journal\":[\"secret line\"]}}]}"

static void expect_text(json_t *parameters, const char *text)
{
	char *all = json_dumps(parameters, JSON_COMPACT | JSON_SORT_KEYS);

	if (!strstr(all, text))
		fail_msg("no '%s' in %s", text, all);
	free(all);
}

/* The parameters of the reply have each of these texts; NULL ends them. */
static void expect_texts(struct process *process, const char *const *texts)
{
	json_t *parameters = room_expect_ok(process);

	for (; *texts; texts++)
		expect_text(parameters, *texts);
	json_decref(parameters);
}

#define EXPECT(process, ...)                                                           \
	expect_texts(process, (const char *const[]){__VA_ARGS__, NULL})

static void be_unit(const char *active, const char *sub, uint32_t main_pid)
{
	room.unit = (struct unit_state){.main_pid = main_pid,
					.active_enter_usec = 1735776000000000};
	(void)strcpy(room.unit.active_state, active);
	(void)strcpy(room.unit.sub_state, sub);
}

static void verify(enum verification_verdict verdict, const char *reason)
{
	struct parked verification = room.verification;
	struct verification_outcome outcome = {.verdict = verdict};

	assert_non_null(verification.verified);
	(void)snprintf(outcome.reason, sizeof(outcome.reason), "%s", reason);
	room.verification.verified = NULL;
	verification.verified(verification.userdata, &outcome);
}

/* --- status
 * ---------------------------------------------------------------------------- */

static void status_is_of_the_unit_and_the_release(void **state)
{
	static const struct {
		const char *view, *active, *expected[4];
	} cases[] = {
		{NULL,
		 "active",
		 {"\"state\":\"degraded\"", "\"reason\":\"not recovered yet\"",
		  "\"health\":\"none\"", "\"release\":null"}},
		{"{\"releases\":[]}",
		 "inactive",
		 {"\"state\":\"none\"", "\"health\":\"none\"", "\"reason\":null"}},
		{VIEW(""),
		 "active",
		 {"\"state\":\"live\"", "\"health\":\"healthy\"", "\"version\":\"1.2\"",
		  "\"activeSince\":\"2025-01-02T00:00:00Z\""}},
		{VIEW(""),
		 "reloading",
		 {"\"state\":\"live\"", "\"health\":\"healthy\""}},
		{VIEW(""),
		 "activating",
		 {"\"health\":\"starting\"", "\"activeSince\":null"}},
		{VIEW(""), "deactivating", {"\"health\":\"stopped\""}},
		{VIEW(""), "", {"\"health\":\"unknown\"", "\"unitState\":\"unknown\""}},
		{VIEW(""),
		 "failed",
		 {"\"health\":\"failed\"", "\"state\":\"degraded\"",
		  "\"reason\":\"the unit has failed\""}},
		{VIEW("\"degraded\":\"it is a file\","),
		 "active",
		 {"\"state\":\"degraded\"", "\"reason\":\"it is a file\""}},
		{VIEW("\"failed\":\"no answer\","),
		 "active",
		 {"\"state\":\"degraded\"", "\"reason\":\"no answer\""}},
		{"{\"current\":\"" OLD "\",\"releases\":[{\"id\":\"" OLD
		 "\",\"state\":\"bad\"}]}",
		 "active",
		 {"\"reason\":\"the current release is bad; roll back"}},
		{"{\"current\":\"" OLD "\",\"releases\":[{\"id\":\"" OLD
		 "\",\"state\":\"unknown\"}]}",
		 "active",
		 {"what was known of the current release was lost"}},
		{VIEW("\"hold\":{\"reason\":\"fair\",\"until_sec\":0,\"by\":{\"uid\":0,"
		      "\"user\":\"root\"}},"),
		 "active",
		 {"\"held\":true", "\"reason\":\"fair\"", "\"until\":null"}},
		{VIEW("\"confirm\":{\"release\":\"" NEW "\",\"from\":\"" OLD
		      "\",\"deadline_sec\":4102444800,\"by\":{\"uid\":0,\"user\":"
		      "\"root\"}},"),
		 "active",
		 {"\"confirmBy\":\"2100-01-01T00:00:00Z\"", "\"held\":false"}},
	};
	struct process *process = room_connect(ROOM_BOB);

	(void)state;
	room.flag_trouble = "the flag cannot be seen";
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *parameters;

		if (cases[i].view)
			room_take_view("hello", cases[i].view);
		be_unit(cases[i].active, cases[i].active, 0);
		room_ask(process, CALL("Status", HELLO));
		parameters = room_expect_ok(process);
		for (int k = 0; k < 4 && cases[i].expected[k]; k++)
			expect_text(parameters, cases[i].expected[k]);
		expect_text(parameters, "\"flagTrouble\":\"the flag cannot be seen\"");
		expect_text(parameters, "\"job\":null");
		json_decref(parameters);
	}
	room_end(process);
}

static void a_job_shows_in_the_status(void **state)
{
	struct process *process = room_connect(ROOM_ALICE),
		       *other = room_connect(ROOM_BOB);

	(void)state;
	room_take_view("hello", VIEW(""));
	room_ask(process, CALL("Restart", HELLO));
	room_let_read(process);
	room_ask(other, CALL("Status", HELLO));
	EXPECT(other, "\"kind\":\"restart\"", "\"phase\":\"restarting\"");
	room_ask(other, CALL("List", "{}"));
	EXPECT(other, "\"kind\":\"restart\"");
	room_end(process);
	room_end(other);
}

static void a_verdict_is_asked_for_once_in_a_while(void **state)
{
	struct process *process = room_connect(ROOM_BOB);

	(void)state;
	room_take_view("hello", VIEW(""));
	be_unit("active", "running", 77);
	room_ask(process, CALL("Status", HELLO));
	ROOM_UNTIL(room.verification.verified);
	assert_int_equal(room.service.n_verifying, 1);
	verify(VERIFICATION_DRIFT, "pid 77 runs from " OLD);
	EXPECT(process, "\"verified\":false", "\"drift\":\"pid 77 runs from " OLD "\"");
	assert_int_equal(room.service.n_verifying, 0);
	/* Fresh: what was learnt is said again. */
	room_ask(process, CALL("Status", HELLO));
	EXPECT(process, "\"verified\":false", "\"drift\":\"pid 77 runs");
	assert_int_equal(room.n_verifications, 1);
	/* Of another process, or after a while, it is asked for anew. */
	be_unit("active", "running", 78);
	room_ask(process, CALL("Status", HELLO));
	ROOM_UNTIL(room.verification.verified);
	verify(VERIFICATION_VERIFIED, "");
	EXPECT(process, "\"verified\":true", "\"drift\":null");
	room.skew_ms += STATUS_VERIFIED_FRESH_MSEC;
	room_ask(process, CALL("Status", HELLO));
	ROOM_UNTIL(room.verification.verified);
	verify(VERIFICATION_UNKNOWN, "");
	EXPECT(process, "\"verified\":null");
	assert_int_equal(room.n_verifications, 3);
	/* No more than some at once. */
	room.skew_ms += STATUS_VERIFIED_FRESH_MSEC;
	room.service.n_verifying = STATUS_VERIFYING_MAX;
	room_ask(process, CALL("Status", HELLO));
	EXPECT(process, "\"verified\":null");
	room.service.n_verifying = 0;
	assert_int_equal(room.n_verifications, 3);
	room_end(process);
}

/* A client that hung up costs nothing but the answer, whenever that comes. */
static void an_answer_that_nobody_waits_for_is_dropped(void **state)
{
	struct process *process = room_connect(ROOM_BOB);

	(void)state;
	room_take_view("hello", VIEW(""));
	be_unit("active", "running", 77);
	room.units_are_late = true;
	room_ask(process, CALL("Status", HELLO));
	ROOM_UNTIL(room.n_queries == 1);
	room_end(process);
	room.units_are_late = false;
	ROOM_UNTIL(room.verification.verified);
	verify(VERIFICATION_VERIFIED, "");
	process = room_connect(ROOM_BOB);
	room.units_are_late = true;
	room_ask(process, CALL("List", "{}"));
	ROOM_UNTIL(room.n_queries == 1);
	room_end(process);
	room.units_are_late = false;
	room_settle();
	process = room_connect(ROOM_ALICE);
	room_ask(process, CALL("History", HELLO));
	ROOM_UNTIL(room.store);
	room_end(process);
	assert_int_equal(room.n_queries, 0); /* the rest is the teardown's */
}

static void without_an_answer_of_the_manager_there_is_one_here(void **state)
{
	struct process *process = room_connect(ROOM_BOB);

	(void)state;
	room_take_view("hello", VIEW(""));
	room.unit_error = -ETIMEDOUT;
	room_ask(process, CALL("Status", HELLO));
	EXPECT(process, "\"unitState\":\"unknown\"", "\"state\":\"live\"");
	room_ask(process, CALL("List", "{}"));
	EXPECT(process, "\"unitState\":\"unknown\"", "\"state\":\"live\"");
	room.units_without_memory = true;
	room_ask(process, CALL("Status", HELLO));
	EXPECT(process, "\"unitState\":\"unknown\"");
	room_ask(process, CALL("List", "{}"));
	EXPECT(process, "\"apps\":[null]");
	room_end(process);
}

static void a_list_has_the_apps_that_one_knows_in_order(void **state)
{
	struct process *erin = room_connect(ROOM_ERIN), *dave = room_connect(ROOM_DAVE);
	json_t *parameters, *apps;

	(void)state;
	room.units_are_late = true;
	room_ask(erin, CALL("List", "{}"));
	ROOM_UNTIL(room.n_queries == 3);
	/* The answers come the wrong way round. */
	for (int i = 2; i >= 0; i--) {
		room_expect_silence(erin);
		room.queries[i].state(room.queries[i].userdata, 0, &room.unit);
	}
	room.n_queries = 0;
	room.units_are_late = false;
	parameters = room_expect_ok(erin);
	apps = json_object_get(parameters, "apps");
	assert_int_equal(json_array_size(apps), 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_string_value(json_object_get(
					    json_array_get(apps, i), "app")),
				    room.config.set->apps[i]->app_name);
	json_decref(parameters);
	room_ask(dave, CALL("List", "{}"));
	EXPECT(dave, "\"apps\":[]");
	room_end(erin);
	room_end(dave);
}

/* --- releases, history, jobs
 * -------------------------------------------------------------- */

static void releases_are_shown(void **state)
{
	struct process *alice = room_connect(ROOM_ALICE), *bob = room_connect(ROOM_BOB);

	(void)state;
	room_ask(bob, CALL("Releases", HELLO));
	room_expect_error(bob, "io.deployd.Failed",
			  "the releases of hello are not known: not recovered yet");
	room_ask(bob, CALL("Show", HELLO));
	room_expect_error(bob, "io.deployd.Failed", "are not known");
	room_take_view("hello", "{\"releases\":[]}");
	room_ask(bob, CALL("Show", HELLO));
	room_expect_error(bob, "io.deployd.NotFound", "nothing is deployed of ");
	room_take_view("hello", VIEW(""));
	room_ask(alice, CALL("Releases", HELLO));
	EXPECT(alice, "\"id\":\"" NEW "\"", "\"state\":\"current\"", "\"pinned\":true",
	       "\"reason\":\"it died\"", "\"journal\":[]", "\"checkOutput\":null");
	room_ask(alice, CALL("Show", "{\"app\":\"hello\",\"release\":\"" OLD "\"}"));
	EXPECT(alice, "\"journal\":[\"secret line\"]",
	       "\"checkOutput\":\"secret check\"", "\"current\":false");
	room_ask(bob, CALL("Show", "{\"app\":\"hello\",\"release\":\"" OLD "\"}"));
	EXPECT(bob, "\"journal\":[]", "\"checkOutput\":null", "\"state\":\"bad\"");
	room_ask(bob, CALL("Show", HELLO));
	EXPECT(bob, "\"current\":true", "\"evidence\":null", "\"version\":\"1.2\"");
	room_ask(bob, CALL("Show", "{\"app\":\"hello\",\"release\":\"\\u0007\"}"));
	room_expect_error(bob, "io.deployd.NotFound", "no release \\\\x07 of hello");
	room_end(alice);
	room_end(bob);
}

static void store_ends(enum deploy_result result, const char *json)
{
	struct store_call *call = room.store;
	struct errinfo error = {.result = result, .what = "the file is damaged"};
	json_t *reply = json_loads(json, 0, NULL);

	assert_non_null(call);
	room.store = NULL;
	call->done(call, result, result == RESULT_OK ? reply : NULL, &error);
	json_decref(reply);
}

static void history_is_read_by_deployd_store(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	room_ask(process, CALL("History", "{\"app\":\"hello\",\"limit\":7}"));
	ROOM_UNTIL(room.store);
	assert_int_equal(
		json_integer_value(json_object_get(room.store_fields, "limit")), 7);
	store_ends(RESULT_OK, "{\"entries\":[{\"id\":\"x\",\"took_ms\":5,\"new\":1}]}");
	EXPECT(process, "\"id\":\"x\"", "\"tookMs\":5", "\"restartGapMs\":null");
	room_ask(process, CALL("History", HELLO));
	ROOM_UNTIL(room.store);
	store_ends(RESULT_FAILED, "{}");
	room_expect_error(process, "io.deployd.Failed", "the file is damaged");
	room.store_cannot_start = true;
	room_ask(process, CALL("History", HELLO));
	room_expect_error(process, "io.deployd.Failed", "cannot start deployd-store");
	room_ask(process, CALL("History", "{\"app\":\"hello\",\"limit\":0}"));
	room_expect_error(process, "io.deployd.InvalidRequest",
			  "limit must be 1 to 1000");
	room_ask(process, CALL("History", "{\"app\":\"hello\",\"limit\":1001}"));
	room_expect_error(process, "io.deployd.InvalidRequest",
			  "limit must be 1 to 1000");
	room_end(process);
}

static void jobs_are_listed_the_latest_first(void **state)
{
	struct process *process = room_connect(ROOM_ALICE),
		       *dave = room_connect(ROOM_DAVE);
	json_t *parameters, *jobs;
	char *text;

	(void)state;
	for (int i = 0; i < MANAGER_FINISHED_MAX + 2; i++) {
		room_ask(process, i % 2 ? CALL("Stop", HELLO) : CALL("Start", HELLO));
		room_let_read(process);
		room_finish_all(i % 2);
		json_decref(room_reply(process));
	}
	room_ask(process, CALL("Enable", "{\"app\":\"hello\",\"wait\":false}"));
	json_decref(room_expect_ok(process));
	room_ask(process, CALL("Jobs", "{}"));
	parameters = room_expect_ok(process);
	jobs = json_object_get(parameters, "jobs");
	assert_int_equal(json_array_size(jobs), MANAGER_FINISHED_MAX + 1);
	for (size_t i = 0; i < 3; i++) {
		static const char *const kinds[] = {"\"enable\"", "\"stop\"",
						    "\"start\""};

		text = json_dumps(json_array_get(jobs, i), 0);
		assert_non_null(strstr(text, kinds[i]));
		free(text);
	}
	json_decref(parameters);
	room_ask(dave, CALL("Jobs", "{}"));
	EXPECT(dave, "\"jobs\":[]");
	room_end(process);
	room_end(dave);
}

/* An answer that no client takes is an error that says what to do. */
static void an_answer_may_be_too_long(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	json_t *entries = json_array(), *reply;
	char long_text[9000];
	char *text;

	(void)state;
	(void)memset(long_text, 'x', sizeof(long_text));
	for (int i = 0; i < 120; i++)
		(void)json_array_append_new(
			entries,
			json_pack("{s:s%}", "id", long_text, sizeof(long_text)));
	reply = json_pack("{s:o}", "entries", entries);
	text = json_dumps(reply, 0);
	json_decref(reply);
	room_ask(process, CALL("History", HELLO));
	ROOM_UNTIL(room.store);
	store_ends(RESULT_OK, text);
	free(text);
	room_expect_error(process, "io.deployd.Failed",
			  "the answer is longer than a message may be (1048576 bytes)");
	room_end(process);
}

/* --- logs
 * -----------------------------------------------------------------------------------
 */

#define LOGS "{\"method\":\"io.deployd.Logs\",\"more\":true,\"parameters\":" HELLO "}"

static struct process *with_logs(int *ret_pipe)
{
	struct process *process = room_connect(ROOM_ALICE);
	json_t *word;

	room_ask(process, LOGS);
	word = room_expect(process, "lines");
	assert_int_equal(json_integer_value(json_object_get(word, "request")),
			 process->request);
	json_decref(word);
	*ret_pipe = room_take_fd(process);
	assert_non_null(room.log_done);
	assert_int_equal(room.service.n_logs, 1);
	return process;
}

static void end_log(int error)
{
	void (*done)(void *userdata, int error) = room.log_done;

	assert_non_null(done);
	room.log_done = NULL;
	done(room.log_userdata, error);
}

static void logs_end_when_both_ends_have(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		int pipe_fd;
		struct process *process = with_logs(&pipe_fd);

		if (order == 0) {
			end_log(0);
			room_expect_silence(process);
			/* Only now the pipe has its end. */
			assert_int_equal(read(pipe_fd, &(char){0}, 1), 0);
			room_say(process, "{\"type\":\"lines-end\",\"request\":1}");
		} else {
			room_say(process, "{\"type\":\"lines-end\",\"request\":1}");
			room_expect_silence(process);
			end_log(0);
		}
		EXPECT(process, "\"lines\":[]");
		/* A second end is late, and of no effect. */
		room_say(process, "{\"type\":\"lines-end\",\"request\":1}");
		room_expect_silence(process);
		assert_int_equal(room.service.n_logs, 0);
		(void)close(pipe_fd);
		room_end(process);
	}
	assert_int_equal(room.n_logs_cancelled, 0);
}

static void logs_that_cannot_be_read_are_an_error(void **state)
{
	int pipe_fd;
	struct process *process = with_logs(&pipe_fd);

	(void)state;
	end_log(-ENOTCONN);
	room_expect_error(process, "io.deployd.Failed",
			  "cannot read the journal for hello");
	(void)close(pipe_fd);
	room.log_without_memory = true;
	room_ask(process, LOGS);
	room_expect_error(process, "io.deployd.Failed",
			  "cannot read the journal for hello");
	room_ask(process, CALL("Logs", HELLO));
	room_expect_error(process, "io.deployd.InvalidRequest",
			  "call it with \\\"more\\\"");
	room_ask(process, CALL("Logs", "{\"app\":\"hello\",\"lines\":1000001}"));
	room_expect_error(process, "io.deployd.InvalidRequest",
			  "lines must be 0 (all) to");
	room_ask(process, CALL("Logs", "{\"app\":\"hello\",\"lines\":-1}"));
	room_expect_error(process, "io.deployd.InvalidRequest",
			  "lines must be 0 (all) to");
	room.service.n_logs = 32;
	room_ask(process, LOGS);
	room_expect_error(process, "io.deployd.Busy",
			  "too many clients are reading logs");
	room.service.n_logs = 0;
	room_end(process);
}

/* Without a runtime directory there is nowhere to write to. */
static void logs_need_a_place(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	assert_int_equal(setenv("RUNTIME_DIRECTORY", "/proc/no/such", 1), 0);
	room_ask(process, LOGS);
	room_expect_error(process, "io.deployd.Failed",
			  "cannot read the journal for hello");
	assert_int_equal(room.n_logs, 0);
	assert_int_equal(room.service.n_logs, 0);
	room_end(process);
}

static void logs_are_cancelled_when_their_reader_goes(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		int pipe_fd;
		struct process *process = with_logs(&pipe_fd);

		if (how == 0) {
			room_say(process, "{\"type\":\"gone\"}");
			ROOM_UNTIL(room.service.n_logs == 0);
			room_expect_silence(process);
			room_end(process);
		} else if (how == 1) {
			room_end(process);
		} else {
			/* Its lines had all been sent. */
			room_say(process, "{\"type\":\"lines-end\",\"request\":1}");
			room_let_read(process);
			room_end(process);
		}
		assert_int_equal(room.service.n_logs, 0);
		assert_int_equal(room.n_logs_cancelled, how + 1);
		assert_null(room.log_done);
		(void)close(pipe_fd);
	}
}

/* --- can, reload, status of deployd
 * ----------------------------------------------------------- */

static void ask_can(struct process *process, const char *verb, const char *app,
		    const char *user)
{
	char text[1024], of[600] = "";

	if (user)
		(void)snprintf(of, sizeof(of), ",\"user\":\"%s\"", user);
	(void)snprintf(text, sizeof(text),
		       "{\"method\":\"io.deployd.Can\",\"parameters\":{\"verb\":\"%s\","
		       "\"app\":\"%s\"%s}}",
		       verb, app, of);
	room_ask(process, text);
}

static void one_may_ask_what_oneself_can(void **state)
{
	struct process *process = room_connect(ROOM_BOB);

	(void)state;
	ask_can(process, "status", "hello", NULL);
	EXPECT(process, "\"allowed\":true", "rule 'bob'");
	ask_can(process, "disable", "hello", "bob");
	EXPECT(process, "\"allowed\":false");
	ask_can(process, "run:migrate", "hello", NULL);
	EXPECT(process, "\"allowed\":false", "uses the right 'run'");
	ask_can(process, "remove", "hello", NULL);
	EXPECT(process, "\"allowed\":false", "uses the right 'remove'");
	/* Of a missing app it is said what is said of one without a right. */
	ask_can(process, "status", "nohow", NULL);
	EXPECT(process, "\"allowed\":false");
	ask_can(process, "fly", "hello", NULL);
	room_expect_error(process, "org.varlink.service.InvalidParameter", "verb");
	ask_can(process, "status", "..", NULL);
	room_expect_error(process, "org.varlink.service.InvalidParameter", "app");
	ask_can(process, "status", "hello", "alice");
	room_expect_error(process, "io.deployd.Denied",
			  "only root may do this: can --user");
	room_end(process);
	process = room_connect(ROOM_ERIN);
	ask_can(process, "status", "nohow", NULL);
	room_expect_error(process, "io.deployd.NotFound", "no app 'nohow'");
	room_end(process);
}

/* The name service of tests/users: --name is user1001, --of=N is userN. */
static void root_may_ask_what_another_can(void **state)
{
	static const struct {
		const char *user, *app, *error, *text;
	} cases[] = {
		{"alice", "hello", NULL, "\"allowed\":true"},
		{"uid:1001", "hello", NULL, "\"allowed\":true"},
		{"uid:1002", "hello", NULL, "\"allowed\":false"},
		{"uid:100000", "hello", NULL, "subordinate"},
		{"nobody-knows", "hello", "io.deployd.NotFound",
		 "no user 'nobody-knows'"},
		{"uid:3000", "hello", "io.deployd.Failed", "LDAP is down; try again"},
		{"uid:1990", "hello", "io.deployd.Failed", "LDAP is down"},
		{"uid:1992", "hello", "io.deployd.Failed", "does not understand"},
		{"uid:1991", "hello", "io.deployd.Failed", "cannot look up the user"},
		/* None of these is a uid, so all of them are names. */
		{"uid:", "hello", NULL, "\"allowed\":true"},
		{"uid:1x", "hello", NULL, "\"allowed\":true"},
		{"uid:4294967295", "hello", NULL, "\"allowed\":true"},
		{"uid:99999999999999", "hello", NULL, "\"allowed\":true"},
		{"alice", "nohow", "io.deployd.NotFound", "no app 'nohow'"},
	};
	struct process *process = room_connect(ROOM_ROOT);
	char long_name[400];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ask_can(process, "restart", cases[i].app, cases[i].user);
		if (cases[i].error)
			room_expect_error(process, cases[i].error, cases[i].text);
		else
			EXPECT(process, cases[i].text);
	}
	ask_can(process, "run:migrate", "hello", "alice");
	EXPECT(process, "\"allowed\":false");
	(void)memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	ask_can(process, "restart", "hello", long_name);
	room_expect_error(process, "io.deployd.InvalidRequest", "name is too long");
	room.service.users.options.program = "/no/such/program";
	ask_can(process, "restart", "hello", "alice");
	room_expect_error(process, "io.deployd.Failed",
			  "cannot look up the user 'alice'");
	room_end(process);
}

static void who_asked_about_another_may_have_gone(void **state)
{
	struct process *process = room_connect(ROOM_ROOT);

	(void)state;
	ask_can(process, "restart", "hello", "alice");
	room_let_read(process);
	room_end(process);
	ROOM_UNTIL(room.config.set->refs == 1);
	/* And with deployd itself: the teardown ends it. */
	process = room_connect(ROOM_ROOT);
	ask_can(process, "restart", "hello", "alice");
	room_let_read(process);
}

static void a_reload_tells_all_it_found(void **state)
{
	static char *messages[] = {(char *)"hello.conf:3: nonsense"};
	struct process *first = room_connect(ROOM_ROOT),
		       *second = room_connect(ROOM_ROOT);

	(void)state;
	for (int ok = 0; ok < 2; ok++) {
		reload_done_fn done;

		room_ask(first, CALL("ReloadConfiguration", "{}"));
		ROOM_UNTIL(room.reload_done);
		room_ask(second, CALL("ReloadConfiguration", "{}"));
		room_expect_error(second, "io.deployd.Busy",
				  "a reload is under way already");
		done = room.reload_done;
		room.reload_done = NULL;
		done(&room.service, room.reload_session, ok, messages, 1);
		if (ok)
			EXPECT(first, "\"messages\":[\"hello.conf:3: nonsense\"]");
		else
			room_expect_error(first, "io.deployd.BadConfiguration",
					  "hello.conf:3: nonsense");
	}
	room_ask(first, CALL("ReloadConfiguration", "{}"));
	ROOM_UNTIL(room.reload_done);
	room_end(first);
	room.reload_done(&room.service, room.reload_session, true, messages, 1);
	room_end(second);
}

static void deployd_lists_its_rules_and_its_sessions(void **state)
{
	struct process *process = room_connect(ROOM_ROOT),
		       *alice = room_connect(ROOM_ALICE);
	char text[64];

	(void)state;
	room.config.stale = true;
	room_ask(process, CALL("PolicyList", "{}"));
	EXPECT(process, "rule 'bob'", "\"stale\":true");
	room_embody(alice);
	(void)snprintf(text, sizeof(text), "\"pid\":%d,\"since\"", (int)alice->pid);
	room_ask(process, CALL("DaemonStatus", "{}"));
	EXPECT(process, text, "\"user\":\"alice\"", "\"state\":\"connected\"",
	       "\"state\":\"idle\"");
	room_close_ends(alice); /* its process is still there */
	ROOM_UNTIL(room_session(alice)->state == SESSION_STATE_OVER);
	room_ask(process, CALL("DaemonStatus", "{}"));
	EXPECT(process, "\"state\":\"ended\"");
	room_end(process);
	room_end(alice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(status_is_of_the_unit_and_the_release),
		ROOM_TEST(a_job_shows_in_the_status),
		ROOM_TEST(a_verdict_is_asked_for_once_in_a_while),
		ROOM_TEST(an_answer_that_nobody_waits_for_is_dropped),
		ROOM_TEST(without_an_answer_of_the_manager_there_is_one_here),
		ROOM_TEST(a_list_has_the_apps_that_one_knows_in_order),
		ROOM_TEST(releases_are_shown),
		ROOM_TEST(history_is_read_by_deployd_store),
		ROOM_TEST(jobs_are_listed_the_latest_first),
		ROOM_TEST(an_answer_may_be_too_long),
		ROOM_TEST(logs_end_when_both_ends_have),
		ROOM_TEST(logs_that_cannot_be_read_are_an_error),
		ROOM_TEST(logs_need_a_place),
		ROOM_TEST(logs_are_cancelled_when_their_reader_goes),
		ROOM_TEST(one_may_ask_what_oneself_can),
		ROOM_TEST(root_may_ask_what_another_can),
		ROOM_TEST(who_asked_about_another_may_have_gone),
		ROOM_TEST(a_reload_tells_all_it_found),
		ROOM_TEST(deployd_lists_its_rules_and_its_sessions),
	};

	room_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
