#pragma once

#include "store/store.h"
#include "util/inode.h"

/*
 * The verb adopt: an installation of mix_deploy becomes a release store. A survey,
 * which changes nothing, and then the taking over, in steps that can be done again.
 *
 * The request's fields: {dry_run, executable, require: [path],
 * deploy_user, app_group (names, for messages), history: {}}, the
 * reply's {changes: [{action, path, text}], notes: [text], problems: [text]} and no
 * view. With problems nothing was changed. Only root with CAP_DAC_READ_SEARCH can do
 * it: what is taken over is not yet its own, so deployctl starts it and not deployd.
 */
int verb_adopt(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* layout.c: layout_open(), but deploy_dir and releases_dir may be others' than root's.
 */
int layout_open_foreign(struct store *store, unsigned int lock_wait_ms,
			struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* layout.c: makes what is missing in deploy_dir, once that is root's. */
int layout_make(struct store *store, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * switch.c: replaces the link current, durably, and records nothing. On failure it is
 * the old one, or after a failed fsync perhaps the new one.
 */
int switch_link(struct store *store, const char *to, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

#define ADOPT_ENTRIES_MAX 1000000u /* of one release */
#define ADOPT_PARTS	  2	   /* scripts_dir, etc_dir */

/* A walk through one directory of the old installation, and what it found. */
struct adopt_walk {
	const struct store_app *app;
	int root_fd;		   /* of this walk */
	struct inode_links *links; /* files with several names, of all walks */
	mode_t file_mode;	   /* 0: as in a release */
	bool root_links;	   /* root's own links may lead anywhere */
	bool ours;		   /* the second look: it must all be root's */
	struct treewalk_mount mount;
	uint64_t entries, files, bytes;
	uint64_t n_changes; /* inodes whose owner or mode is not yet what it will be */
};

/* Looks at the directory itself and all below it; refusals are RESULT_REJECTED. */
int adopt_examine(int fd, struct adopt_walk *walk, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Takes it over, each directory before what is in it: once it is root's nobody else
 * can put anything there. Then looks at it a second time, which counts into
 * again_links.
 */
int adopt_take(int fd, struct adopt_walk *walk, struct inode_links *again_links,
	       struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* A directory whose contents are no business of ours. 1: it is to be changed, 0. */
int adopt_examine_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));
int adopt_take_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		   struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

struct adopt_release {
	char id[RELEASE_ID_SIZE];
	uint64_t seq;
	dev_t dev;
	ino_t ino;
	int64_t mtime_sec;
	bool old_name;	/* one that mix_deploy gave */
	bool recorded;	/* there is a meta: it is a release already */
	bool directory; /* it is what current is, instead of a link */
	bool complete;
	char why_partial[256];
	char version[64]; /* "": not known */
	struct adopt_walk walk;
};

enum adopt_current {
	ADOPT_CURRENT_NONE,
	ADOPT_CURRENT_OURS,	 /* the link as deployd makes it */
	ADOPT_CURRENT_LINK,	 /* another link to one of the releases */
	ADOPT_CURRENT_DIRECTORY, /* a single version */
};

struct adopt_part {
	const char *path, *name; /* NULL: not directly in deploy_dir */
	struct adopt_walk walk;
	int fd; /* -1: not there yet */
};

struct adopt {
	struct store *store;
	const char *executable; /* what a complete release has */
	const json_t *require;
	const char *deploy_user, *app_group; /* as messages call them */
	struct adopt_release *releases;	     /* in order of their seq, once surveyed */
	size_t n_releases, capacity;
	enum adopt_current current_kind;
	const struct adopt_release *current; /* NULL: none */
	uint64_t seq;			     /* the highest in use afterwards */
	struct inode_links links;
	struct adopt_part parts[ADOPT_PARTS];
	json_t *changes, *notes, *problems;
};

/*
 * Finds out what is there and what is to be done. What cannot be made safe is in
 * problems, as text that says what to do; 0 then, too.
 */
int adopt_survey(struct adopt *adopt, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/* The directory of a release; the caller closes. Negative: ei says why. */
int adopt_open(const struct adopt *adopt, const struct adopt_release *release,
	       struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* Is the name in releases/ a link that an interrupted adopt left there? */
bool adopt_is_stale_link(const struct adopt *adopt, const char *name)
	__attribute__((nonnull));

/* adopt_plan.c: each puts one line into the survey's lists. */
void adopt_change(struct adopt *adopt, const char *action, const char *path,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5), nonnull));
void adopt_note(struct adopt *adopt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
void adopt_problem(struct adopt *adopt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/* The changes that a survey without problems makes necessary, in their order. */
void adopt_plan(struct adopt *adopt) __attribute__((nonnull));

/* Numbers the releases; needs the state, and all releases. */
int adopt_number(struct adopt *adopt, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));
