#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/limits.h"
#include "store/adopt.h"
#include "store/store.h"
#include "util/privdrop.h"
#include "util/report.h"

#define REQUEST_BYTES_MAX (1u << 20)
#define PATH_BYTES_MAX	  1000
_Static_assert(APP_DIR_MAX < PATH_BYTES_MAX, "a directory that --check accepts");

#define LOCK_WAIT_MSEC 10000u
#define RECOVER_LOCK_WAIT_MSEC                                                         \
	200000u /* one that was killed may hang in its syncfs                          \
		 */

static const struct verb {
	const char *name;
	int (*run)(struct store *store, json_t *request, json_t *reply,
		   struct errinfo *ei);
	bool creates; /* makes what is missing of the app's tree */
	/* Its effect is there for good: want of memory for the view undoes nothing. */
	bool committed;
	/*
	 * Nobody unpacks meanwhile: on a full disk staging may be emptied. The others
	 * may come while a deploy is under way.
	 */
	bool alone;
} verbs[] = {
	{"inspect", NULL, false, false, false},
	{"recover", verb_recover, false, false, true},
	{"prepare", verb_prepare, true, false, true},
	{"seal", verb_seal, false, true, false},
	{"discard", verb_discard, false, true, true},
	{"switch", verb_switch, false, true, true},
	{"finish", verb_finish, false, true, true},
	{"mark", verb_mark, false, true, false},
	{"hold", verb_hold, false, true, false},
	{"unhold", verb_unhold, false, true, false},
	{"confirm", verb_confirm, false, true, false},
	{"flag", verb_flag, false, true, false},
	{"record", verb_record, false, true, false},
	{"history", verb_history, false, false, false},
	{"adopt", verb_adopt, false, true, false},
};

static bool is_adopt(const char *verb)
{
	return verb && strcmp(verb, "adopt") == 0;
}

/*
 * Keeps CAP_CHOWN alone: files are opened as their owner, never past their modes. Only
 * adopt must read what is others' before it takes it over.
 */
static int drop_capabilities(bool reads_all, struct errinfo *ei)
{
	cap_value_t keep[] = {CAP_CHOWN, CAP_DAC_READ_SEARCH};
	int n = reads_all ? 2 : 1;
	cap_t caps = cap_init();
	int r = 0;

	if (!caps || cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, n, keep, CAP_SET) < 0 ||
	    cap_set_proc(caps) < 0)
		r = errinfo_set(ei, errno, "cannot drop capabilities");
	if (caps)
		(void)cap_free(caps);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = errinfo_set(ei, errno, "cannot set no_new_privs");
	return r;
}

/* All of fd 0; NULL: ei says why. */
static char *read_input(size_t *ret_length, struct errinfo *ei)
{
	cleanup_free char *text = malloc(REQUEST_BYTES_MAX + 1);
	size_t length = 0;
	ssize_t n = 1;

	if (!text) {
		(void)errinfo_set(ei, ENOMEM, "cannot read the request");
		return NULL;
	}
	while (n != 0 && length <= REQUEST_BYTES_MAX) {
		n = read(STDIN_FILENO, text + length, REQUEST_BYTES_MAX + 1 - length);
		if (n < 0 && errno != EINTR) {
			(void)errinfo_set(ei, errno, "cannot read the request");
			return NULL;
		}
		length += n > 0 ? (size_t)n : 0;
	}
	*ret_length = length;
	return steal_ptr(&text);
}

static json_t *read_request(struct errinfo *ei)
{
	size_t length = 0;
	cleanup_free char *text = read_input(&length, ei);
	json_t *request;

	if (!text)
		return NULL;
	request = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(request)) {
		(void)errinfo_refuse(ei, RESULT_FAILED,
				     "the request is not a JSON object");
		json_decref(request);
		return NULL;
	}
	return request;
}

static bool is_id(json_int_t id)
{
	return id >= 0 && id < UINT32_MAX;
}

/* Absolute, not "/", every part a name. */
static bool is_path(const char *path)
{
	const char *part = path;

	if (strlen(path) >= PATH_BYTES_MAX || *part != '/')
		return false;
	while (*part == '/') {
		size_t n = strcspn(++part, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && part[0] == '.') ||
		    (n == 2 && part[0] == '.' && part[1] == '.'))
			return false;
		part += n;
	}
	return true;
}

static int read_link_targets(struct store_app *app, const json_t *list,
			     struct errinfo *ei)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: link_targets");
	app->link_targets = calloc(n + 1, sizeof(*app->link_targets));
	if (!app->link_targets)
		return errinfo_set(ei, ENOMEM, "cannot read the request");
	for (size_t i = 0; i < n; i++) {
		app->link_targets[i] = json_string_value(json_array_get(list, i));
		if (!app->link_targets[i] || app->link_targets[i][0] != '/')
			return errinfo_refuse(ei, RESULT_FAILED,
					      "bad request: link_targets");
	}
	return 0;
}

