/*
 * The end of a job: what became of the release is recorded, then the intent is taken
 * back, then the past is pruned. Killed in between, the next start finds the
 * intent and does the rest again.
 */
#include <errno.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/evidence.h"
#include "store/history.h"
#include "store/meta.h"
#include "store/prune.h"
#include "store/request.h"
#include "store/room.h"
#include "store/state.h"
#include "store/verbs.h"
#include "util/json_text.h"

static void warn(json_t *warnings, const struct errinfo *problem)
{
	(void)json_array_append_new(warnings, json_text(problem->what));
}

/* A release that was gone back from is no place to go back to. */
static int note_rollback(struct store *store, const json_t *intent, struct errinfo *ei)
{
	const char *kind = json_string_value(json_object_get(intent, "kind"));
	const char *from = json_string_value(json_object_get(intent, "from"));
	int r;

	if (!kind || strcmp(kind, "rollback") != 0 || !from)
		return 0;
	r = meta_set(store, from, "rolled_back", json_true(), ei);
	return r < 0 && ei->result == RESULT_NOT_FOUND ? 0 : r;
}

/* A failure that nobody has mended yet, or null. */
static int set_failure(struct store_state *state, json_t *failure, bool *ret_changed,
		       struct errinfo *ei)
{
	const json_t *before = json_object_get(state->json, "failure");

	if (!failure || (before ? json_equal(before, failure) : json_is_null(failure)))
		return 0;
	if (json_object_set(state->json, "failure", failure) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	*ret_changed = true;
	return 0;
}

/* The end of the intent, and whether what is live now is healthy. */
static int settle(struct store *store, struct store_state *state, bool clear,
		  const json_t *request, struct errinfo *ei)
{
	const json_t *failed = request_get(request, "failed");
	char current[RELEASE_ID_SIZE];
	bool changed = clear && state->intent;
	int r;

	if (!changed && !failed)
		return 0;
	r = current_read(store, current, ei);
	if (r == 0 && changed)
		r = state_settle(state, current, ei);
	if (r == 0)
		r = set_failure(state, request_get(request, "failure"), &changed, ei);
	if (r == 0 && failed)
		r = state_set_failed(state, current, failed, &changed, ei);
	if (r == 0 && changed)
		r = state_save(store, state, ei);
	return r == 0 && json_is_null(failed) ? meta_mark_healthy(store, current, ei)
					      : r;
}

/* Of a start that failed and is held against nobody. */
static int note_evidence(struct store *store, const json_t *request, json_t *warnings,
			 struct errinfo *ei)
{
	const json_t *evidence = request_get(request, "evidence");
	int r;

	if (!evidence || json_is_null(evidence))
		return 0;
	r = meta_set(store, request_text(request, "release"), "evidence",
		     evidence_bounded(evidence), ei);
	if (r < 0)
		warn(warnings, ei);
	return 0;
}

static int mark_release(struct store *store, const struct store_state *state,
			const json_t *request, json_t *warnings, struct errinfo *ei)
{
	const char *word = request_text(request, "mark");
	int r;

	if (!word)
		return note_evidence(store, request, warnings, ei);
	if (strcmp(word, "good") != 0 && strcmp(word, "bad") != 0)
		return request_refuse("mark", ei);
	r = meta_mark(store, request_text(request, "release"), word,
		      request_get(request, "evidence"), ei);
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
	json_t *history = request_get(request, "history");
	int64_t keep = request_int(request, "keep");
	struct store_state state = {0};
	struct errinfo problem = {0};
	int r = 0;

	if (!pruned || !warnings)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	if (keep < 0)
		r = request_refuse("keep", ei);
	if (r == 0)
		r = state_load(store, &state, ei);
	if (r == 0)
		r = mark_release(store, &state, request, warnings, ei);
	if (r == 0 && history_append(store, history, &problem) < 0)
		warn(warnings, &problem);
	if (r == 0)
		r = settle(store, &state, request_bool(request, "clear_intent"),
			   request, ei);
	/* What is done is done, also when the past cannot be tidied. */
	if (r == 0 &&
	    prune_releases(store, (uint64_t)keep, request_get(request, "in_use"),
			   pruned, warnings, &problem) < 0)
		warn(warnings, &problem);
	if (r == 0)
		room_keep(store);
	state_deinit(&state);
	if (r == 0 && (json_object_set(reply, "pruned", pruned) < 0 ||
		       json_object_set(reply, "warnings", warnings) < 0))
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}

int verb_record(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const json_t *failed = request_get(request, "failed");
	struct store_state state = {0};
	int r;

	(void)reply;
	r = history_append(store, request_get(request, "history"), ei);
	if (r == 0 && failed)
		r = state_load(store, &state, ei);
	if (r == 0 && failed)
		r = settle(store, &state, false, request, ei);
	state_deinit(&state);
	return r;
}
