/*
 * adopt: an installation of mix_deploy, as it stands, becomes one of deployd. What it
 * takes is found out and done by deployd-store, the only program that changes a release
 * store; here it is shown, and deployd is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "client/connection.h"
#include "deploy/cleanup.h"
#include "process/program.h"
#include "setup/accounts.h"
#include "setup/dirs.h"
#include "setup/store.h"

#define ADOPT_TIMEOUT_SEC 3600 /* every file of every release is examined */
#define DAEMON_WAIT_MSEC  30000
#define LOOK_AGAIN_MSEC	  50

/* As deployd's daemon/base/store_call.c has it. */
static json_t *app_object(const struct app_config *app, const struct owner *owner,
			  uid_t unpack_uid)
{
	bool touch = app->restart_method == RESTART_METHOD_TOUCH;
	char state_dir[256];
	json_t *words = json_array();

	for (char **p = app->limits.link_targets; p && *p; p++)
		(void)json_array_append_new(words, json_string(*p));
	/* Capistrano's releases have absolute links to it. */
	if ((app->linked_dirs && *app->linked_dirs) ||
	    (app->linked_files && *app->linked_files))
		(void)json_array_append_new(words,
					    json_sprintf("%s/shared", app->deploy_dir));

	(void)snprintf(state_dir, sizeof(state_dir), "/var/lib/deployd/%s",
		       app->app_name);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i, "
			 "s:I, s:o}",
			 "name", app->app_name, "base_dir", app->base_dir, "deploy_dir",
			 app->deploy_dir, "releases_dir", app->releases_dir,
			 "current_dir", app->current_dir, "flags_dir", app->flags_dir,
			 "scripts_dir", app->scripts_dir, "etc_dir", app->etc_dir,
			 "state_dir", state_dir, "app_gid", (json_int_t)owner->gid,
			 "deploy_uid", (json_int_t)owner->uid, "flags_mode",
			 touch ? 0775 : 0755, "unpack_uid", (json_int_t)unpack_uid,
			 "link_targets", words);
}

static json_t *history_entry(const struct app_config *app)
{
	unsigned char random[8] = {0};
	char at[RFC3339_SIZE], id[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) < 0)
		random[0] = 0; /* only a name of the line */
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(id + 2 * i, 3, "%02x", random[i]);
	names_rfc3339((int64_t)time(NULL), at);
	return json_pack("{s:s, s:s, s:s, s:s, s:n, s:n, s:s, s:{s:i, s:s}, s:i}",
			 "time", at, "id", id, "app", app->app_name, "kind", "adopt",
			 "from", "to", "result", "ok", "by", "uid", 0, "user", "root",
			 "took_ms", 0);
}

static int ask(struct setup *setup, bool dry_run, json_t **ret_reply,
	       struct errinfo *ei)
{
	const struct app_config *app = setup->app;
	struct owner owner = {0};
	uid_t unpack_uid = 0;
	gid_t unpack_gid;
	char executable[300];
	json_t *request, *require = json_array();
	int r = owner_resolve(setup, app->deploy_user, app->app_group, &owner, ei);

	if (r == 0 && (owner.uid == (uid_t)-1 || owner.gid == (gid_t)-1))
		r = errinfo_refuse(ei, RESULT_NOT_FOUND,
				   "there is no user %s or no group %s; run: deployctl "
				   "create-users %s",
				   app->deploy_user, app->app_group, app->app_name);
	if (r < 0) {
		json_decref(require);
		return r;
	}
	/* Nothing is unpacked here, but the request has the field. */
	if (account_user(setup, "deployd-unpack", &unpack_uid, &unpack_gid) < 0 ||
	    unpack_uid == 0)
		unpack_uid = 65534;
	for (char **p = app->require_files; p && *p; p++)
		(void)json_array_append_new(require, json_string(*p));
	(void)snprintf(executable, sizeof(executable), "bin/%s", app->release_name);
	request = json_pack("{s:s, s:o, s:b, s:s, s:o, s:s, s:s, s:o}", "verb", "adopt",
			    "app", app_object(app, &owner, unpack_uid), "dry_run",
			    dry_run, "executable", executable, "require", require,
			    "deploy_user", app->deploy_user, "app_group",
			    app->app_group, "history", history_entry(app));
	if (!request)
		return errinfo_set(ei, ENOMEM, "cannot ask deployd-store");
	return store_ask(request, ADOPT_TIMEOUT_SEC, ret_reply, ei);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void show_plan(struct setup *setup, const json_t *plan)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(plan, "problems"), i, item)
		setup_note(setup, "%s", json_string_value(item));
	json_array_foreach (json_object_get(plan, "notes"), i, item)
		setup_note(setup, "%s", json_string_value(item));
	json_array_foreach (json_object_get(plan, "changes"), i, item)
		setup_say(setup, text_of(item, "action"), text_of(item, "path"), "%s",
			  text_of(item, "text"));
}

