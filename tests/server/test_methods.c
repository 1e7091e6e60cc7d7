/*
 * The table of methods, through everything that leads to it: which right each asks for,
 * what it makes of its parameters, and what those hear who may not.
 */
#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/right.h"
#include "server/peer.h"
#include "server/session.h"
#include "util/session_protocol.h"

#define INVALID "org.varlink.service.InvalidParameter"
#define DENIED	"io.deployd.Denied"

/* A method as its interface has it: "?" before what may be missing. */
static const struct shape {
	const char *member;
	enum right right;	/* RIGHT_COUNT: none on an app */
	bool only_root;		/* it is answered */
	const char *good;	/* parameters that are right, for hello */
	const char *params[16]; /* "app:s", "?wait:b", ... */
	bool more;
} shapes[] = {
	{"Deploy",
	 RIGHT_DEPLOY,
	 false,
	 "{\"app\":\"hello\",\"archiveFileDescriptor\":0}",
	 {"app:s", "archiveFileDescriptor:i", "?sha256:s", "?version:s", "?revision:s",
	  "?message:s", "?wait:b", "?ifCurrent:s", "?confirmSec:i", "?force:b",
	  "?redeploy:b", "?idempotencyKey:s", "?stripComponents:i"},
	 false},
	{"Stage",
	 RIGHT_STAGE,
	 false,
	 "{\"app\":\"hello\",\"archiveFileDescriptor\":0}",
	 {"app:s", "archiveFileDescriptor:i", "?sha256:s", "?version:s", "?revision:s",
	  "?message:s", "?wait:b", "?idempotencyKey:s", "?stripComponents:i"},
	 false},
	{"Activate",
	 RIGHT_ACTIVATE,
	 false,
	 "{\"app\":\"hello\",\"release\":\"20250101000000\"}",
	 {"app:s", "release:s", "?ifCurrent:s", "?wait:b", "?confirmSec:i", "?force:b"},
	 false},
	{"Rollback",
	 RIGHT_ROLLBACK,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?release:s", "?ifCurrent:s", "?wait:b", "?force:b"},
	 false},
	{"Confirm",
	 RIGHT_CONFIRM,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Hold",
	 RIGHT_HOLD,
	 false,
	 "{\"app\":\"hello\",\"message\":\"m\"}",
	 {"app:s", "message:s", "?untilSec:i", "?wait:b"},
	 false},
	{"Unhold",
	 RIGHT_HOLD,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"MarkGood",
	 RIGHT_MARK,
	 false,
	 "{\"app\":\"hello\",\"release\":\"20250101000000\"}",
	 {"app:s", "release:s", "?wait:b"},
	 false},
	{"MarkBad",
	 RIGHT_MARK,
	 false,
	 "{\"app\":\"hello\",\"release\":\"20250101000000\"}",
	 {"app:s", "release:s", "?message:s", "?wait:b"},
	 false},
	{"Pin",
	 RIGHT_PIN,
	 false,
	 "{\"app\":\"hello\",\"release\":\"20250101000000\"}",
	 {"app:s", "release:s", "?wait:b"},
	 false},
	{"Unpin",
	 RIGHT_PIN,
	 false,
	 "{\"app\":\"hello\",\"release\":\"20250101000000\"}",
	 {"app:s", "release:s", "?wait:b"},
	 false},
	{"Restart",
	 RIGHT_RESTART,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Reload",
	 RIGHT_RELOAD,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Start",
	 RIGHT_START,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Stop", RIGHT_STOP, false, "{\"app\":\"hello\"}", {"app:s", "?wait:b"}, false},
	{"Enable",
	 RIGHT_ENABLE,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Disable",
	 RIGHT_ENABLE,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?wait:b"},
	 false},
	{"Cancel",
	 RIGHT_CANCEL,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?job:s"},
	 false},
	{"Status", RIGHT_STATUS, false, "{\"app\":\"hello\"}", {"app:s"}, false},
	{"Releases", RIGHT_STATUS, false, "{\"app\":\"hello\"}", {"app:s"}, false},
	{"Show",
	 RIGHT_STATUS,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?release:s"},
	 false},
	{"History",
	 RIGHT_HISTORY,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?limit:i"},
	 false},
	{"Logs",
	 RIGHT_LOGS,
	 false,
	 "{\"app\":\"hello\"}",
	 {"app:s", "?lines:i", "?follow:b"},
	 true},
	{"List", RIGHT_COUNT, false, "{}", {NULL}, false},
	{"Jobs", RIGHT_COUNT, false, "{}", {NULL}, false},
	{"Attach",
	 RIGHT_COUNT,
	 false,
	 "{\"job\":\"0123456789abcdef\"}",
	 {"job:s"},
	 false},
	{"Can",
	 RIGHT_COUNT,
	 false,
	 "{\"verb\":\"restart\",\"app\":\"hello\"}",
	 {"verb:s", "app:s", "?user:s"},
	 false},
	{"PolicyList", RIGHT_COUNT, true, "{}", {NULL}, false},
	{"ReloadConfiguration", RIGHT_COUNT, true, "{}", {NULL}, false},
	{"DaemonStatus", RIGHT_COUNT, true, "{}", {NULL}, false},
};
#define N_SHAPES (sizeof(shapes) / sizeof(*shapes))

static void make_call(const struct shape *shape, const char *parameters,
		      char text[1024])
{
	(void)snprintf(text, 1024, "{\"method\":\"io.deployd.%s\",\"parameters\":%s%s}",
		       shape->member, parameters, shape->more ? ",\"more\":true" : "");
}

static void ask(struct process *process, const struct shape *shape,
		const char *parameters)
{
	char text[1024];

	make_call(shape, parameters, text);
	room_ask_with_fds(process, 1, text);
}

/* The policy goes by the peer, so a process can speak for one user after the other. */
static void be(const struct process *process, uid_t uid)
{
	struct user_answer answer = {.uid = uid, .owner = uid, .status = USER_KNOWN};

	(void)strcpy(answer.name, uid == ROOM_ROOT ? "root" : "somebody");
	peer_set_user(&room_session(process)->peer, &answer);
}

/*
 * Lets whatever the request has begun come to its end, and returns the error's name or
 * "". The archive of a deploy is given up.
 */
static void outcome_of(struct process *process, char error[64])
{
	json_t *word = NULL;

	for (int turns = 0;; turns++) {
		const char *type, *name;

		assert_true(turns < 8000);
		room_turn();
		room_finish_all(true);
		if (room.store) {
			struct store_call *call = room.store;

			room.store = NULL;
			call->done(call, RESULT_OK, room.store_fields,
				   &(struct errinfo){.result = RESULT_OK});
		}
		if (room.reload_done) {
			reload_done_fn done = room.reload_done;

			room.reload_done = NULL;
			done(&room.service, room.reload_session, true, NULL, 0);
		}
		if (room.log_done) {
			void (*done)(void *userdata, int error) = room.log_done;

			room.log_done = NULL;
			done(room.log_userdata, -EIO);
		}
		word = room_hear(process);
		if (!word)
			continue;
		type = json_string_value(json_object_get(word, "type"));
		name = json_string_value(json_object_get(word, "error"));
		if (strcmp(type, "lines") == 0)
			(void)close(room_take_fd(process));
		(void)snprintf(error, 64, "%s", name ? name : "");
		if (strcmp(type, "reply") == 0 &&
		    json_is_false(json_object_get(word, "continues")))
			break;
		json_decref(word);
	}
	assert_int_equal(json_integer_value(json_object_get(word, "request")),
			 process->request);
	json_decref(word);
}

/* Once per connection there is an archive: another process for each that takes one. */
static struct process *next_process(struct process *process, uid_t uid)
{
	if (process)
		room_end(process);
	return room_connect(uid);
}

static bool takes_archive(const struct shape *shape)
{
	return shape->right == RIGHT_DEPLOY || shape->right == RIGHT_STAGE;
}

static void each_method_asks_for_its_right_and_no_other(void **state)
{
	struct process *process = room_connect(ROOM_BOB);
	char error[64];

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *shape = &shapes[i];

		if (shape->right == RIGHT_COUNT)
			continue;
		for (int right = 0; right < RIGHT_COUNT; right++) {
			if (!right_is_used((enum right)right))
				continue;
			be(process, (uid_t)(ROOM_SINGLE + right));
			ask(process, shape, shape->good);
			outcome_of(process, error);
			if ((enum right)right == shape->right)
				assert_string_not_equal(error, DENIED);
			else
				assert_string_equal(error, DENIED);
			if (takes_archive(shape) && (enum right)right == shape->right)
				process = next_process(process, ROOM_BOB);
		}
	}
	room_end(process);
}

