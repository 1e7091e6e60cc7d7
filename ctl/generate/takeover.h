#pragma once

#include <sys/types.h>

#include "deploy/app_config.h"
#include "deploy/errinfo.h"

/*
 * What deployd-unpack left in the directory fd becomes root's and the group's: every
 * inode is looked at first, and refused unless it is a plain file, directory or link of
 * unpack_uid that stays within. Directories and executables get 0750, files 0640.
 * Nothing of a tree that is refused is fit for use.
 */
int takeover(int fd, const struct release_limits *limits, uid_t unpack_uid, gid_t gid,
	     struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
