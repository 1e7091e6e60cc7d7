#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/op.h"
#include "deploy/errinfo.h"
#include "deploy/limits.h"
#include "deploy/names.h"
#include "loop/child.h"
#include "loop/output.h"
#include "loop/peer.h"
#include "loop/session.h"
#include "loop/store_call.h"
#include "loop/units.h"

/* releases_dir/.staging/ID; names_release_valid() ids are shorter. */
#define OPERATION_STAGING_SIZE (APP_DIR_MAX + sizeof("/.staging/") + RELEASE_ID_SIZE)

/*
 * One operation under way: carries out what the state table (core/op.h) asks for, with
 * the helper programs and the unit's jobs, and tells who watches. It outlives the
 * session that asked for it.
 */

#define OPERATION_ID_SIZE	17 /* 16 hex digits: random, not to be guessed */
#define OPERATION_WATCHERS_MAX	16
#define OPERATION_LOG_LINES	20
#define OPERATION_LOG_BYTES_MAX 16384
#define BAKE_SLACK_MSEC		10000u /* for the bus, beyond bake_sec */

struct app;
struct config_set;
struct daemon;
struct peer;

/* What the client asked for; strings may be NULL. */
struct operation_request {
	enum op_kind kind;
	const char *id;	     /* of a job that goes on after a crash; NULL = a new one */
	const char *release; /* activate, rollback: the target */
	const char *sha256;
	const char *version;
	const char *revision;
	const char *message;
	const char *if_current;	  /* "" = none must be current */
	uint64_t archive_session; /* that reads the archive; 0 = none */
	bool force;		  /* a release known to be bad is taken all the same */
	uint64_t confirm_sec; /* goes back unless confirmed by then; 0 = no need to */
	int64_t until_sec;    /* hold: CLOCK_REALTIME, 0 = for good */
	uid_t uid;
	uid_t owner; /* the user who answers for uid (subuid(5)); 0 = uid itself */
	const char *user;
};

#define OPERATION_WARNING_BYTES 400 /* as unpack/omission.h has it */

struct operation {
	struct operation *next; /* manager's list */
	struct daemon *daemon;
	struct app *app;
	struct config_set *config;	   /* as it was when the request was allowed */
	const struct app_config *settings; /* of the app, in config */
	struct op op;
	char id[OPERATION_ID_SIZE];
	uid_t uid;
	uid_t owner; /* whose share of the places it takes */
	char user[PEER_USER_SIZE];
	char target[RELEASE_ID_SIZE]; /* the release it is about, "" = not known yet */
	char from[RELEASE_ID_SIZE];   /* what was current before the switch */
	char *sha256, *version, *revision, *message, *if_current;
	uint64_t archive_session; /* 0: there is none, or it is done with */
	struct archive archive;	  /* as its session said last: that may be gone */
	int staging_fd; /* open since before the first write: syncfs(2) tells of all */
	bool force;
	uint64_t confirm_sec;
	int64_t confirm_deadline_sec; /* CLOCK_REALTIME; 0 = none */
	int64_t until_sec;
	char staging[OPERATION_STAGING_SIZE];

	struct store_call store;
	struct child intake, unpack;
	unsigned int pipeline_left; /* of intake and unpack, those still running */
	bool archive_awaited;	    /* both are done, the session has not said so */
	char actual_sha256[65];
	uint64_t archive_bytes;
	struct unit_op *unit_op;
	enum unit_action action; /* the job to come, and who hears of it */
	unit_done_fn job_done;
	struct unit_query *unit_query;
	void (*with_unit)(struct operation *operation); /* goes on after unit_query */
	bool reread; /* systemd has read the unit's file anew */
	struct unit_log *unit_log;
	struct output log_output;
	struct health *health;
	struct proof *proof;
	struct touch *touch;
	struct unit_state unit_state; /* as the last job left it */
	bool restarted;	  /* a restart job was done for what is current now */
	bool marked_good; /* confirm: the first half is done */
	bool asking;	  /* what became of a switch that failed */
	struct errinfo switch_error; /* how it did */
	bool same_boot;	      /* recover: processes of before the crash may still run */
	bool release_bad;     /* the unit did not come up with it, or did not stay so */
	char unit_result[32]; /* evidence: systemd's Result */
	char *check_output;   /* evidence: of the check that failed last; may be NULL */
	struct errinfo revert_error; /* why the release gone back to is not up either */
	json_t *in_use; /* releases that processes run from; NULL = not known; owned */

