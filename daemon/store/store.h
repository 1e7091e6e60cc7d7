#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/errinfo.h"
#include "deploy/names.h"

/*
 * deployd-store: the only program that changes the release store. One request, one
 * reply; everything by pinned directory fds. The order of its calls is what makes a
 * deploy crash safe; each file says which.
 */

#define STORE_STAGING	  ".staging"
#define STORE_LINK_PREFIX ".current." /* a link on its way to being renamed */
#define STORE_TRASH	  "trash-"

/* The app as the request has it; strings live as long as the request. */
struct store_app {
	const char *name, *base_dir, *deploy_dir, *releases_dir, *current_dir,
		*flags_dir, *scripts_dir, *etc_dir, *state_dir;
	const char *releases_name,
		*current_name; /* basenames, directly in deploy_dir */
	gid_t app_gid;
	uid_t deploy_uid, unpack_uid;
	mode_t flags_mode;
};

struct store {
	struct store_app app;
	int app_fd, releases_fd, staging_fd; /* -1: not there yet */
	int state_fd, meta_fd;
	int lock_fd; /* held until the program ends */
	int64_t now_sec;
};

/* What state says; the strings are in json. Missing or damaged state reads as empty. */
struct store_state {
	json_t *json;
	uint64_t seq;
	const json_t *intent; /* NULL: none */
	bool damaged;
};

/* --- layout.c ------------------------------------------------------------------- */

/*
 * Opens, checks and locks. create: what is missing of the app's tree is made. Unsafe
 * owners are RESULT_BAD_CONFIG with the command that mends them.
 */
int layout_open(struct store *store, bool create, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* --- files.c -------------------------------------------------------------------- */

/* Writes name durably: temporary file, fsync, rename, fsync of the directory. */
int file_replace(int dir_fd, const char *name, const char *text, size_t length,
		 struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* The whole file, NUL-terminated, at most max bytes; the caller frees. -ENOENT is
 * silent. */
int file_read(int dir_fd, const char *name, size_t max, char **ret_text,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* fsync of a directory; what says which, for the message. */
int dir_sync(int fd, const char *what, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* --- state.c -------------------------------------------------------------------- */

int state_load(struct store *store, struct store_state *ret_state, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
/* Takes no reference; json is the state object to be kept. */
int state_save(struct store *store, json_t *json, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
void state_deinit(struct store_state *state) __attribute__((nonnull));

/* --- meta.c --------------------------------------------------------------------- */

/* The release's meta object, NULL when there is none or it is damaged. */
json_t *meta_load(const struct store *store, const char *release)
	__attribute__((warn_unused_result, nonnull));
int meta_save(const struct store *store, const char *release, json_t *meta,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));
int meta_remove(const struct store *store, const char *release, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* --- view.c --------------------------------------------------------------------- */

/*
 * Where current points: ret_release gets the id, or "" when there is no link. A link or
 * directory that is not ours is RESULT_BAD_CONFIG.
 */
int view_current(const struct store *store, char ret_release[RELEASE_ID_SIZE],
		 struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* What deployd knows of the app: see the reply's "view" in request.c. NULL: ei says
 * why. */
json_t *view_make(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* --- the verbs: each adds its fields to reply ----------------------------------- */

int verb_prepare(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei);
int verb_seal(struct store *store, json_t *request, json_t *reply, struct errinfo *ei);
int verb_discard(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei);
int verb_switch(struct store *store, json_t *request, json_t *reply,
		struct errinfo *ei);
int verb_finish(struct store *store, json_t *request, json_t *reply,
		struct errinfo *ei);
int verb_record(struct store *store, json_t *request, json_t *reply,
		struct errinfo *ei);
int verb_history(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei);
int verb_recover(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei);

/* history.c: appends the entry durably. */
int history_append(struct store *store, json_t *entry, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/* prune.c: removes what retention lets go; the ids are appended to pruned. */
int prune_releases(struct store *store, uint64_t keep, const json_t *in_use,
		   json_t *pruned, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* recover.c: removes what a crash or a failed deploy left in .staging. */
int recover_empty_staging(struct store *store, json_t *messages, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/* request.c: json_unpack of strict fields; a misspelt one is a failure. */
int request_unpack(json_t *request, struct errinfo *ei, const char *fmt, ...)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));
