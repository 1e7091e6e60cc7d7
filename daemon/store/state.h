#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "store/store.h"

#define STATE_BYTES_MAX	 65536
#define INTENT_BYTES_MAX 8192 /* by, job, ...: the state must never become too long */

/*
 * What state says; the strings are in json. Missing or damaged state reads as empty.
 * What an intent brings (activated_by, activated_at, confirm) stays in it until it is
 * settled: whether it holds is told by the link alone.
 */
struct store_state {
	json_t *json;
	uint64_t seq;
	json_t *intent; /* NULL: none */
	bool damaged;
	bool missing;
};

int state_load(struct store *store, struct store_state *ret_state, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
int state_save(struct store *store, struct store_state *state, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
void state_deinit(struct store_state *state) __attribute__((nonnull));

/* Whether the switch of the intent was made. current "" = none. */
bool state_switched(const struct store_state *state, const char *current)
	__attribute__((nonnull));

/* Ends the intent: what it brought is kept when the switch was made. Not saved. */
int state_settle(struct store_state *state, const char *current, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Notes why current is not healthy though it stays (a JSON string), or that it is
 * (null). *ret_changed is set when the state must be saved, else untouched.
 */
int state_set_failed(struct store_state *state, const char *current,
		     const json_t *failed, bool *ret_changed, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 4, 5)));

/* What holds for the current release; borrowed, NULL for none. */
const json_t *state_failed(const struct store_state *state, const char *current)
	__attribute__((nonnull));
const json_t *state_confirm(const struct store_state *state, const char *current)
	__attribute__((nonnull));
const json_t *state_activated(const struct store_state *state, const char *current,
			      const char *key) __attribute__((nonnull));