static void who_has_no_right_hears_what_a_missing_app_says(void **state)
{
	struct process *process = room_connect(ROOM_DAVE);

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		char parameters[256], *app;
		const char *const names[] = {"hello", "nohow"};

		if (shapes[i].right == RIGHT_COUNT)
			continue;
		(void)snprintf(parameters, sizeof(parameters), "%s", shapes[i].good);
		app = strstr(parameters, "hello");
		for (int k = 0; k < 2; k++) {
			char text[128];

			(void)memcpy(app, names[k], 5);
			(void)snprintf(
				text, sizeof(text),
				"no app '%s', or user 'dave' has no rights on it",
				names[k]);
			ask(process, &shapes[i], parameters);
			room_expect_error(process, DENIED, text);
		}
	}
	/* Who has some right on it is told which is missing. */
	process = next_process(process, ROOM_BOB);
	ask(process, &shapes[11], shapes[11].good);
	room_expect_error(process, DENIED,
			  "user 'bob' has no right 'restart' on hello: ");
	/* And who has it on every app is told that there is none. */
	process = next_process(process, ROOM_ERIN);
	ask(process, &shapes[11], "{\"app\":\"nohow\"}");
	room_expect_error(process, "io.deployd.NotFound",
			  "/etc/deployd/apps.d/nohow.conf");
	assert_true(room_journal_has("there is no such app"));
	assert_int_equal(room.n_actions, 0);
	room_end(process);
}

