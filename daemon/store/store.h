#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/retention.h"
#include "deploy/errinfo.h"
#include "deploy/names.h"

/*
 * deployd-store: the only program that changes the release store. One request, one
 * reply; everything by pinned directory fds. The order of its calls is what makes a
 * deploy crash safe; each file says which.
 *
 * The request is one JSON object on fd 0: "verb", "app" (see read_app in main.c) and
 * the verb's fields below; a field that is not named here is refused. The reply is the
 * result line of util/report.h with the verb's fields and "view". A field with ? may be
 * left out.
 *
 *   inspect	{}
 *   recover	{boot_id?}	-> {recovered: [text], pending: null or {op, from, to,
 *job, by, at, phase, same_boot, confirm}, confirm: null or as in the view} phase is
 *"switched", current is pending.to and the rest of the operation is to be done; or
 *"intended", only of op "revert": current is still pending.from and the switch itself
 *is to be made, too. prepare	{need_bytes, max_entries}	-> {release, staging}
 *   seal	{release, max_bytes, max_entries, max_depth, require: [path], meta: {}}
 *		-> {bytes, files}. fd 1 may be the staging directory, opened before the
 *		unpacking: then syncfs() on it tells of every write that failed since.
 *   discard	{release}, from staging, or sealed and not activated
 *   switch	{to, op, job, by, if_current?, boot_id?, confirm_deadline_sec?}
 *		-> {from}. op is free text but for "rollback" (from is no place to go
 *		back to any more, once finish marks to good) and "revert" (see recover).
 *		confirm_deadline_sec: seconds of CLOCK_REALTIME; written together with
 *		the intent, so that a crash at any point leaves both or none.
 *   finish	{release, mark: "good", "bad" or null, evidence?, history: {}, keep,
 *		in_use: [id], clear_intent, sick?}	-> {pruned: [id], warnings:
 *[text]} evidence goes with "bad": {reason, unit_result, check_output: text or null,
 *journal: [line]}; the oldest lines are dropped beyond EVIDENCE_BYTES_MAX. mark
 *{release, mark: "good", "bad", "pinned" or "unpinned", evidence?} hold	{reason,
 *until_sec (0: for ever), by}	unhold {} confirm	{release}	RESULT_NOT_FOUND
 *unless it waits to be confirmed flag	{seen: {ino, ctime_nsec, mtime_nsec, size}}
 *		sick: why what is current now is not well, or null: it is. As said, of
 *		record, too; left out, nothing changes.
 *   record	{history: {}, sick?}
 *   history	{limit}		-> {entries: [{}]}, the newest first
 *   audit	{directory, lines: [{}]}, without "app" and without a view: see audit.c
 *
 * The view: {current, previous: id or null, degraded: text or null, activated_by,
 * activated_at, hold: null or {reason, until_sec, by, since_sec}, confirm: null or
 * {release, from, deadline_sec, job, by}, flag: null or as given, sick: null or text,
 * releases: [{id, seq,
 * state: "good", "bad", "staged" or "unknown" (its record was lost), sha256, version,
 *revision, message, bytes, files, deployed_by, deployed_at, pinned, rolled_back,
 *evidence: null or {}}]}, the newest release first. A hold that is over is not shown,
 *but the view ages: compare until_sec.
 */

#define STORE_STAGING	  ".staging"
#define STORE_RESERVE	  ".reserve"
#define STORE_NEW	  ".new"      /* a directory that is not complete yet */
#define STORE_LINK_PREFIX ".current." /* a link on its way to being renamed */
#define STORE_TRASH	  "trash-"
#define STORE_UNKNOWN	  "unknown" /* the state of a release without a record */

/* Of the files in state_dir. One that is newer is refused, never misread. */
#define STORE_SCHEMA 2

