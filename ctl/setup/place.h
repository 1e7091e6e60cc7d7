#pragma once

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "setup/setup.h"

/*
 * Files, directories and links below DESTDIR (or /), compared and repaired. Paths are
 * absolute ones of the target. They are walked by descriptors, component by component;
 * a link on the way counts only where nobody but root (or the caller) can have put it,
 * and is resolved below DESTDIR. What is new is written under another name, complete
 * with owner and mode, and renamed.
 */

/* Of users and groups that may not be there yet. (uid_t)-1: leave it. */
struct owner {
	const char *user, *group; /* as said in messages */
	uid_t uid;
	gid_t gid;
};

/*
 * Opens the directory, O_PATH. make: what is missing on the way is made, root's with
 * mode 0755, said and put in the manifest. -ENOENT, without a word in ei, when it is
 * missing and make is not given; the same with --dry-run.
 */
int place_open_dir(struct setup *setup, const char *path, bool make, int *ret_fd,
		   struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* The same for the directory that path lies in; *ret_name is the rest of path. */
int place_open_parent(struct setup *setup, const char *path, bool make, int *ret_fd,
		      const char **ret_name, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * What is at path; the last component is not followed. -ENOENT (without a word) when
 * there is nothing.
 */
int place_stat(struct setup *setup, const char *path, struct stat *ret_stat,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Sees to it that path is a regular file with these bytes, owner and mode. What is
 * there and differs is repaired: owner and mode in place; other contents, or what
 * others could write until now, by a new file.
 */
struct place_file {
	const char *data;
	size_t length;
	struct owner owner;
	mode_t mode;
};
int place_file(struct setup *setup, const char *path, const struct place_file *want,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Sees to it that path is a link to target, atomically. */
int place_link(struct setup *setup, const char *path, const char *target,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/*
 * Repairs owner and mode of what fd (O_PATH, of a file or directory) is; path is for
 * the message. 1 when something was changed (with --dry-run: would be), else 0.
 */
int place_repair(struct setup *setup, int fd, const char *path,
		 const struct owner *owner, mode_t mode, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Refuses the regular file fd (O_PATH) while any process has it open for writing: who
 * opened it while he might could still change it. path is for the message.
 */
int place_check_writers(struct setup *setup, int fd, const char *path,
			struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Refuses path when it, or a directory on the way to it, can be changed by others than
 * root. Only as root: others have no more than their own to lose. -ENOENT, without a
 * word in ei, when it is missing.
 */
int place_check_dirs(struct setup *setup, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/* Removes a file or link; nothing there is no error. */
int place_remove(struct setup *setup, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));

/*
 * Removes a directory that is empty; nothing there is no error. -ENOTEMPTY, without a
 * word in ei, when it is not (or is no directory). --dry-run cannot know and says so.
 */
int place_remove_if_empty(struct setup *setup, const char *path, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
