/*
 * Small durable facts about an app that deployd must not forget over a restart: a hold,
 * that a release was confirmed, the last restart.flag it has honoured.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/record.h"
#include "store/request.h"
#include "store/state.h"
#include "store/verbs.h"

#define HOLD_REASON_MAX 512

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
	const char *reason = request_text(request, "reason");
	json_int_t until_sec = request_int(request, "until_sec");
	json_t *by = request_get(request, "by");

	(void)reply;
	if (strlen(reason) > HOLD_REASON_MAX)
		return errinfo_refuse(ei, RESULT_USAGE,
				      "the reason is longer than %d bytes",
				      HOLD_REASON_MAX);
	if (until_sec < 0 || (until_sec > 0 && until_sec <= store->now_sec))
		return errinfo_refuse(ei, RESULT_USAGE,
				      "the hold would be over already");
	if (json_dumpb(by, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > INTENT_BYTES_MAX)
		return request_refuse("by", ei);
	return set_hold(store,
			json_pack("{s:s, s:I, s:O, s:I}", "reason", reason, "until_sec",
				  until_sec, "by", by, "since_sec",
				  (json_int_t)store->now_sec),
			ei);
}

int verb_unhold(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	(void)request, (void)reply;
	return set_hold(store, json_null(), ei);
}

static int take_confirm(struct store *store, struct store_state *state,
			const char *release, struct errinfo *ei)
{
	char current[RELEASE_ID_SIZE];
	const json_t *confirm;
	json_t *holder;
	int r = current_read(store, current, ei);

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
	int r = state_load(store, &state, ei);

	(void)reply;
	if (r == 0)
		r = take_confirm(store, &state, request_text(request, "release"), ei);
	state_deinit(&state);
	return r;
}

int verb_flag(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_free char *text =
		json_dumps(request_get(request, "seen"), JSON_COMPACT);

	(void)reply;
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write 'flag'");
	return record_replace(store, store->state_fd, "flag", text, ei);
}
