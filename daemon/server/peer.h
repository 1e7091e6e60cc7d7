#pragma once

#include <sys/types.h>

#include "core/policy.h"
#include "server/users.h"

#define PEER_USER_SIZE 128

/*
 * Who is at the other end of a connection: taken from the kernel at accept
 * (SO_PEERCRED, SO_PEERGROUPS; unix(7), socket(7)) and never asked again.
 */
struct peer {
	uid_t uid;
	pid_t pid; /* for the journal only: pids are reused */
	gid_t *gids;
	size_t n_gids;
	/* What the name service says; before it has, a uid without a name. */
	char user[PEER_USER_SIZE]; /* "alice", "uid:7", "uid:7 (subordinate to alice)"
				    */
	enum policy_peer_kind kind;
	uid_t owner; /* whose limit its connections count against; -1: not known */
	char owner_name[USER_NAME_SIZE];
	char trouble[USERS_WHY_SIZE]; /* it could not be found out, and why; else empty
				       */
};

/* Fills the peer of a connected socket. Any error means: refuse the connection. */
int peer_init(struct peer *peer, int fd) __attribute__((warn_unused_result, nonnull));

/* Takes over the answer to who the uid is. */
void peer_set_user(struct peer *peer, const struct user_answer *answer)
	__attribute__((nonnull));

void peer_deinit(struct peer *peer) __attribute__((nonnull));

/* The peer as the policy takes it; borrows the groups. */
struct policy_peer peer_for_policy(const struct peer *peer) __attribute__((nonnull));
