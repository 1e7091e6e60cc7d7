#include "fake_helpers.h"

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

#include "base/child.h"

#define HELPERS_MAX  16
#define APPS_MAX     4
#define REQUESTS_MAX 24

int __wrap_child_start(struct child *child, uv_loop_t *loop,
		       const struct child_options *options);
void __wrap_child_kill(struct child *child);

struct helper {
	struct child *child; /* NULL: a free place */
	char name[16];
	json_t *request;
	bool killed, held, due;
};

struct store_app {
	char name[64];
	json_t *view, *pending, *history;
	unsigned int n_made;
};

static struct {
	uv_loop_t *loop;
	uv_timer_t timer;
	void (*started)(void *userdata, const char *app, const char *name);
	void *userdata;
	struct helper helpers[HELPERS_MAX];
	struct store_app apps[APPS_MAX];
	struct {
		char verb[16];
		json_t *request;
	} last[REQUESTS_MAX];
	char hold[48], fail[16], no_start[16];
	enum fake_failure failure;
} fake;

/* --- what deployd-store keeps -------------------------------------------------------
 */

static struct store_app *store_of(const char *name)
{
	struct store_app *app = fake.apps;

	while (app < fake.apps + APPS_MAX && app->view && strcmp(app->name, name) != 0)
		app++;
	assert_true(app < fake.apps + APPS_MAX);
	if (app->view)
		return app;
	(void)snprintf(app->name, sizeof(app->name), "%s", name);
	app->view = json_pack("{s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:[]}", "current",
			      "previous", "degraded", "failed", "hold", "confirm",
			      "flag", "releases");
	app->history = json_array();
	return app;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_t *fake_store_view(const char *app)
{
	return store_of(app)->view;
}

void fake_store_set_pending(const char *app, json_t *pending)
{
	struct store_app *store = store_of(app);

	json_decref(store->pending);
	store->pending = pending;
}

bool fake_store_has_pending(const char *app)
{
	return store_of(app)->pending != NULL;
}

void fake_store_add(const char *app, const char *id, const char *state)
{
	json_t *releases = json_object_get(fake_store_view(app), "releases");

	assert_int_equal(
		json_array_insert_new(
			releases, 0, json_pack("{s:s, s:s}", "id", id, "state", state)),
		0);
}

static json_t *release_of(const char *app, const char *id)
{
	json_t *releases = json_object_get(fake_store_view(app), "releases");
	json_t *release;
	size_t i;

	json_array_foreach (releases, i, release)
		if (strcmp(text_of(release, "id"), id) == 0)
			return release;
	return NULL;
}

const char *fake_store_state(const char *app, const char *id)
{
	return text_of(release_of(app, id), "state");
}

const json_t *fake_store_history(const char *app)
{
	return store_of(app)->history;
}

const json_t *fake_store_request(const char *verb)
{
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		if (strcmp(fake.last[i].verb, verb) == 0)
			return fake.last[i].request;
	return NULL;
}

static void keep_request(const char *verb, json_t *request)
{
	size_t i = 0;

	while (i < REQUESTS_MAX && fake.last[i].verb[0] &&
	       strcmp(fake.last[i].verb, verb) != 0)
		i++;
	assert_true(i < REQUESTS_MAX);
	json_decref(fake.last[i].request);
	fake.last[i].request = json_incref(request);
	(void)snprintf(fake.last[i].verb, sizeof(fake.last[i].verb), "%s", verb);
}

static void recover(struct store_app *app, json_t *reply)
{
	if (app->pending)
		(void)json_object_set(reply, "pending", app->pending);
	(void)json_object_set_new(reply, "recovered", json_array());
}

static void prepare(struct store_app *app, json_t *reply)
{
	char id[32];

	(void)snprintf(id, sizeof(id), "20260101T000000Z-%04u", ++app->n_made);
	(void)json_object_set_new(reply, "release", json_string(id));
	(void)json_object_set_new(reply, "staging",
				  json_string(getenv("RUNTIME_DIRECTORY")));
}

static void set_mark(struct store_app *app, const json_t *request)
{
	const char *id = text_of(request, "release"), *mark = text_of(request, "mark");
	json_t *release = release_of(app->name, id);

	if (mark && release)
		(void)json_object_set_new(release, "state", json_string(mark));
}

static void switch_to(struct store_app *app, const json_t *request, json_t *reply)
{
	json_t *from = json_deep_copy(json_object_get(app->view, "current"));
	const json_t *deadline = json_object_get(request, "confirm_deadline_sec");
	const char *to = text_of(request, "to");
	json_t *confirm = json_null();

	assert_non_null(to);
	if (deadline)
		confirm = json_pack("{s:s, s:O, s:O, s:O}", "release", to, "from", from,
				    "deadline_sec", deadline, "by",
				    json_object_get(request, "by"));
	fake_store_set_pending(
		app->name, json_pack("{s:O, s:O, s:O, s:O, s:O, s:s, s:b, s:O}", "kind",
				     json_object_get(request, "kind"), "from", from,
				     "to", json_object_get(request, "to"), "job",
				     json_object_get(request, "job"), "by",
				     json_object_get(request, "by"), "phase",
				     "switched", "same_boot", 1, "confirm", confirm));
	(void)json_object_set(app->view, "current", json_object_get(request, "to"));
	(void)json_object_set(app->view, "previous", from);
	(void)json_object_set_new(app->view, "confirm", confirm);
	(void)json_object_set_new(reply, "from", from);
}

static void finish(struct store_app *app, const json_t *request)
{
	set_mark(app, request);
	fake_store_set_pending(app->name, NULL);
	(void)json_object_set(app->view, "failed", json_object_get(request, "failed"));
	(void)json_array_append(app->history, json_object_get(request, "history"));
}

static void seal(struct store_app *app, const json_t *request)
{
	fake_store_add(app->name, text_of(request, "release"), "staged");
	(void)json_object_set(
		release_of(app->name, text_of(request, "release")), "sha256",
		json_object_get(json_object_get(request, "meta"), "sha256"));
}

static void hold(struct store_app *app, const json_t *request)
{
	(void)json_object_set_new(app->view, "hold",
				  json_pack("{s:O, s:O, s:O}", "reason",
					    json_object_get(request, "reason"),
					    "until_sec",
					    json_object_get(request, "until_sec"), "by",
					    json_object_get(request, "by")));
}

/* As daemon/store/history.c has it: the newest with the key, and the newest of all. */
static void lookup(const struct store_app *app, const json_t *request, json_t *reply)
{
	const char *key = text_of(request, "key");
	size_t n = json_array_size(app->history);
	json_t *keyed = NULL;

	for (size_t i = 0; i < n; i++) {
		json_t *entry = json_array_get(app->history, i);
		const char *own = text_of(entry, "key");

		if (key && own && strcmp(own, key) == 0)
			keyed = entry;
	}
	(void)json_object_set_new(reply, "keyed",
				  keyed ? json_incref(keyed) : json_null());
	(void)json_object_set_new(
		reply, "latest",
		n > 0 ? json_incref(json_array_get(app->history, n - 1)) : json_null());
}

/* Does what is asked for, and adds to the reply. */
static void do_verb(const char *verb, const json_t *request, json_t *reply)
{
	struct store_app *app =
		store_of(text_of(json_object_get(request, "app"), "name"));

	if (strcmp(verb, "recover") == 0)
		recover(app, reply);
	else if (strcmp(verb, "prepare") == 0)
		prepare(app, reply);
	else if (strcmp(verb, "seal") == 0)
		seal(app, request);
	else if (strcmp(verb, "switch") == 0)
		switch_to(app, request, reply);
	else if (strcmp(verb, "finish") == 0)
		finish(app, request);
	else if (strcmp(verb, "record") == 0)
		(void)json_array_append(app->history,
					json_object_get(request, "history"));
	else if (strcmp(verb, "mark") == 0)
		set_mark(app, request);
	else if (strcmp(verb, "hold") == 0)
		hold(app, request);
	else if (strcmp(verb, "unhold") == 0)
		(void)json_object_set_new(app->view, "hold", json_null());
	else if (strcmp(verb, "confirm") == 0)
		(void)json_object_set_new(app->view, "confirm", json_null());
	else if (strcmp(verb, "flag") == 0)
		(void)json_object_set(app->view, "flag",
				      json_object_get(request, "seen"));
	else if (strcmp(verb, "lookup") == 0)
		lookup(app, request, reply);
	else if (strcmp(verb, "discard") != 0)
		fail_msg("deployd-store has no verb %s", verb);
	(void)json_object_set_new(reply, "view", json_deep_copy(app->view));
}

/* --- programs ------------------------------------------------------------------------
 */

static json_t *refusal(const char *name)
{
	char message[64];

	(void)snprintf(message, sizeof(message), "%s was refused by the test", name);
	return json_pack("{s:s, s:s}", "result", "failed", "message", message);
}

/* NULL: the program dies without one. */
static json_t *answer(const struct helper *helper)
{
	bool fails = strcmp(fake.fail, helper->name) == 0;
	json_t *reply;

	if (fails)
		fake.fail[0] = '\0';
	if (helper->killed || (fails && fake.failure == FAKE_FAILURE_DIED))
		return NULL;
	if (fails && fake.failure == FAKE_FAILURE_REFUSED)
		return refusal(helper->name);
	reply = json_pack("{s:s, s:s}", "result", "ok", "message", "");
	if (helper->request)
		do_verb(helper->name, helper->request, reply);
	if (strcmp(helper->name, "intake") == 0)
		(void)json_object_update_new(reply, json_pack("{s:s, s:i}", "sha256",
							      FAKE_SHA256, "bytes",
							      FAKE_BYTES));
	if (!fails)
		return reply;
	json_decref(reply);
	return NULL;
}

static void end(struct helper *helper)
{
	struct child *child = helper->child;

	child->result = answer(helper);
	if (!child->result)
		child->term_signal = SIGKILL;
	child->open_handles = 0;
	json_decref(helper->request);
	*helper = (struct helper){0};
	child->on_done(child);
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	/* Those that are started meanwhile have their turn later. */
	for (size_t i = 0; i < HELPERS_MAX; i++)
		fake.helpers[i].due = fake.helpers[i].child && !fake.helpers[i].held;
	for (size_t i = 0; i < HELPERS_MAX; i++)
		if (fake.helpers[i].due)
			end(&fake.helpers[i]);
}

static bool is_to_be_held(const char *name)
{
	char word[24];

	(void)snprintf(word, sizeof(word), " %s ", name);
	return strstr(fake.hold, word) != NULL;
}

static void wake(void)
{
	(void)uv_timer_start(&fake.timer, on_timer, 0, 0);
}

int __wrap_child_start(struct child *child, uv_loop_t *loop,
		       const struct child_options *options)
{
	const char *program = strrchr(options->argv[0], '/') + 1, *app = "";
	const char *name = strchr(program, '-') + 1;
	struct helper *helper = fake.helpers;
	json_t *request = NULL;

	assert_ptr_equal(loop, fake.loop);
	assert_true(options->timeout_ms > 0);
	assert_int_equal(child->open_handles, 0);
	child_deinit(child);
	*child = (struct child){.program = program,
				.timeout_ms = options->timeout_ms,
				.userdata = child->userdata,
				.on_progress = child->on_progress,
				.on_done = child->on_done};
	if (options->request) {
		request = json_loads(options->request, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(request);
		free(options->request);
		name = text_of(request, "verb");
		app = text_of(json_object_get(request, "app"), "name");
		keep_request(name, request);
	}
	if (strcmp(fake.no_start, name) == 0) {
		fake.no_start[0] = '\0';
		json_decref(request);
		return -EMFILE;
	}
	while (helper < fake.helpers + HELPERS_MAX && helper->child)
		helper++;
	assert_true(helper < fake.helpers + HELPERS_MAX);
	*helper = (struct helper){
		.child = child, .request = request, .held = is_to_be_held(name)};
	(void)snprintf(helper->name, sizeof(helper->name), "%s", name);
	child->open_handles = 1;
	fake.started(fake.userdata, app, name);
	wake();
	return 0;
}

void __wrap_child_kill(struct child *child)
{
	if (child->open_handles == 0)
		return;
	for (size_t i = 0; i < HELPERS_MAX; i++)
		if (fake.helpers[i].child == child) {
			fake.helpers[i].killed = true;
			fake.helpers[i].held = false;
		}
	child->killed = true;
	wake();
}

/* --- for the test --------------------------------------------------------------------
 */

void fake_helpers_hold(const char *names)
{
	(void)snprintf(fake.hold, sizeof(fake.hold), " %s ", names);
}

bool fake_helpers_is_held(const char *name)
{
	for (size_t i = 0; i < HELPERS_MAX; i++)
		if (fake.helpers[i].held && strcmp(fake.helpers[i].name, name) == 0)
			return true;
	return false;
}

void fake_helpers_let_go(void)
{
	fake.hold[0] = '\0';
	for (size_t i = 0; i < HELPERS_MAX; i++)
		fake.helpers[i].held = false;
	wake();
}

void fake_helpers_progress(const char *name, json_t *progress)
{
	for (size_t i = 0; i < HELPERS_MAX; i++)
		if (fake.helpers[i].child && strcmp(fake.helpers[i].name, name) == 0)
			fake.helpers[i].child->on_progress(fake.helpers[i].child,
							   progress);
	json_decref(progress);
}

void fake_helpers_fail(const char *name, enum fake_failure failure)
{
	(void)snprintf(fake.fail, sizeof(fake.fail), "%s", name);
	fake.failure = failure;
}

void fake_helpers_no_start(const char *name)
{
	(void)snprintf(fake.no_start, sizeof(fake.no_start), "%s", name);
}

void fake_helpers_open(uv_loop_t *loop,
		       void (*started)(void *userdata, const char *app,
				       const char *name),
		       void *userdata)
{
	memset(&fake, 0, sizeof(fake));
	fake.loop = loop;
	fake.started = started;
	fake.userdata = userdata;
	assert_int_equal(uv_timer_init(loop, &fake.timer), 0);
}

void fake_helpers_close(void)
{
	uv_close((uv_handle_t *)&fake.timer, NULL);
	for (size_t i = 0; i < HELPERS_MAX; i++)
		assert_null(fake.helpers[i].child); /* all have reported */
	for (size_t i = 0; i < APPS_MAX; i++) {
		json_decref(fake.apps[i].view);
		json_decref(fake.apps[i].pending);
		json_decref(fake.apps[i].history);
	}
	for (size_t i = 0; i < REQUESTS_MAX; i++)
		json_decref(fake.last[i].request);
}