static const char *const wrong_values[] = {"s\"x\"", "i7",   "btrue",
					   "o{}",    "f1.5", "a[]"};

/* parameters with one of them replaced or added */
static void with(const char *good, const char *name, const char *json_text,
		 char text[1024])
{
	json_t *parameters = json_loads(good, 0, NULL);
	char *all;

	assert_non_null(parameters);
	if (json_text)
		(void)json_object_set_new(parameters, name,
					  json_loads(json_text, JSON_DECODE_ANY, NULL));
	else
		(void)json_object_del(parameters, name);
	all = json_dumps(parameters, JSON_COMPACT);
	(void)snprintf(text, 1024, "%s", all);
	free(all);
	json_decref(parameters);
}

static void expect_invalid(struct process *process, const struct shape *shape,
			   const char *parameters, const char *name)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "{\"parameter\":\"%s\"}", name);
	ask(process, shape, parameters);
	room_expect_error(process, INVALID, text);
}

static void wrong_parameters_are_named(void **state)
{
	struct process *process = room_connect(ROOM_ROOT);

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *shape = &shapes[i];
		char text[1024], name[64], type;

		with(shape->good, "aap", "\"hello\"", text);
		expect_invalid(process, shape, text, "aap");
		for (size_t k = 0; k < 12 && shape->params[k]; k++) {
			bool required = shape->params[k][0] != '?';

			assert_int_equal(sscanf(shape->params[k] + !required,
						"%63[^:]:%c", name, &type),
					 2);
			for (size_t n = 0; n < 6; n++) {
				if (wrong_values[n][0] == type)
					continue;
				with(shape->good, name, wrong_values[n] + 1, text);
				expect_invalid(process, shape, text, name);
			}
			if (!required)
				continue;
			with(shape->good, name, NULL, text);
			expect_invalid(process, shape, text, name);
			with(shape->good, name, "null", text);
			expect_invalid(process, shape, text, name);
		}
		if (shape->right != RIGHT_COUNT) {
			with(shape->good, "app", "\"../hello\"", text);
			expect_invalid(process, shape, text, "app");
		}
	}
	/* What is in the client's own words is escaped. */
	expect_invalid(process, &shapes[11], "{\"app\":\"hello\",\"\\u001b[2J\":1}",
		       "\\\\x1b[2J");
	assert_int_equal(room.n_actions + room.n_reloads + room.n_logs, 0);
	room_end(process);
}