static int read_app(struct store *store, const json_t *object, struct errinfo *ei)
{
	struct store_app *app = &store->app;
	json_int_t gid, deploy_uid, unpack_uid, flags_mode;
	const json_t *link_targets;
	size_t n;

	if (request_unpack(
		    (json_t *)object, ei,
		    "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, "
		    "s:I, s:o}",
		    "name", &app->name, "base_dir", &app->base_dir, "deploy_dir",
		    &app->deploy_dir, "releases_dir", &app->releases_dir, "current_dir",
		    &app->current_dir, "flags_dir", &app->flags_dir, "scripts_dir",
		    &app->scripts_dir, "etc_dir", &app->etc_dir, "state_dir",
		    &app->state_dir, "app_gid", &gid, "deploy_uid", &deploy_uid,
		    "unpack_uid", &unpack_uid, "flags_mode", &flags_mode,
		    "link_targets", &link_targets) < 0)
		return -EINVAL;
	if (read_link_targets(app, link_targets, ei) < 0)
		return -EINVAL;
	if (!is_id(gid) || !is_id(deploy_uid) || !is_id(unpack_uid))
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: uid or gid");
	app->app_gid = (gid_t)gid;
	app->deploy_uid = (uid_t)deploy_uid;
	app->unpack_uid = (uid_t)unpack_uid;
	app->flags_mode = (mode_t)flags_mode & 0777;
	if (!is_path(app->base_dir) || !is_path(app->deploy_dir) ||
	    !is_path(app->releases_dir) || !is_path(app->current_dir) ||
	    !is_path(app->state_dir))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "directories must be absolute paths without "
				      "\"..\"");
	n = strlen(app->deploy_dir);
	if (strncmp(app->releases_dir, app->deploy_dir, n) != 0 ||
	    strncmp(app->current_dir, app->deploy_dir, n) != 0 ||
	    app->releases_dir[n] != '/' || app->current_dir[n] != '/' ||
	    strchr(app->releases_dir + n + 1, '/') ||
	    strchr(app->current_dir + n + 1, '/'))
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "releases_dir and current_dir must be directly "
				      "in deploy_dir '%s'",
				      app->deploy_dir);
	app->releases_name = app->releases_dir + n + 1;
	app->current_name = app->current_dir + n + 1;
	if (strcmp(app->releases_name, app->current_name) == 0)
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"releases_dir and current_dir are both '%s'; current_dir is a "
			"link of its own",
			app->current_dir);
	if (unpack_uid == 0)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "unpack_user must not be root");
	return 0;
}

static int run_verb(const struct verb *verb, struct store *store, json_t *request,
		    json_t *reply, struct errinfo *ei)
{
	bool recovers = verb->run == verb_recover;
	json_t *view;
	int r;

#ifndef BREAK_STAGING_ALWAYS_EMPTIED
	store->staging_in_use = !verb->alone;
#endif
	r = is_adopt(verb->name)
		    ? layout_open_foreign(store, LOCK_WAIT_MSEC, ei)
		    : layout_open(store, verb->creates,
				  recovers ? RECOVER_LOCK_WAIT_MSEC : LOCK_WAIT_MSEC,
				  ei);
	if (r == 0 && verb->run)
		r = verb->run(store, request, reply, ei);
	if (r < 0 || json_object_get(reply, "view"))
		return r;
	view = view_make(store, ei);
	if (!view && !verb->committed)
		return -EINVAL;
	return json_object_set_new(reply, "view", view ? view : json_null()) < 0
		       ? errinfo_set(ei, ENOMEM, "cannot reply")
		       : 0;
}

static int run_named(const char *name, struct store *store, json_t *request,
		     json_t *reply, struct errinfo *ei)
{
	for (size_t i = 0; name && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return run_verb(&verbs[i], store, request, reply, ei);
	return errinfo_refuse(ei, RESULT_FAILED, "unknown verb");
}

static int run(json_t *reply, struct errinfo *ei)
{
	struct store store = {.app_fd = -1,
			      .releases_fd = -1,
			      .staging_fd = -1,
			      .state_fd = -1,
			      .meta_fd = -1,
			      .lock_fd = -1,
			      .now_sec = (int64_t)time(NULL)};
	cleanup_json json_t *request = NULL, *app = NULL, *verb = NULL;
	const char *name;
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	(void)umask(0077);
	request = read_request(ei);
	if (!request)
		return -EINVAL;
	verb = json_incref(json_object_get(request, "verb"));
	name = json_string_value(verb);
	r = drop_capabilities(is_adopt(name), ei);
	if (r < 0)
		return r;
	(void)json_object_del(request, "verb");
	if (name && strcmp(name, "audit") == 0)
		return audit_append(request, ei);
	app = json_incref(json_object_get(request, "app"));
	(void)json_object_del(request, "app");
	r = read_app(&store, app, ei);
	if (r == 0)
		r = run_named(name, &store, request, reply, ei);
	free(store.app.link_targets);
	return r;
}

int main(void)
{
	struct errinfo ei = {0};
	json_t *reply;

	if (!report_init()) {
		(void)fprintf(stderr, "deployd-store is started by deployd only\n");
		return 2;
	}
	reply = json_object();
	if (!reply)
		return 1;
	if (run(reply, &ei) < 0) {
		json_decref(reply);
		return report_failure(&ei);
	}
	return report_result(RESULT_OK, "", reply);
}
