#pragma once

#include <stdint.h>

#include "base/child.h"
#include "deploy/errinfo.h"
#include "server/peer.h"
#include "server/users.h"

/*
 * The peer that a login of a user would be, with all groups of that user, for
 * `deployctl can --user`. Embedded in its owner, all zero before the first use.
 */
struct user_login {
	struct users *users;
	struct child child;
	void (*done)(struct user_login *login, enum deploy_result result);
	void *userdata;
	struct peer peer;     /* with RESULT_OK; then the owner's */
	struct errinfo error; /* with any other result */
};

/*
 * Looks up NAME, or uid:N. done is called once, maybe from within this call.
 * RESULT_NOT_FOUND: the name service knows no such name.
 */
void user_login_start(struct user_login *login, struct users *users, const char *user)
	__attribute__((nonnull));