static void parameters_that_may_be_missing_may_be_null(void **state)
{
	struct process *process = room_connect(ROOM_ROOT);
	char error[64], name[64], type;

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *shape = &shapes[i];
		char text[1024], other[1024];

		(void)strcpy(text, shape->good);
		for (size_t k = 0; k < 12 && shape->params[k]; k++) {
			if (shape->params[k][0] != '?')
				continue;
			assert_int_equal(
				sscanf(shape->params[k] + 1, "%63[^:]:%c", name, &type),
				2);
			with(text, name, "null", other);
			(void)strcpy(text, other);
		}
		ask(process, shape, text);
		outcome_of(process, error);
		assert_string_not_equal(error, INVALID);
		if (takes_archive(shape))
			process = next_process(process, ROOM_ROOT);
	}
	room_end(process);
}

/* Stage has no switch, and a rollback takes nothing that only a new release needs. */
static void what_another_method_takes_is_unknown_here(void **state)
{
	struct process *process = room_connect(ROOM_ROOT);
	char text[1024];

	(void)state;
	with(shapes[1].good, "force", "true", text);
	expect_invalid(process, &shapes[1], text, "force");
	with(shapes[1].good, "ifCurrent", "\"\"", text);
	expect_invalid(process, &shapes[1], text, "ifCurrent");
	with(shapes[3].good, "confirmSec", "60", text);
	expect_invalid(process, &shapes[3], text, "confirmSec");
	room_end(process);
}

/* With sanitizers all of them take longer than a session may go without a ping. */
#ifdef __SANITIZE_ADDRESS__
#define CUT_STRIDE 7
#else
#define CUT_STRIDE 1
#endif

/* Wherever the pipe cuts a request, it is the same request, and is answered once. */
static void every_request_may_be_cut_at_every_byte(void **state)
{
	struct process *process = room_connect(ROOM_DAVE);

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		char call[1024], *text = NULL, expected[64], error[64];
		size_t length = 1;

		make_call(&shapes[i], shapes[i].good, call);
		for (size_t cut = 0; cut < length; cut += CUT_STRIDE) {
			process->request++;
			length =
				(size_t)asprintf(&text,
						 "{\"type\":\"request\",\"request\":%d,"
						 "\"fds\":0,\"call\":%s}",
						 (int)process->request, call) +
				1;
			if (cut > 0) {
				room_say_bytes(process, text, cut);
				room_let_read(process);
				assert_null(room_hear(process));
			}
			room_say_bytes(process, text + cut, length - cut);
			free(text);
			outcome_of(process, error);
			if (cut == 0)
				(void)strcpy(expected, error);
			assert_string_equal(error, expected);
		}
	}
	room_expect_silence(process);
	room_end(process);
}

/* The next may be in the pipe before the last is answered: by the protocol, not sooner.
 */
static void requests_follow_each_other_in_order(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);

	(void)state;
	for (int i = 0; i < 20; i++) {
		room_ask(process, i % 2 ? "{\"method\":\"io.deployd.Jobs\"}"
					: "{\"method\":\"io.deployd.List\"}");
		json_decref(room_expect_ok(process));
	}
	assert_int_equal(process->request, 20);
	/* One that does not wait for the reply breaks the protocol. */
	room.units_are_late = true;
	room_ask(process, "{\"method\":\"io.deployd.List\"}");
	room_ask(process, "{\"method\":\"io.deployd.Jobs\"}");
	ROOM_UNTIL(room_session(process)->state == SESSION_STATE_OVER);
	assert_true(room_journal_has("it sent a request out of turn"));
	room.units_are_late =
		false; /* what is still asked for is of no use to anybody */
	room_end(process);
}

static void only_root_is_told_about_deployd(void **state)
{
	struct process *process = room_connect(ROOM_ALICE);
	char error[64];

	(void)state;
	for (size_t i = 0; i < N_SHAPES; i++) {
		if (!shapes[i].only_root)
			continue;
		ask(process, &shapes[i], shapes[i].good);
		room_expect_error(process, DENIED, "only root may do this: ");
	}
	assert_int_equal(room.n_reloads, 0);
	process = next_process(process, ROOM_ROOT);
	for (size_t i = 0; i < N_SHAPES; i++) {
		if (!shapes[i].only_root)
			continue;
		ask(process, &shapes[i], shapes[i].good);
		outcome_of(process, error);
		assert_string_equal(error, "");
	}
	assert_int_equal(room.n_reloads, 1);
	room_end(process);
}

