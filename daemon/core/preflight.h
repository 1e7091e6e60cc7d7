#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "deploy/errinfo.h"
#include "deploy/names.h"

/*
 * Whether the unit can start with a release that is not current yet: only what is known
 * to fail is refused. Pure: daemon/bus reads the unit, deployd-preflight examines the
 * files, and this decides and finds the words.
 */

/* systemd.exec(5), "Process Exit Codes": there is no such group, no such user. */
#define PREFLIGHT_EXIT_OF_GROUP 216
#define PREFLIGHT_EXIT_OF_USER	217

#define PREFLIGHT_PATHS_MAX   256 /* paths of a unit that are examined */
#define PREFLIGHT_DETAIL_SIZE 160
#define PREFLIGHT_PATH_SIZE   256 /* of a path as it is shown */

/* What the unit needs a path for. */
enum preflight_use {
	PREFLIGHT_USE_COMMAND,	 /* it is executed as the unit's user */
	PREFLIGHT_USE_ROOT,	 /* it is executed with full privileges */
	PREFLIGHT_USE_DIRECTORY, /* the working directory */
	PREFLIGHT_USE_FILE,	 /* root reads it: only its existence counts */
	PREFLIGHT_USE_COUNT
};

/* What deployd-preflight found; all but the first two make the start fail. */
enum preflight_verdict {
	PREFLIGHT_FINE,
	PREFLIGHT_UNCHECKED, /* cannot be known */
	PREFLIGHT_MISSING,
	PREFLIGHT_DENIED, /* detail: the directory or file that the user may not use */
	PREFLIGHT_NOT_A_FILE,
	PREFLIGHT_NOT_A_DIRECTORY,
	PREFLIGHT_NOT_EXECUTABLE,
	PREFLIGHT_NOEXEC,	  /* mounted with that option */
	PREFLIGHT_CRLF,		  /* the first line of a script ends in CR LF */
	PREFLIGHT_NO_INTERPRETER, /* detail: its path */
	PREFLIGHT_WRONG_MACHINE,  /* detail: for what machine it is made */
	PREFLIGHT_BAD_FORMAT,	  /* detail: what it is */
	PREFLIGHT_VERDICT_COUNT
};

const char *preflight_use_name(enum preflight_use use);		    /* "command" */
const char *preflight_verdict_name(enum preflight_verdict verdict); /* "missing" */

/* The COUNT when there is no such name. */
enum preflight_use preflight_use_from_name(const char *name) __attribute__((nonnull));
enum preflight_verdict preflight_verdict_from_name(const char *name)
	__attribute__((nonnull));

struct preflight_path {
	enum preflight_use use;
	const char *setting; /* "ExecStart"; static */
	char *path;	     /* absolute, as the unit has it */
	/* What was found: */
	enum preflight_verdict verdict;
	bool in_release;
	bool in_top; /* missing, but there is one below the archive's top directory */
	char file[PREFLIGHT_PATH_SIZE]; /* an interpreter that is at fault itself, or ""
					 */
	char detail[PREFLIGHT_DETAIL_SIZE];
};

/* What systemd knows about the unit. */
struct preflight_unit {
	char load_state[32];
	bool need_daemon_reload;
	char *user, *group; /* may be NULL */
	char **groups;	    /* NULL-terminated, or NULL */
	/* Why its paths cannot be examined from outside; NULL: they can. */
	const char *why_not;
	char **hidden;	 /* paths at and below which it sees something else, or NULL */
	bool exec_paths; /* it has ExecPaths=, which end a noexec */
	bool pulls_in_services; /* which may make files that it needs */
	struct preflight_path *paths;
	size_t n_paths;
};

struct preflight_question {
	const char *app, *unit, *release;
	const char *releases_dir, *current_dir;
	const char *app_user, *app_group;
	const struct preflight_unit *facts;
	const char *top;     /* the only directory that the release has, or "" */
	const char *closed;  /* the directory on the way to the release, or the release,
			      * that the user may not enter or read; "" = none */
	int identity_status; /* systemd's exit status of a failed User= or Group=, or 0
			      */
};

/* True when the unit runs its commands as root. */
bool preflight_is_root(const struct preflight_unit *unit) __attribute__((nonnull));

/*
 * True when the unit's paths have to be examined to know; false when what is known of
 * the unit already decides: then preflight_permits() says how.
 */
bool preflight_needs_files(const struct preflight_unit *unit) __attribute__((nonnull));

/*
 * False when the unit cannot start with the release: ret_why has RESULT_REJECTED where
 * the archive is at fault, RESULT_FAILED where the machine is, and the way out.
 */
bool preflight_permits(const struct preflight_question *question,
		       struct errinfo *ret_why)
	__attribute__((warn_unused_result, nonnull));
