#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"

/*
 * Tells which release a file of a process belongs to.
 *
 * The name that the kernel reports for a file of another process is true only in that
 * process's mount namespace, and in a user namespace anybody can make one that has any
 * directory at /srv/hello/releases. Device and inode are the same everywhere. So every
 * directory and file of the releases is first listed by them. A directory, or a file
 * with one link, belongs where the list says, whatever its name. A file with several
 * links may be in several releases (or outside); it belongs to the release whose name
 * it was opened under, if that name leads to it here, too. The name of a deleted file
 * leads nowhere: it is good enough for a process of the app's own unit, which could lie
 * only about itself, but not for any other.
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
	 * The directory as it was named, and where that leads: the kernel reports
	 * paths without links, but deployd compares them with the name it has.
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
	 * With btrfs and overlayfs, /proc/PID/maps reports another device number than
	 * stat().
	 */
	bool maps_known;
	uint64_t maps_dev, maps_stat_dev;
	bool truncated; /* not all could be listed */
};

/*
 * Opens the directory and finds out where path leads. 0, or -errno with *ei. Call
 * releases_deinit() in either case.
 */
int releases_open(struct releases *releases, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Lists the releases. Directories that may not be entered are left out: their files are
 * known by name only. Sets truncated when a limit or deadline_ms (CLOCK_MONOTONIC) is
 * reached. 0 or -errno with *ei.
 */
int releases_list(struct releases *releases, int64_t deadline_ms, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

void releases_deinit(struct releases *releases) __attribute__((nonnull));

/* Translates a file's id in /proc/PID/maps to that of stat(). False: not known. */
bool releases_of_maps(const struct releases *releases, struct file_id maps,
		      struct file_id *ret_file) __attribute__((nonnull));

/* A file that a process uses, and the name that the process has for it. */
struct used_file {
	struct file_id id;
	bool id_known;
	bool own;	     /* the process is one of the app's unit */
	bool deleted;	     /* out: the kernel says that the file was deleted */
	char path[PATH_MAX]; /* in: the kernel's; out: below given, or "" */
};

/*
 * True when the file belongs to a release. Then its path is below releases->given;
 * otherwise it never is, since a false name is cleared.
 */
bool releases_place(const struct releases *releases, struct used_file *file)
	__attribute__((nonnull));
