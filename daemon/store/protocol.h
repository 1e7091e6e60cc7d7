#pragma once

#include <jansson.h>

#include "deploy/errinfo.h"

/*
 * What deployd-store is asked and what it answers. The request is one JSON object on
 * fd 0: "verb", "app" (not for audit) and the verb's members. The reply is the result
 * line of util/report.h with the verb's members and "view". The program checks every
 * request against these tables, a test every reply.
 *
 * A member is NAME: TYPE. NAME? may be left out, TYPE? may be null, [TYPE] is an array.
 * Types: text, int, bool, object (any members), any, or a name of STORE_OBJECTS.
 * Members that are not named are refused. Times of type int are seconds of
 * CLOCK_REALTIME, those of type text are RFC 3339.
 */

/* clang-format off */
#define STORE_OBJECTS(OBJECT)                                                          \
OBJECT(app,                                                                            \
	"name: text, "                                                                 \
	"base_dir: text, deploy_dir: text, releases_dir: text, current_dir: text, "    \
	"flags_dir: text, scripts_dir: text, etc_dir: text, state_dir: text, "         \
	"app_gid: int, deploy_uid: int, unpack_uid: int, flags_mode: int, "            \
	"link_targets: [text]")                                                        \
OBJECT(seen, /* restart.flag as it was */                                              \
	"ino: int, ctime_nsec: int, mtime_nsec: int, size: int")                       \
OBJECT(evidence, /* the oldest lines are dropped beyond EVIDENCE_BYTES_MAX */          \
	"reason: text?, unit_result: text?, check_output: text?, journal: [text]")     \
OBJECT(way_back, /* of kind "revert": from which release it goes back, and why */       \
	"release: text, live: text?, tried: [text], reason: text, "                     \
	"failure: text?, " /* null: the release is not known to have failed */         \
	"step: int, errnum: int, stop_failed: bool")                                   \
OBJECT(pending,                                                                        \
	"kind: text, from: text?, to: text, job: text, by: any, at: text, "            \
	"confirm: confirm?, key: text?, way_back: way_back?, "                         \
	/* "switched": current is `to`, and the rest of the job is to be done;     */  \
	/* "intended", only of kind "revert": current is still `from`, and the     */  \
	/* switch itself is to be made, too.                                       */  \
	"phase: text, same_boot: bool")                                                \
OBJECT(confirm,                                                                        \
	"release: text, from: text?, deadline_sec: int, job: text, by: any")           \
OBJECT(hold,                                                                           \
	"reason: text, until_sec: int, by: any, since_sec: int")                       \
OBJECT(failure, /* of the last job that switched and failed, until one succeeds */      \
	"job: text, kind: text, release: text?, result: text, message: text, "         \
	"time: text, by: any")                                                         \
OBJECT(release,                                                                        \
	"id: text, seq: int, "                                                         \
	/* good, bad, staged, or unknown: its record was lost. */                      \
	/* layout: the options that shaped it, see core/content.h. */                  \
	"state: text, sha256: text?, layout: text?, "                                  \
	"version: text?, revision: text?, message: text?, "                            \
	"bytes: int?, files: int?, deployed_by: any, "                                  \
	/* When it became current last; if it never did, when it was made. */          \
	"deployed_at: text?, "                                                         \
	"pinned: bool, rolled_back: bool, evidence: object?, damaged?: bool")          \
OBJECT(view,                                                                           \
	"current: text?, previous: text?, degraded: text?, "                           \
	"current_gone?: bool, " /* its directory is not there */                       \
	"activated_by: any, activated_at: text?, "                                     \
	"hold: hold?, " /* a hold that is over is not shown; compare until_sec */      \
	"confirm: confirm?, flag: seen?, "                                             \
	"failed: text?, " /* why the current release is not healthy */                 \
	"failure: failure?, "                                                          \
	"releases: [release]") /* the newest first */                                  \
OBJECT(change,                                                                         \
	"action: text, path: text, text: text")