#define META_BYTES_MAX	   65536
#define META_REQUEST_MAX   32768 /* of seal's meta: leaves room for evidence */
#define EVIDENCE_BYTES_MAX 16384
#define HOLD_REASON_MAX	   512
#define STATE_BYTES_MAX	   65536
#define INTENT_BYTES_MAX   8192 /* by, job, ...: the state must never become too long */

/* The app as the request has it; strings live as long as the request. */
struct store_app {
	const char *name, *base_dir, *deploy_dir, *releases_dir, *current_dir,
		*flags_dir, *scripts_dir, *etc_dir, *state_dir;
	const char *releases_name,
		*current_name; /* basenames, directly in deploy_dir */
	gid_t app_gid;
	uid_t deploy_uid, unpack_uid;
	mode_t flags_mode;
	const char **link_targets; /* NULL-terminated */
};

struct store {
	struct store_app app;
	int app_fd, releases_fd, staging_fd; /* -1: not there yet */
	int state_fd, meta_fd;
	int lock_fd; /* held until the program ends */
	int64_t now_sec;
	bool staging_in_use; /* a full disk must not cost what is being unpacked there
			      */
};

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

/* --- layout.c ------------------------------------------------------------------- */

/*
 * Opens, checks and locks. create: what is missing of the app's tree is made. Unsafe
 * owners are RESULT_BAD_CONFIG with the command that mends them.
 */
int layout_open(struct store *store, bool create, unsigned int lock_wait_ms,
		struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* An open directory must be root's alone: path is what the message calls it. */
int layout_check_owner(int fd, const char *path, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* The errinfo of a write below deploy_dir that failed with err. */
int layout_write_failed(const struct store *store, int err, const char *what,
			struct errinfo *ei) __attribute__((nonnull));

/* --- files.c -------------------------------------------------------------------- */

/*
 * Writes name durably: temporary file, fsync, rename, fsync of the directory. On a full
 * disk once more, after reserve_use().
 */
int file_replace(struct store *store, int dir_fd, const char *name, const char *text,
		 struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/*
 * The whole file, NUL-terminated; the caller frees. -ENOENT is silent, a file longer
 * than max is -EFBIG.
 */
int file_read(int dir_fd, const char *name, size_t max, char **ret_text,
	      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* calloc(), for pointers that clean up after themselves. */
void *zeroed(size_t n, size_t size) __attribute__((warn_unused_result));

/* True when a read failed because of what is on the disk, and will fail again. */
bool file_is_damaged(int err);

/*
 * What is not of the type (S_IFREG, S_IFDIR) gets out of the way, as ".NAME.damaged".
 * Nothing there is no error.
 */
int file_set_aside(int dir_fd, const char *name, mode_t type, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* fsync of a directory; what says which, for the message. */
int dir_sync(int fd, const char *what, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Calls visit with every name in the directory but "." and "..", until it fails. */
int dir_for_each(int dir_fd,
		 int (*visit)(int dir_fd, const char *name, void *userdata,
			      struct errinfo *ei),
		 void *userdata, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 4)));

/* --- reserve.c ------------------------------------------------------------------ */

/*
 * A disk that is full must not stand in the way of a rollback: a file is kept on each
 * of the two file systems for its blocks and its inode. reserve_use gives them up,
 * together with what lies in staging: 0 when that may have made room, -ENOSPC when
 * there was nothing to give, else why it failed.
 */
int reserve_use(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* Makes them again while there is room. */
void reserve_keep(const struct store *store) __attribute__((nonnull));

/* --- state.c -------------------------------------------------------------------- */

/*
 * RESULT_BAD_CONFIG, with what to do, when schema (NULL: the first) is newer than ours;
 * file is named below state_dir.
 */
int state_check_schema(const struct store *store, const json_t *schema,
		       const char *file, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3, 4)));

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
 * Notes why current is not well though it stays (a JSON string), or that it is (null).
 * *ret_changed is set when the state must be saved, else untouched.
 */
int state_set_sick(struct store_state *state, const char *current, const json_t *sick,
		   bool *ret_changed, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 4, 5)));

/* The same for the state on disk. */
int state_note_sick(struct store *store, const json_t *sick, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/* What holds for the current release; borrowed, NULL for none. */
const json_t *state_sick(const struct store_state *state, const char *current)
	__attribute__((nonnull));
const json_t *state_confirm(const struct store_state *state, const char *current)
	__attribute__((nonnull));
const json_t *state_activated(const struct store_state *state, const char *current,
			      const char *key) __attribute__((nonnull));

/* --- meta.c --------------------------------------------------------------------- */

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

/* --- mark.c --------------------------------------------------------------------- */

/*
 * Sets state, evidence and rolled_back of the release, durably. word is "good" or
 * "bad"; evidence may be NULL. RESULT_NOT_FOUND when there is no such release.
 */
int mark_state(struct store *store, const char *release, const char *word,
	       const json_t *evidence, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 5)));

