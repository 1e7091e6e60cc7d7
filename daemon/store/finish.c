/*
 * The end of an operation: what became of the release is recorded, then the intent is
 * taken back, then the past is pruned. Killed in between, the next start finds the
 * intent and does the rest again.
 */
#include <errno.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "store/store.h"

static int set_meta(struct store *store, const char *release, const char *key,
		    json_t *value, struct errinfo *ei)
{
	cleanup_json json_t *meta = meta_load(store, release);

	if (!meta) {
		json_decref(value);
		return errinfo_refuse(ei, RESULT_NOT_FOUND, "there is no release %s",
				      release);
	}
	if (json_equal(json_object_get(meta, key), value)) {
		json_decref(value);
		return 0;
	}
	if (json_object_set_new(meta, key, value) < 0)
		return errinfo_set(ei, ENOMEM, "cannot mark release %s", release);
	return meta_save(store, release, meta, ei);
}

/* A release that was gone back from is no place to go back to. */
static int note_rollback(struct store *store, const json_t *intent, const char *release,
			 struct errinfo *ei)
{
	const char *op = json_string_value(json_object_get(intent, "op"));
	const char *from = json_string_value(json_object_get(intent, "from"));
	int r;

	r = set_meta(store, release, "rolled_back", json_false(), ei);
	if (r < 0 || !op || strcmp(op, "rollback") != 0 || !from)
		return r;
	r = set_meta(store, from, "rolled_back", json_true(), ei);
	return r < 0 && ei->result == RESULT_NOT_FOUND ? 0 : r;
}

static int clear_intent(struct store *store, struct store_state *state,
			struct errinfo *ei)
{
	if (!state->intent)
		return 0;
	state->intent = NULL;
	if (json_object_set_new(state->json, "intent", json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	return state_save(store, state->json, ei);
}

static int mark_release(struct store *store, const struct store_state *state,
			const char *release, const json_t *mark, struct errinfo *ei)
{
	const char *word = json_string_value(mark);
	int r;

	if (!word)
		return 0;
	if (strcmp(word, "good") != 0 && strcmp(word, "bad") != 0)
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: mark");
	r = set_meta(store, release, "state", json_string(word), ei);
	if (r == 0 && strcmp(word, "good") == 0)
		r = note_rollback(store, state->intent, release, ei);
	return r;
}

int verb_finish(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_json json_t *pruned = json_array();
	json_t *mark, *history, *in_use;
	struct store_state state = {0};
	const char *release;
	json_int_t keep;
	int clear, r;

	r = request_unpack(request, ei, "{s:s, s:o, s:o, s:I, s:o, s:b}", "release",
			   &release, "mark", &mark, "history", &history, "keep", &keep,
			   "in_use", &in_use, "clear_intent", &clear);
	if (r == 0)
		r = state_load(store, &state, ei);
	if (r == 0)
		r = mark_release(store, &state, release, mark, ei);
	if (r == 0)
		r = history_append(store, history, ei);
	if (r == 0 && clear)
		r = clear_intent(store, &state, ei);
	if (r == 0)
		r = prune_releases(store, (uint64_t)keep, in_use, pruned, ei);
	state_deinit(&state);
	if (r == 0 && json_object_set(reply, "pruned", pruned) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}
