#include "server/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int read_groups(struct peer *peer, int fd)
{
	socklen_t size = 64 * sizeof(gid_t);

	for (;;) {
		gid_t *gids = malloc(size + sizeof(gid_t));

		if (!gids)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &size) == 0) {
			peer->gids = gids;
			peer->n_gids = size / sizeof(gid_t);
			return 0;
		}
		free(gids);
		/* ERANGE: the kernel has put the size it needs into size. */
		if (errno != ERANGE || size > POLICY_GROUPS_MAX * sizeof(gid_t))
			return -errno;
	}
}

int peer_init(struct peer *peer, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);
	int r;

	*peer = (struct peer){.uid = (uid_t)-1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	if (size != sizeof(cred) || cred.uid == (uid_t)-1)
		return -EPERM;
	r = read_groups(peer, fd);
	if (r < 0)
		return r;
	peer->uid = peer->owner = cred.uid;
	peer->pid = cred.pid;
	peer->gids[peer->n_gids++] = cred.gid;
	(void)snprintf(peer->user, sizeof(peer->user), "uid:%u",
		       (unsigned int)cred.uid);
	return 0;
}

void peer_set_user(struct peer *peer, const struct user_answer *answer)
{
	static const enum policy_peer_kind kinds[] = {
		[USER_FAILED] = POLICY_PEER_UNNAMED,
		[USER_KNOWN] = POLICY_PEER_NAMED,
		[USER_UNKNOWN] = POLICY_PEER_UNNAMED,
		[USER_SUBORDINATE] = POLICY_PEER_SUBORDINATE,
	};

	peer->uid = answer->uid;
	peer->kind = kinds[answer->status];
	peer->owner = answer->owner;
	(void)strcpy(peer->owner_name, answer->owner_name);
	(void)strcpy(peer->trouble, answer->why);
	if (answer->status == USER_KNOWN)
		(void)snprintf(peer->user, sizeof(peer->user), "%s", answer->name);
	else if (answer->status == USER_SUBORDINATE)
		(void)snprintf(peer->user, sizeof(peer->user),
			       "uid:%u (subordinate to %s)", (unsigned int)answer->uid,
			       answer->owner_name);
	else
		(void)snprintf(peer->user, sizeof(peer->user), "uid:%u",
			       (unsigned int)answer->uid);
}

void peer_deinit(struct peer *peer)
{
	free(peer->gids);
	peer->gids = NULL;
	peer->n_gids = 0;
}

struct policy_peer peer_for_policy(const struct peer *peer)
{
	return (struct policy_peer){.uid = peer->uid,
				    .gids = peer->gids,
				    .n_gids = peer->n_gids,
				    .kind = peer->kind,
				    .owner = peer->owner,
				    .owner_name = peer->owner_name};
}
