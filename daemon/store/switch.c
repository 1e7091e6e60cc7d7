/*
 * The commit point: the intent is on disk before it, the link is replaced by rename,
 * and "switched" is said only when the directory has reached the disk. What can fail
 * for want of memory or files is done before; afterwards only the disk can.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/evidence.h"
#include "store/meta.h"
#include "store/request.h"
#include "store/state.h"
#include "store/verbs.h"
#include "store/view.h"

struct change {
	char from[RELEASE_ID_SIZE]; /* "" = none */
	const char *to;
	const char *kind;
	json_t *intent;
};

static int check_target(const struct store *store, const char *to, struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	int r = meta_load_existing(store, to, &meta, ei);

	if (r == -ENOENT)
		return errinfo_refuse(ei, RESULT_NOT_FOUND, "no release %s",
				      names_release_valid(to) ? to : "of that name");
	return r;
}

static int check_if_current(const json_t *wanted, const char *current,
			    struct errinfo *ei)
{
	const char *id = json_string_value(wanted);

	if (!wanted || strcmp(id ? id : "", current) == 0)
		return 0;
	return errinfo_refuse(ei, RESULT_IF_CURRENT,
			      "the current release is %s, not %s; nothing was changed",
			      *current ? current : "none", id ? id : "none");
}

/*
 * While it is current the state tells since when it is. What is not noted is a time for
 * people: no reason not to switch.
 */
static void note_deployed_at(struct store *store, const char *current)
{
	struct store_state state = {0};
	struct errinfo ignored = {0};
	const json_t *at;

	if (!*current || state_load(store, &state, &ignored) < 0)
		return;
	at = state_activated(&state, current, "at");
	if (json_is_string(at) && meta_set(store, current, "deployed_at",
					   json_incref((json_t *)at), &ignored) < 0)
		ignored = (struct errinfo){0};
	state_deinit(&state);
}

static int save_intent(struct store *store, const struct change *change,
		       struct errinfo *ei)
{
#ifdef BREAK_NO_INTENT
	(void)store, (void)change, (void)ei;
	return 0;
#else
	struct store_state state = {0};
	int r;

	r = state_load(store, &state, ei);
	if (r == 0)
		r = state_settle(&state, change->from, ei);
	if (r == 0 && json_object_set(state.json, "intent", change->intent) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot write the intent");
	if (r == 0)
		r = state_save(store, &state, ei);
	state_deinit(&state);
	return r;
#endif
}

/* The disk may have either link now; what runs, and what is said, is the old one. */
static int take_back(const struct store *store, const struct change *change,
		     struct errinfo *ei)
{
	struct errinfo why = *ei;
	int r = current_take_back(store, change->from);

	if (r < 0)
		return errinfo_set(ei, r,
				   "%s; and the switch to %s could not be taken back",
				   why.what, change->to);
	return why.err;
}

/* So that the next start does not take it for the work of a crash. */
static void forget_intent(struct store *store, const struct change *change)
{
	struct store_state state = {0};
	struct errinfo ignored = {0};
	int r;

	/* A revert is wanted all the same: deployd's next start tries it again. */
	if (strcmp(change->kind, "revert") == 0 ||
	    state_load(store, &state, &ignored) < 0)
		return;
	r = state_settle(&state, change->from, &ignored);
	if (r == 0)
		r = state_save(store, &state, &ignored);
	(void)r;
	state_deinit(&state);
}

static int commit(struct store *store, const struct change *change, struct errinfo *ei)
{
	int r;

	r = save_intent(store, change, ei);
	if (r < 0)
		return r;
	r = current_replace(store, change->to, ei);
	if (r < 0) {
		forget_intent(store, change);
		return r;
	}
	r = current_sync(store, ei);
	return r < 0 ? take_back(store, change, ei) : 0;
}

/*
 * Against the release that failed: a crash between here and the end of the job must not
 * lose it. A disk that cannot keep it is no reason to stay with that release.
 */
static void note_evidence(struct store *store, const json_t *request)
{
	const char *release = json_string_value(
		json_object_get(request_get(request, "way_back"), "release"));
	const json_t *evidence = request_get(request, "evidence");
	struct errinfo ignored = {0};

	if (release && json_is_object(evidence) &&
	    meta_set(store, release, "evidence", evidence_bounded(evidence), &ignored) <
		    0)
		ignored = (struct errinfo){0};
}

static json_t *make_intent(const struct change *change, const json_t *request,
			   const char *at)
{
	json_t *from = change->from[0] ? json_string(change->from) : json_null();
	const char *job = request_text(request, "job");
	json_t *by = request_get(request, "by");
	json_t *boot_id = request_get(request, "boot_id");
	json_t *key = request_get(request, "key");
	json_t *way_back = request_get(request, "way_back");
	json_int_t deadline_sec = request_int(request, "confirm_deadline_sec");
	struct timespec boot = {0};
	json_t *intent;

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	intent = json_pack("{s:s, s:O, s:s, s:s, s:O, s:s, s:I}", "kind", change->kind,
			   "from", from, "to", change->to, "job", job, "by", by, "at",
			   at, "boottime_sec", (json_int_t)boot.tv_sec);
	if (intent && key)
		(void)json_object_set(intent, "key", key);
	if (intent && way_back)
		(void)json_object_set(intent, "way_back", way_back);
	if (intent && boot_id)
		(void)json_object_set(intent, "boot_id", boot_id);
	if (intent && deadline_sec > 0 &&
	    json_object_set_new(intent, "confirm",
				json_pack("{s:s, s:O, s:I, s:s, s:O}", "release",
					  change->to, "from", from, "deadline_sec",
					  deadline_sec, "job", job, "by", by)) < 0) {
		json_decref(intent);
		intent = NULL;
	}
	json_decref(from);
	return intent;
}

int verb_switch(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_json json_t *intent = NULL, *view = NULL;
	struct change change = {.from = "",
				.to = request_text(request, "to"),
				.kind = request_text(request, "kind")};
	char at[RFC3339_SIZE];
	int r = current_read(store, change.from, ei);

	if (r == 0)
		r = check_target(store, change.to, ei);
	if (r == 0)
		r = check_if_current(request_get(request, "if_current"), change.from,
				     ei);
	if (r < 0)
		return r;
	names_rfc3339(store->now_sec, at);
	intent = make_intent(&change, request, at);
	if (!intent)
		return errinfo_set(ei, ENOMEM, "cannot write the intent");
	if (json_dumpb(intent, NULL, 0, JSON_COMPACT) > INTENT_BYTES_MAX)
		return request_refuse("too long", ei);
	change.intent = intent;
	note_deployed_at(store, change.from);
	note_evidence(store, request);
	view = view_make(store, ei);
	if (!view)
		return -EINVAL;
	r = view_after_switch(view, change.to, request_get(request, "by"), at,
			      json_object_get(intent, "confirm"), ei);
	if (r < 0)
		return r;
	if (json_object_set(reply, "view", view) < 0 ||
	    json_object_set(reply, "from", json_object_get(intent, "from")) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return commit(store, &change, ei);
}
