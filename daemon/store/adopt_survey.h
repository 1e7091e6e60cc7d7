#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "deploy/names.h"
#include "store/adopt_walk.h"
#include "store/store.h"

#define ADOPT_PARTS 2 /* scripts_dir, etc_dir */

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

/* Each puts one line into the list. */
void adopt_note(struct adopt *adopt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
void adopt_problem(struct adopt *adopt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
