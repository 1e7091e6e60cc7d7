/*
 * /var/lib/deployd/APP/state: the last sequence number, the intent of a switch under
 * way, who activated the current release, a hold, a release that waits to be confirmed.
 * What the disk tells better is not believed here: a damaged one is rebuilt, and never
 * stands in the way of a rollback.
 */
#include "store/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/meta.h"
#include "store/record.h"
#include "util/file.h"
#include "util/treewalk.h"

#define STATE_NAME "state"

static void checksum(const json_t *json, char ret_text[9])
{
	cleanup_free char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	size_t length = text ? strlen(text) : 0;

	(void)snprintf(
		ret_text, 9, "%08lx",
		crc32(0, (const unsigned char *)(text ? text : ""), (uInt)length));
}

static int take_highest(int dir_fd, const char *name, void *userdata,
			struct errinfo *ei)
{
	uint64_t *highest = userdata, seq;

	(void)dir_fd, (void)ei;
	if (strncmp(name, STORE_TRASH, strlen(STORE_TRASH)) == 0)
		name += strlen(STORE_TRASH);
	seq = names_release_valid(name) ? meta_seq_of_id(name) : 0;
	if (seq > *highest)
		*highest = seq;
	return 0;
}

/* The highest sequence number that any name on the disk has. */
static int highest_seq(const struct store *store, uint64_t *ret_seq, struct errinfo *ei)
{
	const int fds[] = {store->meta_fd, store->releases_fd, store->staging_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		int r = fds[i] < 0 ? 0
				   : dir_for_each(fds[i], take_highest, ret_seq, ei);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_text(const json_t *object, const char *key)
{
	return json_is_string(json_object_get(object, key));
}

static bool is_intent(const json_t *intent)
{
	const json_t *from = json_object_get(intent, "from");

	return is_text(intent, "kind") && is_text(intent, "to") &&
	       is_text(intent, "job") && (json_is_string(from) || json_is_null(from));
}

static json_t *verified(const char *text)
{
	cleanup_json json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *state = json_object_get(file, "state");
	const char *said = json_string_value(json_object_get(file, "crc32"));
	char crc[9];

	if (!said || json_integer_value(json_object_get(state, "seq")) < 0)
		return NULL;
	checksum(state, crc);
	return strcmp(crc, said) == 0 ? json_incref(state) : NULL;
}

/* Before the checksum is verified: a newer one may have another. */
static int check_schema(const struct store *store, const char *text, struct errinfo *ei)
{
	cleanup_json json_t *file = json_loads(text, 0, NULL);

	return record_check_schema(store, json_object_get(file, "schema"), STATE_NAME,
				   ei);
}

static void rename_key(json_t *object, const char *from, const char *to)
{
	json_t *value = json_object_get(object, from);

	if (value && !json_object_get(object, to))
		(void)json_object_set(object, to, value);
	(void)json_object_del(object, from);
}

/* Before schema 3 two members had other names. */
static void upgrade(json_t *state)
{
	json_t *intent = json_object_get(state, "intent");

	rename_key(state, "sick", "failed");
	(void)json_object_del(state, "schema"); /* the file says it */
	if (json_is_object(intent))
		rename_key(intent, "op", "kind");
}

int state_load(struct store *store, struct store_state *ret_state, struct errinfo *ei)
{
	cleanup_free char *text = NULL;
	struct store_state state = {0};
	uint64_t seq = 0;
	int r;

	r = file_read(store->state_fd, STATE_NAME, STATE_BYTES_MAX, &text, ei);
	if (r < 0 && r != -ENOENT && !file_is_damaged(r))
		return r;
	if (r == 0 && check_schema(store, text, ei) < 0)
		return -EINVAL;
	state.json = r == 0 ? verified(text) : NULL;
	state.missing = r == -ENOENT;
	state.damaged = !state.json && !state.missing;
	if (!state.json) {
		r = highest_seq(store, &seq, ei);
		if (r < 0)
			return r;
		state.json = json_pack("{s:I}", "seq", (json_int_t)seq);
	} else {
		upgrade(state.json);
	}
	if (!state.json)
		return errinfo_set(ei, ENOMEM, "cannot read the state");
	state.seq = (uint64_t)json_integer_value(json_object_get(state.json, "seq"));
	state.intent = json_object_get(state.json, "intent");
	if (!is_intent(state.intent))
		state.intent = NULL;
	*ret_state = state;
	return 0;
}

int state_save(struct store *store, struct store_state *state, struct errinfo *ei)
{
	cleanup_json json_t *file = NULL;
	cleanup_free char *text = NULL;
	char crc[9];

	if (json_object_set_new(state->json, "seq",
				json_integer((json_int_t)state->seq)) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	checksum(state->json, crc);
	file = json_pack("{s:i, s:s, s:O}", "schema", STORE_SCHEMA, "crc32", crc,
			 "state", state->json);
	text = file ? json_dumps(file, JSON_COMPACT) : NULL;
	if (!text)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	if (strlen(text) > STATE_BYTES_MAX)
		return errinfo_set(ei, EFBIG, "cannot write the state");
	return record_replace(store, store->state_fd, STATE_NAME, text, ei);
}

void state_deinit(struct store_state *state)
{
	json_decref(state->json);
	*state = (struct store_state){0};
}

bool state_switched(const struct store_state *state, const char *current)
{
	const char *to = json_string_value(json_object_get(state->intent, "to"));

	return to && strcmp(to, current) == 0;
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

int state_settle(struct store_state *state, const char *current, struct errinfo *ei)
{
	json_t *intent = state->intent;

	if (state_switched(state, current) &&
	    (json_object_set_new(state->json, "activated_by",
				 copy_or_null(intent, "by")) < 0 ||
	     json_object_set_new(state->json, "activated_at",
				 copy_or_null(intent, "at")) < 0 ||
	     json_object_set_new(state->json, "confirm",
				 copy_or_null(intent, "confirm")) < 0))
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	if (json_object_set_new(state->json, "intent", json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	state->intent = NULL;
	return 0;
}

int state_set_failed(struct store_state *state, const char *current,
		     const json_t *failed, bool *ret_changed, struct errinfo *ei)
{
	const json_t *before = state_failed(state, current);
	json_t *entry;

	if (before ? json_equal(before, failed) : !json_is_string(failed))
		return 0;
	entry = json_is_string(failed)
			? json_pack("{s:s, s:O}", "release", current, "reason", failed)
			: json_null();
	if (!entry || json_object_set_new(state->json, "failed", entry) < 0)
		return errinfo_set(ei, ENOMEM, "cannot write the state");
	*ret_changed = true;
	return 0;
}

const json_t *state_failed(const struct store_state *state, const char *current)
{
	const json_t *failed = json_object_get(state->json, "failed");
	const char *release = json_string_value(json_object_get(failed, "release"));

	return release && strcmp(release, current) == 0
		       ? json_object_get(failed, "reason")
		       : NULL;
}

const json_t *state_confirm(const struct store_state *state, const char *current)
{
	const json_t *confirm = json_object_get(
		state_switched(state, current) ? state->intent : state->json,
		"confirm");
	const char *release = json_string_value(json_object_get(confirm, "release"));

	return release && strcmp(release, current) == 0 ? confirm : NULL;
}

const json_t *state_activated(const struct store_state *state, const char *current,
			      const char *key)
{
	char long_key[32];

	if (state_switched(state, current))
		return json_object_get(state->intent, key);
	(void)snprintf(long_key, sizeof(long_key), "activated_%s", key);
	return json_object_get(state->json, long_key);
}