	uint64_t bytes, total_bytes,
		entries; /* progress of the phase; total 0 = unknown */
	int64_t created_sec;
	uint64_t started_mono_ms;
	bool running;

	enum deploy_result result;
	struct errinfo error;
	char stop_note[320]; /* how the stop went, where that was not as it should; or
				"" */
	char step[96];	     /* what systemd is at, in words; "" = nothing to tell */
	bool stop_failed;    /* the old process did not end: the machine is at fault */
	char note[160]; /* what else it did: a rollback that ended another job; or "" */
	char warning[OPERATION_WARNING_BYTES]; /* of the archive, or "" */
	char *unit_log_text;		       /* last lines of a unit that failed */
	bool have_gap;
	uint64_t gap_ms;	       /* without a healthy process */
	uint64_t down_since_mono_usec; /* when it began; 0 = not known */
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

/*
 * operation_*.c: carry out an action of the table; each ends in operation_step_done.
 * operation_steps.c: what deployd-store does.
 */
void operation_prepare(struct operation *operation) __attribute__((nonnull));
void operation_seal(struct operation *operation) __attribute__((nonnull));
void operation_switch(struct operation *operation) __attribute__((nonnull));

/* As things stand now, nothing forbids its switch. Changes nothing. */
bool operation_would_switch(struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

void operation_revert(struct operation *operation) __attribute__((nonnull));
void operation_finish(struct operation *operation) __attribute__((nonnull));
void operation_discard(struct operation *operation) __attribute__((nonnull));
void operation_mark(struct operation *operation) __attribute__((nonnull));
void operation_record(struct operation *operation) __attribute__((nonnull));

/* operation_unpack.c: the session's archive through intake and unpack. */
void operation_unpack(struct operation *operation) __attribute__((nonnull));

/* The session with its archive has come further with it, or has failed. */
void operation_archive_changed(struct operation *operation,
			       const struct session *session) __attribute__((nonnull));

/* It was begun, and all that it needs of its client is here. */
bool operation_has_archive(const struct operation *operation) __attribute__((nonnull));

/* Ends what is under way of it; the step is done when all of it has ended. */
void operation_kill_pipeline(struct operation *operation) __attribute__((nonnull));

/* The session may end: nobody wants its archive any more. */
void operation_drop_archive(struct operation *operation) __attribute__((nonnull));

/* operation_act.c: what the service manager does. */
void operation_act(struct operation *operation) __attribute__((nonnull));
void operation_restore(struct operation *operation) __attribute__((nonnull));
void operation_stop_unit(struct operation *operation) __attribute__((nonnull));

/* The step ends, failed, once the unit's last lines are here or cannot be had. */
void operation_fail_with_log(struct operation *operation) __attribute__((nonnull));

/* operation_health.c: is it well. */
void operation_check(struct operation *operation) __attribute__((nonnull));
void operation_bake(struct operation *operation) __attribute__((nonnull));
void operation_recheck(struct operation *operation) __attribute__((nonnull));
void operation_prove(struct operation *operation) __attribute__((nonnull));

/* operation_guard.c: what must hold before anything is begun. */

/*
 * False, with the reason recorded: a hold, a release that awaits its confirmation, or
 * --if-current forbid it.
 */
bool operation_may_switch(struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* False, with the reason recorded: the archive is known to be a bad release. */
bool operation_archive_is_welcome(struct operation *operation, const char *sha256)
	__attribute__((warn_unused_result, nonnull));

/*
 * Looks whether there is a unit to restart, and calls go on then; else the step has
 * failed: it is better to hear of a masked unit before the switch than after it. With
 * daemon_reload = yes systemd reads a changed unit file first.
 */
void operation_with_unit(struct operation *operation,
			 void (*go_on)(struct operation *operation))
	__attribute__((nonnull));

/* With daemon_reload = yes systemd reads a changed unit file; then go on is called. */
void operation_with_unit_file(struct operation *operation,
			      void (*go_on)(struct operation *operation))
	__attribute__((nonnull));

/* operation_result.c */

/* What an operation that had to go back is called in the end, and why. */
void operation_settle(struct operation *operation) __attribute__((nonnull));

/* The entry of the history as `history --json` shows it. */
json_t *operation_history(struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* What speaks against a bad release, for its meta file. */
json_t *operation_evidence(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* Why what is live now is not well: a JSON string; null when it is. */
json_t *operation_sick(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));

/* {uid, user} of who asked for it. */
json_t *operation_by(const struct operation *operation)
	__attribute__((warn_unused_result, nonnull));