/* VERB(name, request, reply without "view") */
#define STORE_VERBS(VERB)                                                              \
VERB(inspect, "", "")                                                                  \
VERB(recover,                                                                          \
	"boot_id?: text?",                                                             \
	"recovered: [text], pending: pending?, confirm: confirm?")                     \
VERB(prepare,                                                                          \
	"need_bytes: int, max_entries: int",                                           \
	"release: text, staging: text")                                                \
VERB(seal, /* fd 1 may be the staging directory, opened before the unpacking: then */  \
	   /* syncfs() on it tells of every write that failed since.               */  \
	"release: text, max_bytes: int, max_entries: int, max_depth: int, "            \
	"require: [text], meta: object, "                                              \
	"linked_dirs?: [text], linked_files?: [text], " /* linked.h */                 \
	"app_uid?: int", /* required with them */                                      \
	"bytes: int, files: int")                                                      \
VERB(discard, /* from staging, or sealed and not activated */                          \
	"release: text", "")                                                           \
VERB(switch, /* kind is free text but for "rollback" (`from` is no place to go back */ \
	     /* to any more, once finish marks `to` good) and "revert".             */ \
	"to: text, kind: text, job: text, by: any, if_current?: text?, "               \
	"boot_id?: text?, "                                                            \
	/* Written with the intent: a crash leaves both or none. */                    \
	"confirm_deadline_sec?: int, key?: text?, way_back?: way_back?, "              \
	"evidence?: evidence?", /* of way_back's release; on disk before the intent */ \
	"from: text?")                                                                 \
VERB(finish,                                                                           \
	"release: text, "                                                              \
	"mark: text?, " /* good, bad */                                                \
	"evidence?: evidence?, " /* of one that failed, bad or not */                  \
	"history: object, keep: int, in_use: [text], clear_intent: bool, "             \
	/* Why the current release is not healthy; null: it is. Else no change. */     \
	"failed?: text?, failure?: failure?",                                          \
	"pruned: [text], warnings: [text]")                                            \
VERB(mark,                                                                             \
	"release: text, "                                                              \
	"mark: text, " /* good, bad, pinned, unpinned */                               \
	"evidence?: evidence?",                                                        \
	"")                                                                            \
VERB(hold,                                                                             \
	"reason: text, "                                                               \
	"until_sec: int, " /* 0: for ever */                                           \
	"by: any",                                                                     \
	"")                                                                            \
VERB(unhold, "", "")                                                                   \
VERB(confirm, /* RESULT_NOT_FOUND unless the release waits for it */                   \
	"release: text", "")                                                           \
VERB(flag, "seen: seen", "")                                                           \
VERB(record,                                                                           \
	"history: object, failed?: text?", "")                                         \
VERB(history,                                                                          \
	"limit: int",                                                                  \
	"entries: [object]") /* the newest first */                                    \
VERB(lookup, /* a job that has ended; its entry in the history, the newest */          \
	"key: text?", /* null: keyed is null */                                        \
	"keyed: object?, latest: object?")                                             \
VERB(adopt, /* view is null; with problems nothing was changed */                      \
	"dry_run: bool, executable: text, require: [text], history: object, "          \
	"deploy_user: text, app_group: text", /* as messages call them */              \
	"changes: [change], notes: [text], problems: [text]")                          \
VERB(audit, /* no app and no view: see audit.c */                                      \
	"directory: text, lines: [object]", "")
/* clang-format on */

enum store_verb {
#define VERB(name, request, reply) STORE_VERB_##name,
	STORE_VERBS(VERB)
#undef VERB
	STORE_VERB_COUNT,
};

/* STORE_VERB_COUNT: there is no such verb (name may be NULL). */
enum store_verb protocol_verb(const char *name);

/*
 * RESULT_FAILED, "bad request: ...", unless the request has the verb's members, without
 * "verb" and "app", each of its type.
 */
int protocol_check_request(enum store_verb verb, const json_t *request,
			   struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2, 3)));

/* The same for the request's app. */
int protocol_check_app(const json_t *app, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull(2)));