static int check_problems(const struct setup *setup, const json_t *reply,
			  struct errinfo *ei)
{
	size_t n = json_array_size(json_object_get(reply, "problems"));

	if (n == 0)
		return 0;
	return errinfo_refuse(ei, RESULT_BAD_CONFIG,
			      "nothing was changed: %zu thing%s cannot be made safe, "
			      "see above; then run adopt %s again",
			      n, n == 1 ? "" : "s", setup->app->app_name);
}

/* One call and its answer; false when there is none, or it is a refusal. */
static bool call(struct connection *connection, const char *method, json_t *parameters)
{
	struct reply reply = {0};
	bool ok = connection_call(connection, method, parameters, false, -1) == 0 &&
		  connection_receive(connection, program_now_ms() + DAEMON_WAIT_MSEC,
				     NULL, &reply) == RECEIVED_REPLY;

	ok = ok && !reply.error;
	json_decref(reply.message);
	return ok;
}

/* deployd reads it again at a reload; that is done when it can tell of the releases. */
static bool tell_deployd(const struct setup *setup, struct connection *connection)
{
	const struct timespec pause = {0, LOOK_AGAIN_MSEC * 1000000L};
	int64_t deadline_ms = program_now_ms() + DAEMON_WAIT_MSEC;

	if (!call(connection, "io.deployd.ReloadConfiguration", NULL))
		return false;
	while (!call(connection, "io.deployd.Releases",
		     json_pack("{s:s}", "app", setup->app->app_name))) {
		if (program_now_ms() > deadline_ms)
			return false;
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return true;
}

static void reload(struct setup *setup)
{
	struct connection connection = {.fd = -1};
	struct errinfo ignored = {0};

	if (connection_open(&connection, setup->options->socket, &ignored) < 0) {
		setup_note(setup, "deployd is not running; it sees the releases when "
				  "it starts");
		return;
	}
	if (!tell_deployd(setup, &connection))
		setup_note(setup,
			   "deployd does not list the releases yet; try: "
			   "systemctl reload deployd, deployctl status %s",
			   setup->app->app_name);
	connection_close(&connection);
}

/* Of a directory that is there the owner is the app's choice, but not the deployer. */
static void tell_linked(struct setup *setup, const struct tree *tree)
{
	const struct app_config *app = setup->app;

	for (size_t i = 0; i < tree->n_dirs; i++) {
		const char *path = tree->dirs[i].path;

		if (tree->dirs[i].is_linked && access(path, F_OK) == 0)
			setup_note(setup,
				   "left as it is: %s; %s must be able to write there: "
				   "chown -RhP %s:%s %s",
				   path, app->app_user, app->app_user, app->app_group,
				   path);
	}
	for (char **word = app->linked_files; word && *word; word++)
		setup_note(setup,
			   "left as it is: %s/shared/%s; group %s must be able to read "
			   "it, and nobody but root should be able to write it",
			   app->deploy_dir, *word, app->app_group);
}

/* What the deployer could replace on the way to what is linked becomes root's. */
static int adopt_shared(struct setup *setup, struct errinfo *ei)
{
	struct tree tree;
	int r = tree_of_shared(setup->app, &tree);

	if (r < 0)
		return errinfo_set(ei, r, "cannot take over shared/");
	if (setup->dry_run)
		tell_linked(setup, &tree);
	r = dirs_apply(setup, &tree, true, ei);
	tree_deinit(&tree);
	return r;
}

int setup_adopt(struct setup *setup, struct errinfo *ei)
{
	cleanup_json json_t *plan = NULL, *done = NULL;
	int r;

	if (*setup->destdir)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "adopt takes over what runs here; it knows no "
				      "DESTDIR");
	setup->dry_run |= !setup->options->yes;
	r = ask(setup, true, &plan, ei);
	if (r < 0)
		return r;
	show_plan(setup, plan);
	r = check_problems(setup, plan, ei);
	if (r == 0 && setup->dry_run)
		r = adopt_shared(setup, ei);
	if (r < 0 || (setup->n_changes == 0 && setup->dry_run))
		return r;
	if (setup->dry_run) {
		setup_note(setup, "to do it: deployctl adopt %s --yes",
			   setup->app->app_name);
		return 0;
	}
	if (setup->n_changes > 0)
		r = ask(setup, false, &done, ei);
	if (r == 0 && done)
		r = check_problems(setup, done, ei);
	if (r == 0)
		r = adopt_shared(setup, ei);
	if (r == 0 && setup->n_changes == 0)
		return 0;
	if (r < 0)
		return r;
	reload(setup);
	setup_note(setup,
		   "the service was not touched; what else speaks against deploying: "
		   "deployctl doctor %s. The next deploy keeps the newest %llu good "
		   "releases",
		   setup->app->app_name, (unsigned long long)setup->app->keep);
	return 0;
}