static void what_there_is_not_is_said(void **state)
{
	static const struct {
		const char *method, *error, *text;
	} calls[] = {
		{"io.deployd.Destroy", "org.varlink.service.MethodNotFound",
		 "io.deployd.Destroy"},
		{"io.deployd.deploy", "org.varlink.service.MethodNotFound",
		 "io.deployd.deploy"},
		{"org.varlink.service.GetAll", "org.varlink.service.MethodNotFound",
		 "GetAll"},
		{"io.deploy.Deploy", "org.varlink.service.InterfaceNotFound",
		 "\"interface\":\"io.deploy\""},
		{"com.example.A", "org.varlink.service.InterfaceNotFound",
		 "com.example"},
	};
	struct process *process = room_connect(ROOM_DAVE);

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "{\"method\":\"%s\"}",
			       calls[i].method);
		room_ask(process, text);
		room_expect_error(process, calls[i].error, calls[i].text);
	}
	room_ask(process, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			  "\"parameters\":{\"interface\":\"io.nothing\"}}");
	room_expect_error(process, "org.varlink.service.InterfaceNotFound",
			  "io.nothing");
	room_ask(process,
		 "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}");
	room_expect_error(process, INVALID, "interface");
	room_ask(process, "{\"method\":\"org.varlink.service.GetInfo\","
			  "\"parameters\":{\"a\":1}}");
	room_expect_error(process, INVALID, "\"a\"");
	room_end(process);
}

static void the_interfaces_describe_themselves(void **state)
{
	struct process *process = room_connect(ROOM_DAVE);
	json_t *info, *names, *name;
	size_t i;

	(void)state;
	room_ask(process, "{\"method\":\"org.varlink.service.GetInfo\"}");
	info = room_expect_ok(process);
	names = json_object_get(info, "interfaces");
	assert_true(json_array_size(names) >= 2);
	json_array_foreach (names, i, name) {
		char text[256];
		json_t *description;

		(void)snprintf(text, sizeof(text),
			       "{\"method\":\"org.varlink.service."
			       "GetInterfaceDescription\",\"parameters\":{"
			       "\"interface\":\"%s\"}}",
			       json_string_value(name));
		room_ask(process, text);
		description = room_expect_ok(process);
		(void)snprintf(text, sizeof(text), "interface %s\n",
			       json_string_value(name));
		assert_non_null(strstr(
			json_string_value(json_object_get(description, "description")),
			text));
		json_decref(description);
	}
	json_decref(info);
	/* Every method of the interface's text has its row, and every row a shape here.
	 */
	for (i = 0; i < N_SHAPES; i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "\nmethod %s(", shapes[i].member);
		assert_non_null(strstr(varlink_interface_io_deployd, text));
	}
	i = 0;
	for (const char *p = varlink_interface_io_deployd; (p = strstr(p, "\nmethod "));
	     p++)
		i++;
	assert_int_equal(i, N_SHAPES);
	room_end(process);
}

/* Not a denial: whoever it is may well be allowed. */
static void a_name_service_that_fails_is_no_denial(void **state)
{
	struct process *process = room_connect(ROOM_UNLUCKY);

	(void)state;
	room_ask(process, "{\"method\":\"io.deployd.List\"}");
	room_expect_error(
		process, "io.deployd.Failed",
		"cannot look up the user of uid 3000: LDAP is down; try again");
	room_ask(process, "{\"method\":\"org.varlink.service.GetInfo\"}");
	json_decref(room_expect_ok(process));
	room_end(process);
}

static void a_request_waits_for_its_users_name(void **state)
{
	struct process *process;
	struct parked name;

	(void)state;
	room.names_are_late = true;
	process = room_connect(ROOM_ALICE);
	room_ask(process, "{\"method\":\"io.deployd.Jobs\"}");
	room_expect_silence(process);
	assert_int_equal(room.n_names, 1);
	name = room.names[0];
	name.found(name.userdata, name.id,
		   &(struct user_answer){.uid = ROOM_ALICE,
					 .owner = ROOM_ALICE,
					 .status = USER_KNOWN,
					 .name = "alice"});
	json_decref(room_expect_ok(process));
	room_end(process);
	/* A name that comes when nobody waits for it any more. */
	process = room_connect(ROOM_BOB);
	room_ask(process, "{\"method\":\"io.deployd.Jobs\"}");
	room_let_read(process);
	name = room.names[1];
	room_end(process);
	name.found(name.userdata, name.id,
		   &(struct user_answer){.status = USER_FAILED});
}

