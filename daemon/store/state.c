/*
 * /var/lib/deployd/APP/state: the last sequence number, who activated the current
 * release, and the intent of a switch under way. It holds nothing that the disk does
 * not tell better: a damaged one is rebuilt, and never stands in the way of a rollback.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "deploy/cleanup.h"
#include "store/store.h"

#define STATE_NAME	"state"
#define STATE_BYTES_MAX 65536

static void checksum(const json_t *json, char ret_text[9])
{
	cleanup_free char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	size_t length = text ? strlen(text) : 0;

	(void)snprintf(
		ret_text, 9, "%08lx",
		crc32(0, (const unsigned char *)(text ? text : ""), (uInt)length));
}

/* The highest sequence number that a release's meta names. */
static uint64_t highest_seq(const struct store *store)
{
	cleanup_json json_t *view = NULL;
	struct errinfo ignored = {0};
	uint64_t highest = 0;
	json_t *release;
	size_t i;

	view = view_make((struct store *)store, &ignored);
	json_array_foreach (json_object_get(view, "releases"), i, release) {
		json_int_t seq = json_integer_value(json_object_get(release, "seq"));

		if (seq > 0 && (uint64_t)seq > highest)
			highest = (uint64_t)seq;
	}
	return highest;
}

static json_t *verified(const char *text)
{
	cleanup_json json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *state = json_object_get(file, "state");
	const char *said = json_string_value(json_object_get(file, "crc32"));
	char crc[9];

	if (!json_is_object(state) || !said)
		return NULL;
	checksum(state, crc);
	return strcmp(crc, said) == 0 ? json_incref(state) : NULL;
}

int state_load(struct store *store, struct store_state *ret_state, struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	struct store_state state = {0};
	const json_t *intent;
	int r;

	r = file_read(store->state_fd, STATE_NAME, STATE_BYTES_MAX, &text, ei);
	if (r < 0 && r != -ENOENT)
		return r;
	if (text) {
		state.json = verified(text);
		state.damaged = !state.json;
	}
	if (!state.json)
		state.json = json_object();
	if (!state.json)
		return errinfo_set(ei, ENOMEM, "cannot read the state");
	state.seq = (uint64_t)json_integer_value(json_object_get(state.json, "seq"));
	intent = json_object_get(state.json, "intent");
	state.intent = json_is_object(intent) ? intent : NULL;
	*ret_state = state;
	if (state.damaged || !text) {
		uint64_t seq = highest_seq(store);

		if (seq > ret_state->seq)
			ret_state->seq = seq;
	}
	return 0;
}

int state_save(struct store *store, json_t *json, struct errinfo *ei)
{
	cleanup_json json_t *file = NULL;
	cleanup_free char *text = NULL;
	char crc[9];

	if (json_object_set_new(json, "schema", json_integer(1)) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	checksum(json, crc);
	file = json_pack("{s:s, s:O}", "crc32", crc, "state", json);
	text = file ? json_dumps(file, JSON_COMPACT) : NULL;
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	return file_replace(store->state_fd, STATE_NAME, text, strlen(text), ei);
}

void state_deinit(struct store_state *state)
{
	json_decref(state->json);
	*state = (struct store_state){0};
}
