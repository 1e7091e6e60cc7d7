#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/op.h"
#include "deploy/errinfo.h"
#include "deploy/names.h"
#include "loop/child.h"
#include "loop/store_call.h"
#include "loop/units.h"

/*
 * One operation under way: carries out what the state table (core/op.h) asks for, with
 * the helper programs and the unit's jobs, and tells who watches. It outlives the
 * session that asked for it.
 */

#define OPERATION_ID_SIZE	17 /* 16 hex digits: random, not to be guessed */
#define OPERATION_WATCHERS_MAX	16
#define OPERATION_LOG_LINES	20
#define OPERATION_LOG_BYTES_MAX 16384

struct app;
struct config_set;
struct daemon;
struct peer;

/* What the client asked for; strings may be NULL. */
struct operation_request {
	enum op_kind kind;
	const char *release; /* activate, rollback: the target */
	const char *sha256;
	const char *version;
	const char *revision;
	const char *message;
	const char *if_current; /* "" = none must be current */
	int archive_fd;		/* taken over on success; -1 = none */
	uid_t uid;
	const char *user;
};

struct operation {
	struct operation *next; /* manager's list */
	struct daemon *daemon;
	struct app *app;
	struct config_set *config;	   /* as it was when the request was allowed */
	const struct app_config *settings; /* of the app, in config */
	struct op op;
	char id[OPERATION_ID_SIZE];
	uid_t uid;
	char user[64];
	char target[RELEASE_ID_SIZE]; /* the release it is about, "" = not known yet */
	char from[RELEASE_ID_SIZE];   /* what was current before the switch */
	char *sha256, *version, *revision, *message, *if_current;
	int archive_fd;
	char staging[512];

	struct store_call store;
	struct child intake, unpack;
	unsigned int pipeline_left; /* of intake and unpack, those still running */
	char actual_sha256[65];
	uint64_t archive_bytes;
	struct unit_op *unit_op;
	struct unit_log *unit_log;
	int log_fd;
	bool same_boot;	  /* recover: processes of before the crash may still run */
	bool release_bad; /* the unit did not come up with it */

	uint64_t bytes, total_bytes,
		entries; /* progress of the phase; total 0 = unknown */
	int64_t created_sec;
	uint64_t started_mono_ms;
	bool running;

	enum deploy_result result;
	struct errinfo error;
	char *unit_log_text; /* last lines of a unit that failed */
	bool have_gap;
	uint64_t gap_ms;
	uint64_t took_ms;

	uint64_t watchers[OPERATION_WATCHERS_MAX];
	size_t n_watchers;
};

/* Copies the request. NULL without memory; the archive fd is the caller's then. */
struct operation *operation_new(struct daemon *daemon, struct app *app,
				struct config_set *config,
				const struct app_config *settings,
				const struct operation_request *request)
	__attribute__((warn_unused_result, nonnull));

void operation_free(struct operation *operation);

/* Its turn has come. Ends in manager_operation_over(). */
void operation_start(struct operation *operation) __attribute__((nonnull));

/*
 * deployd stops, or the operator cancels: ends at once before the switch, else goes on
 * to its end.
 */
void operation_abandon(struct operation *operation, enum deploy_result result,
		       const char *why) __attribute__((nonnull));

/* -EBUSY when too many sessions watch already. */
int operation_watch(struct operation *operation, uint64_t session_id)
	__attribute__((warn_unused_result, nonnull));

/* {id, kind, phase, percent}: the wire type Operation. */
json_t *operation_to_json(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* The wire type Outcome. */
json_t *operation_outcome(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* The parameters of the error that a bad end is answered with. */
json_t *operation_failure(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* -1 when it cannot be said. */
int operation_percent(const struct operation *operation) __attribute__((nonnull));

/* For operation_*.c: records the first failure; later ones are consequences. */
void operation_fail(struct operation *operation, enum deploy_result result,
		    const char *fmt, ...)
	__attribute__((format(printf, 3, 4), nonnull(1, 3)));

/* For operation_*.c: the step under way has ended. */
void operation_step_done(struct operation *operation, bool ok) __attribute__((nonnull));

/* For operation_*.c: sends a progress line to everyone who watches. */
void operation_tell(struct operation *operation) __attribute__((nonnull));

/* operation_steps.c: carry out an action of the table; each ends in
 * operation_step_done. */
void operation_prepare(struct operation *operation) __attribute__((nonnull));
void operation_unpack(struct operation *operation) __attribute__((nonnull));
void operation_seal(struct operation *operation) __attribute__((nonnull));
void operation_switch(struct operation *operation) __attribute__((nonnull));
void operation_finish(struct operation *operation) __attribute__((nonnull));
void operation_discard(struct operation *operation) __attribute__((nonnull));
void operation_record(struct operation *operation) __attribute__((nonnull));
/* operation_act.c */
void operation_act(struct operation *operation) __attribute__((nonnull));
