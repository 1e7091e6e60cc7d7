#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Look-ups in the name service (nss(5)). They may block for ever, so they belong in a
 * process that its parent ends.
 */

#define FIND_NAME_SIZE 64 /* escaped, with the NUL */

struct found_user {
	uid_t uid;
	gid_t gid;
	char *login; /* as the name service has it; owned */
};

/*
 * 0 and *ret_user; -ENOENT: there is definitely no such user; any other -errno: the
 * look-up failed.
 */
int find_uid(uid_t uid, struct found_user *ret_user)
	__attribute__((nonnull, warn_unused_result));
int find_name(const char *name, struct found_user *ret_user)
	__attribute__((nonnull, warn_unused_result));

/* All groups that this user gets at login; the caller frees them. 0 or -errno. */
int find_groups(const struct found_user *user, gid_t **ret_gids, size_t *ret_n)
	__attribute__((nonnull, warn_unused_result));

void found_user_deinit(struct found_user *user) __attribute__((nonnull));