/* Sets one key of the meta, durably; takes over value, also on failure. */
int mark_set(struct store *store, const char *release, const char *key, json_t *value,
	     struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/*
 * The current release was seen healthy: if its state was unknown, it is good from here
 * on. "" = none.
 */
int mark_healthy(struct store *store, const char *current, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* evidence.c: a bounded copy; NULL: ei says why. */
json_t *evidence_bounded(const json_t *evidence, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* --- view.c --------------------------------------------------------------------- */

/*
 * Where current points: ret_release gets the id, or "" when there is no link. A link or
 * directory that is not ours is RESULT_BAD_CONFIG.
 */
int view_current(const struct store *store, char ret_release[RELEASE_ID_SIZE],
		 struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* What deployd knows of the app: see above. NULL: ei says why. */
json_t *view_make(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* What retention wants to know of an entry of the view; id is borrowed from it. */
struct retention_release view_release(const json_t *entry) __attribute__((nonnull));

/* The view as it is once current points to release; needs no file and no lock. */
int view_after_switch(json_t *view, const char *release, const json_t *by,
		      const char *at, const json_t *confirm, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 2, 3, 4, 6)));

/* --- the verbs: each adds its fields to reply ----------------------------------- */

#define STORE_VERB(name)                                                               \
	int verb_##name(struct store *store, json_t *request, json_t *reply,           \
			struct errinfo *ei)

STORE_VERB(prepare);
STORE_VERB(seal);
STORE_VERB(discard);
STORE_VERB(switch);
STORE_VERB(finish);
STORE_VERB(mark);
STORE_VERB(hold);
STORE_VERB(unhold);
STORE_VERB(confirm);
STORE_VERB(flag);
STORE_VERB(record);
STORE_VERB(history);
STORE_VERB(recover);

/* audit.c: the verb "audit" appends lines durably to audit.log in the directory. */
int audit_append(json_t *request, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* history.c: appends the entry durably. */
int history_append(struct store *store, json_t *entry, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/* prune.c: removes one release, whatever it is, and its record. */
int prune_one(struct store *store, const char *release, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * prune.c: removes what retention lets go; the ids are appended to pruned. What cannot
 * be removed is told in warnings.
 */
int prune_releases(struct store *store, uint64_t keep, const json_t *in_use,
		   json_t *pruned, json_t *warnings, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * recover.c: removes what a crash or a failed deploy left in .staging. messages (may be
 * NULL) gets what was removed, and what could not be.
 */
int recover_empty_staging(struct store *store, json_t *messages, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(1, 3)));

/* request.c: text as JSON, up to where it is not UTF-8: errinfo may cut a character. */
json_t *text_json(const char *text) __attribute__((warn_unused_result, nonnull));

/* request.c: json_unpack of strict fields; a misspelt one is a failure. */
int request_unpack(json_t *request, struct errinfo *ei, const char *fmt, ...)
	__attribute__((warn_unused_result, nonnull(1, 2, 3)));
