#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Users and groups by name. root_fd -1: of this machine, by NSS, which may block; else
 * those of etc/passwd and etc/group below root_fd. 0, -ENOENT when there is none, or
 * another negative errno.
 */

/* ret_home NULL: not wanted. */
int nss_user(int root_fd, const char *name, uid_t *ret_uid, gid_t *ret_gid,
	     char *ret_home, size_t home_size)
	__attribute__((nonnull(2, 3, 4), warn_unused_result));

/* *ret_is_member: the group's entry lists member, NULL: nobody. */
int nss_group(int root_fd, const char *name, const char *member, gid_t *ret_gid,
	      bool *ret_is_member)
	__attribute__((nonnull(2, 4, 5), warn_unused_result));
