#include "server/certification.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/session.h"

#define INTERFACE "org.varlink.certification"

/* From https://github.com/varlink, word for word but for the comments. */
const char certification_interface[] =
	"# Checks how a client and a service speak Varlink.\n"
	"interface " INTERFACE "\n\n"
	"type Interface (foo: ?[]?[string](foo, bar, baz), anon: (foo: bool, bar: "
	"bool))\n\n"
	"type MyType (\n"
	"  object: object,\n"
	"  enum: (one, two, three),\n"
	"  struct: (first: int, second: string),\n"
	"  array: []string,\n"
	"  dictionary: [string]string,\n"
	"  stringset: [string](),\n"
	"  nullable: ?string,\n"
	"  nullable_array_struct: ?[](first: int, second: string),\n"
	"  interface: Interface\n"
	")\n\n"
	"method Start() -> (client_id: string)\n\n"
	"method Test01(client_id: string) -> (bool: bool)\n\n"
	"method Test02(client_id: string, bool: bool) -> (int: int)\n\n"
	"method Test03(client_id: string, int: int) -> (float: float)\n\n"
	"method Test04(client_id: string, float: float) -> (string: string)\n\n"
	"method Test05(client_id: string, string: string)\n"
	"  -> (bool: bool, int: int, float: float, string: string)\n\n"
	"method Test06(client_id: string, bool: bool, int: int, float: float, string: "
	"string)\n"
	"  -> (struct: (bool: bool, int: int, float: float, string: string))\n\n"
	"method Test07(\n"
	"  client_id: string,\n"
	"  struct: (bool: bool, int: int, float: float, string: string)\n"
	") -> (map: [string]string)\n\n"
	"method Test08(client_id: string, map: [string]string) -> (set: "
	"[string]())\n\n"
	"method Test09(client_id: string, set: [string]()) -> (mytype: MyType)\n\n"
	"# returns more than one reply with \"continues\"\n"
	"method Test10(client_id: string, mytype: MyType) -> (string: string)\n\n"
	"method Test11(client_id: string, last_more_replies: []string) -> ()\n\n"
	"method End(client_id: string) -> (all_ok: bool)\n\n"
	"error ClientIdError ()\n\n"
	"error CertificationError (wants: object, got: object)\n";

#define PI "3.141592653589793"
#define VALUES                                                                         \
	"\"bool\":false,\"int\":2,\"float\":" PI ",\"string\":\"a lot of string\""
#define MAP "{\"foo\":\"Foo\",\"bar\":\"Bar\"}"
#define SET "{\"one\":{},\"two\":{},\"three\":{}}"
#define MYTYPE                                                                         \
	"{\"object\":{\"method\":\"" INTERFACE                                         \
	".Test09\",\"parameters\":{\"map\":" MAP "}},\"enum\":\"two\","                \
	"\"struct\":{\"first\":1,\"second\":\"2\"},"                                   \
	"\"array\":[\"one\",\"two\",\"three\"],\"dictionary\":" MAP                    \
	",\"stringset\":" SET ",\"nullable\":null,\"nullable_array_struct\":null,"     \
	"\"interface\":{\"foo\":[null,{\"Foo\":\"foo\",\"Bar\":\"bar\"},null,"         \
	"{\"one\":\"foo\",\"two\":\"bar\"}],\"anon\":{\"foo\":true,\"bar\":false}}}"

enum {
	N_REPLIES = 10
};

