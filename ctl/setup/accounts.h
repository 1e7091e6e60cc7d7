#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "setup/place.h"

/*
 * Users and groups: those of DESTDIR when it has an etc/passwd, else those of the host.
 */

/* 0, -ENOENT when there is none, or negative errno of the look-up. */
int account_user(const struct setup *setup, const char *name, uid_t *ret_uid,
		 gid_t *ret_gid) __attribute__((nonnull, warn_unused_result));
int account_group(const struct setup *setup, const char *name, gid_t *ret_gid)
	__attribute__((nonnull, warn_unused_result));

/* The user's home directory, cut to size. */
int account_home(const struct setup *setup, const char *name, char *ret_home,
		 size_t size) __attribute__((nonnull, warn_unused_result));

/* 1 when the user is in the group, else 0 (also when one of them is not there). */
int account_is_member(const struct setup *setup, const char *user, const char *group)
	__attribute__((nonnull, warn_unused_result));

/*
 * The owner of that name. Who is not there: with --dry-run, and in a DESTDIR that has
 * no accounts of its own, the id is left open (-1; a file is root's then); otherwise an
 * error that says to run create-users.
 */
int owner_resolve(struct setup *setup, const char *user, const char *group,
		  struct owner *ret_owner, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
