#include "setup/accounts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/nss.h"

static int root_of(const struct setup *setup)
{
	return setup->has_passwd ? setup->root_fd : -1;
}

int account_user(const struct setup *setup, const char *name, uid_t *ret_uid,
		 gid_t *ret_gid)
{
	return nss_user(root_of(setup), name, ret_uid, ret_gid, NULL, 0);
}

int account_home(const struct setup *setup, const char *name, char *ret_home,
		 size_t size)
{
	uid_t uid;
	gid_t gid;

	return nss_user(root_of(setup), name, &uid, &gid, ret_home, size);
}

int account_group(const struct setup *setup, const char *name, gid_t *ret_gid)
{
	bool ignored;

	return nss_group(root_of(setup), name, NULL, ret_gid, &ignored);
}

int account_is_member(const struct setup *setup, const char *user, const char *group)
{
	gid_t gid = (gid_t)-1, primary = (gid_t)-1;
	bool is_member = false;
	uid_t uid;
	int r;

	r = nss_group(root_of(setup), group, user, &gid, &is_member);
	if (r == 0)
		r = account_user(setup, user, &uid, &primary);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return is_member || primary == gid;
}

static int missing(struct setup *setup, const char *kind, const char *name, int r,
		   struct errinfo *ei)
{
	if (r != -ENOENT)
		return errinfo_set(ei, r, "cannot look up the %s '%s'", kind, name);
	if (setup->dry_run || (*setup->destdir && !setup->has_passwd))
		return 0;
	return errinfo_refuse(ei, RESULT_FAILED,
			      "there is no %s '%s'%s%s; run `deployctl create-users "
			      "%s` first",
			      kind, name, *setup->destdir ? " in " : "", setup->destdir,
			      setup->app->app_name);
}

int owner_resolve(struct setup *setup, const char *user, const char *group,
		  struct owner *ret_owner, struct errinfo *ei)
{
	struct owner owner = {user, group, (uid_t)-1, (gid_t)-1};
	gid_t ignored;
	int r = account_user(setup, user, &owner.uid, &ignored);

	if (r < 0)
		r = missing(setup, "user", user, r, ei);
	if (r < 0)
		return r;
	r = account_group(setup, group, &owner.gid);
	if (r < 0)
		r = missing(setup, "group", group, r, ei);
	if (r == 0)
		*ret_owner = owner;
	return r;
}