/* A method, what must come with it beside client_id, and its reply. */
static const struct step {
	const char *member;
	const char *wants;
	const char *reply; /* NULL: its own code */
} steps[] = {
	{"Test01", "{}", "{\"bool\":true}"},
	{"Test02", "{\"bool\":true}", "{\"int\":1}"},
	{"Test03", "{\"int\":1}", "{\"float\":1.0}"},
	{"Test04", "{\"float\":1.0}", "{\"string\":\"ping\"}"},
	{"Test05", "{\"string\":\"ping\"}", "{" VALUES "}"},
	{"Test06", "{" VALUES "}", "{\"struct\":{" VALUES "}}"},
	{"Test07", "{\"struct\":{" VALUES "}}", "{\"map\":" MAP "}"},
	{"Test08", "{\"map\":" MAP "}", "{\"set\":" SET "}"},
	{"Test09", "{\"set\":" SET "}", "{\"mytype\":" MYTYPE "}"},
	{"Test10", "{\"mytype\":" MYTYPE "}", NULL},
	{"Test11",
	 "{\"last_more_replies\":[\"Reply number 1\",\"Reply number 2\","
	 "\"Reply number 3\",\"Reply number 4\",\"Reply number 5\",\"Reply number 6\","
	 "\"Reply number 7\",\"Reply number 8\",\"Reply number 9\","
	 "\"Reply number 10\"]}",
	 "{}"},
	{"End", "{}", "{\"all_ok\":true}"},
};

static bool same(const json_t *wants, const json_t *got);

/* Members that are null may as well be missing. */
static bool has_all(json_t *wants, json_t *got)
{
	const char *key;
	json_t *value;

	json_object_foreach (wants, key, value)
		if (!json_is_null(value) && !same(value, json_object_get(got, key)))
			return false;
	return true;
}

static bool has_only(json_t *wants, json_t *got)
{
	const char *key;
	json_t *value;

	json_object_foreach (got, key, value)
		if (!json_is_null(value) && !json_object_get(wants, key))
			return false;
	return true;
}

/* As json_equal(), but 1 is 1.0. */
static bool same(const json_t *wants, const json_t *got)
{
	if (json_is_number(wants) && json_is_number(got))
		return json_number_value(wants) == json_number_value(got);
	if (json_is_object(wants) && json_is_object(got))
		return has_all((json_t *)wants, (json_t *)got) &&
		       has_only((json_t *)wants, (json_t *)got);
	if (!json_is_array(wants) || !json_is_array(got))
		return json_equal(wants, got);
	if (json_array_size(wants) != json_array_size(got))
		return false;
	for (size_t i = 0; i < json_array_size(wants); i++)
		if (!same(json_array_get(wants, i), json_array_get(got, i)))
			return false;
	return true;
}

static void client_id(const struct session *session, char text[static 32])
{
	snprintf(text, 32, "client-%" PRIu64, session->id);
}

static void reply_ten_times(struct session *session)
{
	char text[32];

	for (int i = 1; i <= N_REPLIES; i++) {
		snprintf(text, sizeof(text), "Reply number %d", i);
		session_reply(session, json_pack("{s:s}", "string", text),
			      i < N_REPLIES);
	}
}

static void run(struct session *session, const struct step *step)
{
	json_t *got = json_copy(session->call.parameters);
	json_t *wants = json_loads(step->wants, 0, NULL);
	bool kept = true;

	json_object_del(got, "client_id");
	if (strcmp(step->member, "Test10") == 0)
		kept = session_wants_more(session);
	if (strcmp(step->member, "Test11") == 0)
		kept = session->call.oneway;
	if (!kept || !same(wants, got)) {
		session_error(session, INTERFACE ".CertificationError",
			      json_pack("{s:o, s:o}", "wants", wants, "got", got));
		return;
	}
	json_decref(got);
	json_decref(wants);
	if (step->reply)
		session_reply(session, json_loads(step->reply, 0, NULL), false);
	else
		reply_ten_times(session);
}

void certification_dispatch(struct session *session)
{
	const char *member = session->call.member, *given;
	char id[32];

	client_id(session, id);
	if (strcmp(member, "Start") == 0) {
		session_reply(session, json_pack("{s:s}", "client_id", id), false);
		return;
	}
	given = json_string_value(
		json_object_get(session->call.parameters, "client_id"));
	if (!given || strcmp(given, id) != 0) {
		session_error(session, INTERFACE ".ClientIdError", json_object());
		return;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (strcmp(member, steps[i].member) == 0) {
			run(session, &steps[i]);
			return;
		}
	session_error(session, "org.varlink.service.MethodNotFound",
		      json_pack("{s:s}", "method", member));
}
