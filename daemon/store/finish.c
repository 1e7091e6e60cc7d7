/*
 * The end of an operation: what became of the release is recorded, then the intent is
 * taken back, then the past is pruned. Killed in between, the next start finds the
 * intent and does the rest again.
 */
#include <errno.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "store/store.h"

static void warn(json_t *warnings, const struct errinfo *problem)
{
	(void)json_array_append_new(warnings, text_json(problem->what));
}

/* A release that was gone back from is no place to go back to. */
static int note_rollback(struct store *store, const json_t *intent, struct errinfo *ei)
{
	const char *op = json_string_value(json_object_get(intent, "op"));
	const char *from = json_string_value(json_object_get(intent, "from"));
	int r;

	if (!op || strcmp(op, "rollback") != 0 || !from)
		return 0;
	r = mark_set(store, from, "rolled_back", json_true(), ei);
	return r < 0 && ei->result == RESULT_NOT_FOUND ? 0 : r;
}

/* The end of the intent, and whether what is live now is well. */
static int settle(struct store *store, struct store_state *state, bool clear,
		  const json_t *sick, struct errinfo *ei)
{
	char current[RELEASE_ID_SIZE];
	bool changed = clear && state->intent;
	int r;

	if (!changed && !sick)
		return 0;
	r = view_current(store, current, ei);
	if (r == 0 && changed)
		r = state_settle(state, current, ei);
	if (r == 0 && sick)
		r = state_set_sick(state, current, sick, &changed, ei);
	if (r == 0 && changed)
		r = state_save(store, state, ei);
	return r == 0 && json_is_null(sick) ? mark_healthy(store, current, ei) : r;
}

static int mark_release(struct store *store, const struct store_state *state,
			const char *release, const json_t *mark, const json_t *evidence,
			json_t *warnings, struct errinfo *ei)
{
	const char *word = json_string_value(mark);
	int r;

	if (!word)
		return 0;
	if (strcmp(word, "good") != 0 && strcmp(word, "bad") != 0)
		return errinfo_refuse(ei, RESULT_FAILED, "bad request: mark");
	r = mark_state(store, release, word, evidence, ei);
	if (r < 0 && ei->result == RESULT_NOT_FOUND) {
		/* Nothing to mark: that must not keep the intent for ever. */
		warn(warnings, ei);
		return 0;
	}
	if (r == 0 && strcmp(word, "good") == 0)
		r = note_rollback(store, state->intent, ei);
	return r;
}

int verb_finish(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_json json_t *pruned = json_array(), *warnings = json_array();
	json_t *mark, *history, *in_use, *evidence = NULL, *sick = NULL;
	struct store_state state = {0};
	struct errinfo problem = {0};
	const char *release;
	json_int_t keep;
	int clear, r;

	r = request_unpack(request, ei, "{s:s, s:o, s:o, s:I, s:o, s:b, s?o, s?o}",
			   "release", &release, "mark", &mark, "history", &history,
			   "keep", &keep, "in_use", &in_use, "clear_intent", &clear,
			   "evidence", &evidence, "failed", &sick);
	if (!pruned || !warnings)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	if (r == 0 && !json_is_object(history))
		r = errinfo_refuse(ei, RESULT_FAILED, "bad request: history");
	if (r == 0 && keep < 0)
		r = errinfo_refuse(ei, RESULT_FAILED, "bad request: keep");
	if (r == 0)
		r = state_load(store, &state, ei);
	if (r == 0)
		r = mark_release(store, &state, release, mark, evidence, warnings, ei);
	if (r == 0 && history_append(store, history, &problem) < 0)
		warn(warnings, &problem);
	if (r == 0)
		r = settle(store, &state, clear, sick, ei);
	/* What is done is done, also when the past cannot be tidied. */
	if (r == 0 && prune_releases(store, (uint64_t)keep, in_use, pruned, warnings,
				     &problem) < 0)
		warn(warnings, &problem);
	if (r == 0)
		reserve_keep(store);
	state_deinit(&state);
	if (r == 0 && (json_object_set(reply, "pruned", pruned) < 0 ||
		       json_object_set(reply, "warnings", warnings) < 0))
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}
