#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "deploy/errinfo.h"
#include "store/request.h"
#include "util/inode.h"
#include "util/treewalk.h"

#define ADOPT_ENTRIES_MAX 1000000u /* of one release */

/* A walk through one directory of the old installation, and what it found. */
struct adopt_walk {
	const struct store_app *app;
	int root_fd;		   /* of this walk */
	struct inode_links *links; /* files with several names, of all walks */
	mode_t file_mode;	   /* 0: as in a release */
	bool root_links;	   /* root's own links may lead anywhere */
	bool ours;		   /* the second walk: it must all be root's */
	struct treewalk_mount mount;
	uint64_t entries, files, bytes;
	uint64_t n_changes; /* inodes whose owner or mode is not yet what it will be */
};

/* Examines the directory itself and all below it; refusals are RESULT_REJECTED. */
int adopt_examine(int fd, struct adopt_walk *walk, struct errinfo *ei)
	__attribute__((warn_unused_result, nonnull));

/*
 * Takes it over, each directory before what is in it: once it is root's nobody else
 * can put anything there. Then examines it a second time, which counts into
 * again_links.
 */
int adopt_take(int fd, struct adopt_walk *walk, struct inode_links *again_links,
	       struct errinfo *ei) __attribute__((warn_unused_result, nonnull));

/* A directory whose contents are no business of ours. 1: it is to be changed, 0. */
int adopt_examine_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		      struct errinfo *ei) __attribute__((warn_unused_result, nonnull));
int adopt_take_dir(int fd, const struct store_app *app, uid_t uid, mode_t mode,
		   struct errinfo *ei) __attribute__((warn_unused_result, nonnull));
