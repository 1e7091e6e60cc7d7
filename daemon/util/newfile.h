#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * A file that is written under another name, complete, and then renamed: a reader has
 * the old one or the new one. dir_fd may be O_PATH, and stays the caller's, as name
 * does.
 */
struct newfile {
	int dir_fd;
	int fd; /* to write to; 0600 until the caller gives it another mode */
	const char *name;
	char temporary[NAME_MAX + 1];
};

/* What an earlier attempt left behind goes. 0 or -errno. */
int newfile_open(struct newfile *file, int dir_fd, const char *name)
	__attribute__((nonnull, warn_unused_result));

/*
 * Puts it in its place and closes it; durable: what returns 0 survives a power cut.
 * After a failure, -errno, nothing of it is left.
 */
int newfile_commit(struct newfile *file, bool durable)
	__attribute__((nonnull, warn_unused_result));

/* The same, but the directory is the caller's to sync; sync: the file is. */
int newfile_rename(struct newfile *file, bool sync)
	__attribute__((nonnull, warn_unused_result));

/* Closes and removes it. */
void newfile_discard(struct newfile *file) __attribute__((nonnull));

/* The same for a link, durable. 0 or -errno. */
int newfile_link(int dir_fd, const char *name, const char *target)
	__attribute__((nonnull, warn_unused_result));
