#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"

/*
 * Which release a file of a process belongs to.
 *
 * A name that the kernel tells of somebody else's file is true in that process's mount
 * namespace only, and a user namespace lets anybody make one, in which any directory
 * lies at /srv/hello/releases. Device and inode are the same everywhere. So every
 * directory and file of the releases is listed by them first. A file with one link and
 * a directory are what the list says, whatever they are called. A file with several
 * links may be in several releases (or outside), and is of the release by whose name it
 * was opened, if that name leads to it here, too. The name of what was deleted leads
 * nowhere: it is good enough for a process of the app's own unit, which could lie about
 * nobody but itself, and not for any other.
 */

#define RELEASES_MAX	    4096 /* directories in the directory of releases */
#define RELEASES_FILES_MAX  (1u << 20)
#define RELEASES_LEVELS_MAX 96 /* of directories; each is an open file */

struct file_id {
	uint64_t dev, ino;
};

struct known_file {
	struct file_id id;
	uint32_t release;
	bool single; /* a directory, or a file with one link */
};

struct releases {
	/*
	 * The directory as it was named, and where that leads: the kernel tells paths
	 * without links, and deployd compares them with the name it has.
	 */
	char given[PATH_MAX], real[PATH_MAX];
	size_t given_length, real_length;
	int fd;
	uint64_t dev;
	char **ids;
	size_t n_ids;
	struct known_file *files; /* sorted */
	size_t n_files, files_room;
	/*
	 * What /proc/PID/maps calls their device is another number than stat()'s with
	 * btrfs and overlayfs.
	 */
	bool maps_known;
	uint64_t maps_dev, maps_stat_dev;
	bool truncated; /* not all could be listed */
};

/*
 * Opens the directory and finds out where path leads. 0, or -errno with *ei. deinit is
 * due in any case.
 */
int releases_open(struct releases *releases, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Lists the releases. What may not be entered is left out: there a name has to do. What
 * is beyond the limits or comes after deadline_ms (CLOCK_MONOTONIC) sets truncated. 0
 * or -errno with *ei.
 */
int releases_list(struct releases *releases, int64_t deadline_ms, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

void releases_deinit(struct releases *releases) __attribute__((nonnull));

/* The file as stat() calls it, from what /proc/PID/maps calls it. False: not known. */
bool releases_of_maps(const struct releases *releases, struct file_id maps,
		      struct file_id *ret_file) __attribute__((nonnull));

/* A file that a process uses, and the name it has for it. */
struct used_file {
	struct file_id id;
	bool id_known;
	bool own;     /* of a process of the app's unit */
	bool deleted; /* out: the name has led nowhere since, as the kernel says */
	char path[PATH_MAX]; /* in: as the kernel tells it; out: as given, or "" */
};

/*
 * True when the file is of a release. Its path is below releases->given then, and
 * otherwise never is: a name that is not true is emptied.
 */
bool releases_place(const struct releases *releases, struct used_file *file)
	__attribute__((nonnull));
