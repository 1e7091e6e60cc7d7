/*
 * Small durable facts about an app that deployd must not forget over a restart: a hold,
 * that a release was confirmed, the last restart.flag it has honoured.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "store/store.h"

static int set_hold(struct store *store, json_t *hold, struct errinfo *ei)
{
	struct store_state state = {0};
	int r = state_load(store, &state, ei);

	if (r < 0) {
		json_decref(hold);
		return r;
	}
	if (json_object_set_new(state.json, "hold", hold) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot write the state");
	else
		r = state_save(store, &state, ei);
	state_deinit(&state);
	return r;
}

int verb_hold(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *reason;
	json_int_t until_sec;
	json_t *by;
	int r;

	(void)reply;
	r = request_unpack(request, ei, "{s:s, s:I, s:o}", "reason", &reason,
			   "until_sec", &until_sec, "by", &by);
	if (r < 0)
		return r;
	if (strlen(reason) > HOLD_REASON_MAX)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "the reason is longer than %d bytes",
				      HOLD_REASON_MAX);
	if (until_sec < 0 || (until_sec > 0 && until_sec <= store->now_sec))
		return errinfo_refuse(ei, RESULT_USAGE,
				      "the hold would be over already");
	if (json_dumpb(by, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > INTENT_BYTES_MAX)
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: by");
	return set_hold(store,
			json_pack("{s:s, s:I, s:O, s:I}", "reason", reason, "until_sec",
				  until_sec, "by", by, "since_sec",
				  (json_int_t)store->now_sec),
			ei);
}

int verb_unhold(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	int r = request_unpack(request, ei, "{}");

	(void)reply;
	return r < 0 ? r : set_hold(store, json_null(), ei);
}

static int take_confirm(struct store *store, struct store_state *state,
			const char *release, struct errinfo *ei)
{
	char current[RELEASE_ID_SIZE];
	const json_t *confirm;
	json_t *holder;
	int r = view_current(store, current, ei);

	if (r < 0)
		return r;
	confirm = state_confirm(state, current);
	if (!confirm || strcmp(release, current) != 0)
		return errinfo_refuse(ei, RESULT_NOT_FOUND,
				      "release %s does not wait to be confirmed",
				      names_release_valid(release) ? release : "?");
	holder = state_switched(state, current) ? state->intent : state->json;
	if (json_object_set_new(holder, "confirm", json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	return state_save(store, state, ei);
}

int verb_confirm(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	struct store_state state = {0};
	const char *release;
	int r;

	(void)reply;
	r = request_unpack(request, ei, "{s:s}", "release", &release);
	if (r == 0)
		r = state_load(store, &state, ei);
	if (r == 0)
		r = take_confirm(store, &state, release, ei);
	state_deinit(&state);
	return r;
}

int verb_flag(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	json_int_t ino, ctime_nsec, mtime_nsec, size;
	json_t *seen;
	int r;

	(void)reply;
	r = request_unpack(request, ei, "{s:o}", "seen", &seen);
	if (r == 0)
		r = request_unpack(seen, ei, "{s:I, s:I, s:I, s:I}", "ino", &ino,
				   "ctime_nsec", &ctime_nsec, "mtime_nsec", &mtime_nsec,
				   "size", &size);
	if (r < 0)
		return r;
	text = json_dumps(seen, JSON_COMPACT);
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write 'flag'");
	return file_replace(store, store->state_fd, "flag", text, ei);
}
