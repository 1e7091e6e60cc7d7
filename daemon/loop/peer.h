#pragma once

#include <sys/types.h>

#include "core/policy.h"

/*
 * Who is at the other end of a connection: taken from the kernel at accept
 * (SO_PEERCRED, SO_PEERGROUPS; unix(7), socket(7)) and never asked again.
 */
struct peer {
	uid_t uid;
	pid_t pid; /* for the journal only: pids are reused */
	gid_t *gids;
	size_t n_gids;
	char user[64]; /* name of uid, "uid:N" when it has none */
};

/* Fills the peer of a connected socket. Any error means: refuse the connection. */
int peer_init(struct peer *peer, int fd) __attribute__((warn_unused_result, nonnull));

/* The peer that a login of this user would be: from NSS, blocks. -ENOENT: no such user.
 */
int peer_init_user(struct peer *peer, const char *user)
	__attribute__((warn_unused_result, nonnull));

void peer_deinit(struct peer *peer) __attribute__((nonnull));

/* The peer as the policy takes it; borrows the groups. */
struct policy_peer peer_for_policy(const struct peer *peer) __attribute__((nonnull));