#ifdef DEPLOYD_CERTIFICATION
/* The client's part of the certification: what it was told goes back. */
static void varlink_is_spoken_as_certified(void **state)
{
	static const char prefix[] = "org.varlink.certification.";
	struct process *process = room_connect(ROOM_DAVE);
	json_t *parameters = NULL, *reply = NULL;
	char member[16] = "Start", id[64], *text, *all;
	json_t *ten = json_array();

	(void)state;
	for (int step = 0; step <= 12; step++) {
		bool more = step == 10, oneway = step == 11;

		if (step > 0 && step < 12)
			(void)snprintf(member, sizeof(member), "Test%02d", step);
		else if (step == 12)
			(void)strcpy(member, "End");
		text = parameters ? json_dumps(parameters, JSON_COMPACT) : strdup("{}");
		assert_true(asprintf(&all,
				     "{\"method\":\"%s%s\",\"parameters\":%s%s%s}",
				     prefix, member, text, more ? ",\"more\":true" : "",
				     oneway ? ",\"oneway\":true" : "") > 0);
		room_ask(process, all);
		free(all);
		free(text);
		for (int i = 0; more && i < 9; i++) {
			reply = room_reply(process);
			assert_true(json_is_true(json_object_get(reply, "continues")));
			(void)json_array_append(
				ten,
				json_object_get(json_object_get(reply, "parameters"),
						"string"));
			json_decref(reply);
		}
		reply = room_expect_ok(process);
		json_decref(parameters);
		parameters = json_incref(reply);
		if (step == 0)
			(void)snprintf(
				id, sizeof(id), "%s",
				json_string_value(json_object_get(reply, "client_id")));
		if (more) {
			(void)json_array_append(ten, json_object_get(reply, "string"));
			json_decref(parameters);
			parameters = json_pack("{s:O}", "last_more_replies", ten);
		}
		if (step == 12)
			assert_true(json_is_true(json_object_get(reply, "all_ok")));
		(void)json_object_set_new(parameters, "client_id", json_string(id));
		json_decref(reply);
	}
	json_decref(parameters);
	json_decref(ten);
	room_ask(process, "{\"method\":\"org.varlink.certification.Test01\"}");
	room_expect_error(process, "org.varlink.certification.ClientIdError", "");
	room_ask(process, "{\"method\":\"org.varlink.certification.Test12\"}");
	room_expect_error(process, "org.varlink.certification.ClientIdError", "");
	room_ask(process, "{\"method\":\"org.varlink.certification.Start\"}");
	json_decref(room_expect_ok(process));
	assert_true(asprintf(&all,
			     "{\"method\":\"%sTest02\",\"parameters\":{\"client_id\":"
			     "\"%s\",\"bool\":false}}",
			     prefix, id) > 0);
	room_ask(process, all);
	free(all);
	room_expect_error(process, "org.varlink.certification.CertificationError",
			  "\"wants\":{\"bool\":true}");
	room_end(process);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROOM_TEST(each_method_asks_for_its_right_and_no_other),
		ROOM_TEST(who_has_no_right_hears_what_a_missing_app_says),
		ROOM_TEST(wrong_parameters_are_named),
		ROOM_TEST(parameters_that_may_be_missing_may_be_null),
		ROOM_TEST(what_another_method_takes_is_unknown_here),
		ROOM_TEST(every_request_may_be_cut_at_every_byte),
		ROOM_TEST(requests_follow_each_other_in_order),
		ROOM_TEST(only_root_is_told_about_deployd),
		ROOM_TEST(what_there_is_not_is_said),
		ROOM_TEST(the_interfaces_describe_themselves),
		ROOM_TEST(a_name_service_that_fails_is_no_denial),
		ROOM_TEST(a_request_waits_for_its_users_name),
#ifdef DEPLOYD_CERTIFICATION
		ROOM_TEST(varlink_is_spoken_as_certified),
#endif
	};

	room_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
