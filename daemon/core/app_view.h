#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/flag.h"
#include "deploy/names.h"

/*
 * What deployd knows of an app's releases: the view that deployd-store reports after
 * each of its calls, with its types. Pure.
 */

#define PERSON_NAME_SIZE 128

enum release_state {
	RELEASE_STATE_STAGED, /* complete, was never live */
	RELEASE_STATE_GOOD,
	RELEASE_STATE_BAD,
	RELEASE_STATE_UNKNOWN, /* its record was lost, and it was not seen healthy since
				*/
	RELEASE_STATE_COUNT
};

struct person {
	bool known;
	uid_t uid;
	char user[PERSON_NAME_SIZE];
};

/* Why a release is bad. Strings may be NULL. */
struct release_evidence {
	char *reason, *unit_result, *check_output;
	char **journal; /* lines */
	size_t n_journal;
};

/* Strings are NULL where nothing is known. */
struct release {
	char id[RELEASE_ID_SIZE];
	enum release_state state;
	char *sha256; /* of the archive */
	char *layout; /* core/content.h */
	char *version, *revision, *message;
	char *deployed_at; /* RFC 3339: became current last; never did: was made */
	struct person deployed_by;
	int64_t bytes, files;
	bool pinned;
	struct release_evidence *evidence; /* NULL: none */
};

/* Of the last job that switched and failed, if none has succeeded since. */
struct app_failure {
	char *job, *kind, *result, *message, *time; /* RFC 3339 */
	char release[RELEASE_ID_SIZE];		    /* "": not known */
	struct person by;
};

/* Nothing is switched until it ends, except by an automatic rollback. */
struct app_hold {
	char *reason;
	int64_t until_sec; /* CLOCK_REALTIME, 0: for good */
	struct person by;
};

/* The release goes back at the deadline unless it is confirmed. */
struct app_confirm {
	char release[RELEASE_ID_SIZE];
	char from[RELEASE_ID_SIZE]; /* "": there was none */
	int64_t deadline_sec;	    /* CLOCK_REALTIME */
	struct person by;
};

struct app_view {
	char current[RELEASE_ID_SIZE];	/* "": none */
	char previous[RELEASE_ID_SIZE]; /* the one that a rollback goes to; "": none */
	bool current_gone;		/* its directory is not there */
	char *degraded; /* what is wrong with `current`; NULL: nothing */
	char *failed;	/* why the current release is not healthy; NULL: it is */
	struct person activated_by;
	char *activated_at;	     /* RFC 3339; NULL: not known */
	struct app_failure *failure; /* NULL: none */
	struct app_hold *hold;
	struct app_confirm *confirm;
	bool have_flag; /* flag: the last touch that was honoured */
	struct flag_identity flag;
	struct release *releases; /* newest first */
	size_t n_releases;
};

void app_view_free(struct app_view *view);

/* All of these accept a NULL view, which knows nothing. Results are borrowed. */

/* NULL: none. */
const char *app_view_current(const struct app_view *view);
const char *app_view_previous(const struct app_view *view);
const struct release *app_view_release(const struct app_view *view, const char *id)
	__attribute__((nonnull(2)));

/* The hold that is in force at now_sec. */
const struct app_hold *app_view_hold(const struct app_view *view, int64_t now_sec);

/* What awaits its confirmation, unless it has failed and was stopped. */
const struct app_confirm *app_view_confirm(const struct app_view *view);

/* "staged", "good", "bad", "unknown". */
const char *release_state_name(enum release_state state);
/* RELEASE_STATE_COUNT: there is none of that name. */
enum release_state release_state_from_name(const char *name);
