#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "deploy/errinfo.h"
#include "deploy/limits.h"

#define FLAG_FILE_NAME "restart.flag"
#define FLAG_PATH_MAX  (APP_DIR_MAX + 1) /* bytes of flags_dir with the NUL */

struct flag_opened {
	char path[FLAG_PATH_MAX]; /* set by the caller */
	int error;		  /* 0 or -errno: whether there is a directory */
	struct errinfo why;
	int fd;		/* the directory; O_PATH, the caller's, -1 = none */
	int parent_fd;	/* what tells when error may be over; as fd */
	bool remote;	/* its file system may hang, and tells of no events */
	struct stat st; /* of the directory */
	int flag_error; /* 0 or -errno of lstat of the flag */
	struct stat flag;
};

/*
 * Opens the flags directory at path by safedir_open() and looks at the flag in it. Both
 * may block for ever on a file system that hangs: for a thread.
 */
void flag_open(struct flag_opened *opened) __attribute__((nonnull));
