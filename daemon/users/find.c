#include "users/find.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"

#define BUFFER_BYTES	 (16u << 10)
#define BUFFER_BYTES_MAX (1u << 20)
#define GROUPS_MAX	 65536 /* NGROUPS_MAX */

/* By name, or by uid when name is NULL. */
static int find(const char *name, uid_t uid, struct found_user *ret_user)
{
	int r = ERANGE;

	for (size_t size = BUFFER_BYTES; r == ERANGE && size <= BUFFER_BYTES_MAX;
	     size *= 4) {
		cleanup_free char *buffer = malloc(size);
		struct passwd entry, *found = NULL;

		if (!buffer)
			return -ENOMEM;
		r = name ? getpwnam_r(name, &entry, buffer, size, &found)
			 : getpwuid_r(uid, &entry, buffer, size, &found);
		/* getpwnam(3): these say that there is none, as 0 without one does. */
		if (r == ESRCH || (r == 0 && !found))
			r = ENOENT;
		if (r == 0) {
			ret_user->uid = entry.pw_uid;
			ret_user->gid = entry.pw_gid;
			ret_user->login = strdup(entry.pw_name);
			if (!ret_user->login)
				return -ENOMEM;
		}
	}
	return -r;
}

int find_uid(uid_t uid, struct found_user *ret_user)
{
	return find(NULL, uid, ret_user);
}

int find_name(const char *name, struct found_user *ret_user)
{
	return find(name, (uid_t)-1, ret_user);
}

int find_groups(const struct found_user *user, gid_t **ret_gids, size_t *ret_n)
{
	for (int n = 64, have = 0; n > have && n <= GROUPS_MAX;) {
		cleanup_free gid_t *gids = malloc((size_t)n * sizeof(*gids));

		if (!gids)
			return -ENOMEM;
		have = n;
		if (getgrouplist(user->login, user->gid, gids, &n) >= 0) {
			*ret_gids = steal_ptr(&gids);
			*ret_n = (size_t)n;
			return 0;
		}
	}
	return -E2BIG;
}

void found_user_deinit(struct found_user *user)
{
	free(user->login);
	user->login = NULL;
}
