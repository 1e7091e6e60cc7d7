#pragma once

#include <jansson.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "store/store.h"

/* The record of each release: its file in meta/. */

#define META_UNKNOWN	 "unknown" /* the state of a release without a record */
#define META_BYTES_MAX	 65536
#define META_REQUEST_MAX 32768 /* of seal's meta: leaves room for evidence */

/*
 * The release's meta object, the caller's. -ENOENT is silent. A damaged one comes as
 * that of an unknown release with "damaged": true, which is never pruned. One of a
 * newer deployd is RESULT_BAD_CONFIG.
 */
int meta_load(const struct store *store, const char *release, json_t **ret_meta,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* The same, but -ENOENT also when the release itself is not there. */
int meta_load_existing(const struct store *store, const char *release,
		       json_t **ret_meta, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
int meta_save(struct store *store, const char *release, json_t *meta,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));
int meta_remove(const struct store *store, const char *release, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* The sequence number in an id; 0 when it has none. */
uint64_t meta_seq_of_id(const char *release) __attribute__((nonnull));

/*
 * A record for a release that has none: state unknown. bytes and files are what is in
 * it.
 */
int meta_rebuild(struct store *store, const char *release, uint64_t bytes,
		 uint64_t files, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Sets state, evidence and rolled_back of the release, durably. word is "good" or
 * "bad"; evidence may be NULL. RESULT_NOT_FOUND when there is no such release.
 */
int meta_mark(struct store *store, const char *release, const char *word,
	      const json_t *evidence, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 5)));

/* Sets one key of the meta, durably; takes over value, also on failure. */
int meta_set(struct store *store, const char *release, const char *key, json_t *value,
	     struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/*
 * The current release was seen healthy: if its state was unknown, it is good from here
 * on. "" = none.
 */
int meta_mark_healthy(struct store *store, const char *current, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
