#include "loop/peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/cleanup.h"

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
	peer->uid = cred.uid;
	peer->pid = cred.pid;
	peer->gids[peer->n_gids++] = cred.gid;
	(void)snprintf(peer->user, sizeof(peer->user), "uid:%u",
		       (unsigned int)cred.uid);
	return 0;
}

int peer_init_user(struct peer *peer, const char *user)
{
	size_t size = 65536;
	cleanup_free char *buffer = malloc(size);
	struct passwd entry, *found = NULL;
	int n = 64;

	*peer = (struct peer){.uid = (uid_t)-1};
	if (!buffer)
		return -ENOMEM;
	if (getpwnam_r(user, &entry, buffer, size, &found) != 0 || !found)
		return -ENOENT;
	for (;;) {
		gid_t *gids = malloc((size_t)n * sizeof(*gids));
		int have = n;

		if (!gids)
			return -ENOMEM;
		if (getgrouplist(user, found->pw_gid, gids, &n) >= 0) {
			peer->gids = gids;
			peer->n_gids = (size_t)n;
			break;
		}
		free(gids);
		if (n <= have || n > POLICY_GROUPS_MAX)
			return -E2BIG;
	}
	peer->uid = found->pw_uid;
	(void)snprintf(peer->user, sizeof(peer->user), "%s", user);
	return 0;
}

void peer_deinit(struct peer *peer)
{
	free(peer->gids);
	peer->gids = NULL;
	peer->n_gids = 0;
}

struct policy_peer peer_for_policy(const struct peer *peer)
{
	return (struct policy_peer){
		.uid = peer->uid, .gids = peer->gids, .n_gids = peer->n_gids};
}
