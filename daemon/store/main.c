/*
 * deployd-store: the only program that changes the release store. One request, one
 * reply (protocol.h); everything by pinned directory fds. The order of its calls is
 * what makes a deploy crash safe; each file says which.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/layout.h"
#include "store/lockdown.h"
#include "store/protocol.h"
#include "store/request.h"
#include "store/verbs.h"
#include "store/view.h"
#include "util/privdrop.h"
#include "util/report.h"

#define LOCK_WAIT_MSEC 10000u
/* One that was killed may hang in its syncfs. */
#define RECOVER_LOCK_WAIT_MSEC 200000u

static const struct verb {
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
} verbs[STORE_VERB_COUNT] = {
	[STORE_VERB_inspect] = {.run = verb_inspect},
	[STORE_VERB_recover] = {verb_recover, .alone = true},
	[STORE_VERB_prepare] = {verb_prepare, .creates = true, .alone = true},
	[STORE_VERB_seal] = {verb_seal, .committed = true},
	[STORE_VERB_discard] = {verb_discard, .committed = true, .alone = true},
	[STORE_VERB_switch] = {verb_switch, .committed = true, .alone = true},
	[STORE_VERB_finish] = {verb_finish, .committed = true, .alone = true},
	[STORE_VERB_mark] = {verb_mark, .committed = true},
	[STORE_VERB_hold] = {verb_hold, .committed = true},
	[STORE_VERB_unhold] = {verb_unhold, .committed = true},
	[STORE_VERB_confirm] = {verb_confirm, .committed = true},
	[STORE_VERB_flag] = {verb_flag, .committed = true},
	[STORE_VERB_record] = {verb_record, .committed = true},
	[STORE_VERB_history] = {.run = verb_history},
	[STORE_VERB_lookup] = {.run = verb_lookup},
	[STORE_VERB_adopt] = {verb_adopt, .committed = true},
	[STORE_VERB_audit] = {verb_audit, .committed = true},
};

static int open_store(enum store_verb verb, struct store *store, struct errinfo *ei)
{
	if (verb == STORE_VERB_adopt)
		return layout_open_foreign(store, LOCK_WAIT_MSEC, ei);
	return layout_open(store, verbs[verb].creates,
			   verb == STORE_VERB_recover ? RECOVER_LOCK_WAIT_MSEC
						      : LOCK_WAIT_MSEC,
			   ei);
}

static int run_verb(enum store_verb verb, const json_t *app, json_t *request,
		    json_t *reply, struct errinfo *ei)
{
	struct store store = {.app_fd = -1,
			      .releases_fd = -1,
			      .staging_fd = -1,
			      .state_fd = -1,
			      .meta_fd = -1,
			      .lock_fd = -1,
			      .now_sec = (int64_t)time(NULL)};
	json_t *view;
	int r = 0;

#ifndef BREAK_STAGING_ALWAYS_EMPTIED
	store.staging_in_use = !verbs[verb].alone;
#endif
	/* audit belongs to no app. */
	if (verb != STORE_VERB_audit)
		r = request_read_app(app, &store.app, ei);
	if (r == 0)
		r = protocol_check_request(verb, request, ei);
	if (r == 0 && verb != STORE_VERB_audit)
		r = open_store(verb, &store, ei);
	if (r == 0)
		r = verbs[verb].run(&store, request, reply, ei);
	if (r == 0 && verb != STORE_VERB_audit && !json_object_get(reply, "view")) {
		view = view_make(&store, ei);
		if (!view && !verbs[verb].committed)
			r = -EINVAL;
		else if (json_object_set_new(reply, "view", view ? view : json_null()) <
			 0)
			r = errinfo_set(ei, ENOMEM, "cannot reply");
	}
	request_free_app(&store.app);
	return r;
}

static int run(json_t *reply, struct errinfo *ei)
{
	cleanup_json json_t *request = NULL, *app = NULL;
	enum store_verb verb;
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	(void)umask(0077);
	request = request_read(ei);
	if (!request)
		return -EINVAL;
	verb = protocol_verb(request_text(request, "verb"));
	r = lockdown(verb == STORE_VERB_adopt, ei);
	if (r < 0)
		return r;
	if (verb == STORE_VERB_COUNT)
		return errinfo_refuse(ei, RESULT_FAILED, "unknown verb");
	(void)json_object_del(request, "verb");
	if (verb != STORE_VERB_audit) {
		app = json_incref(request_get(request, "app"));
		(void)json_object_del(request, "app");
	}
	return run_verb(verb, app, request, reply, ei);
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
