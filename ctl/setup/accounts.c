#include "setup/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"

/* A group of many members needs much; one that needs more is refused. */
#define NSS_BUFFER_BYTES     (64u << 10)
#define NSS_BUFFER_BYTES_MAX (16u << 20)

static FILE *open_file(const struct setup *setup, const char *path)
{
	int fd = openat(setup->root_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");

	if (!file && fd >= 0)
		(void)close(fd);
	return file;
}

/* 0 and *ret_found (NULL: none), or an errno; ERANGE wants more room. */
static int get_user(const struct setup *setup, const char *name, struct passwd *entry,
		    char *buffer, size_t size, struct passwd **ret_found)
{
	cleanup_file FILE *file = NULL;
	int r;

	*ret_found = NULL;
	if (!setup->has_passwd)
		return getpwnam_r(name, entry, buffer, size, ret_found);
	file = open_file(setup, "etc/passwd");
	if (!file)
		return errno;
	while ((r = fgetpwent_r(file, entry, buffer, size, ret_found)) == 0)
		if (strcmp(entry->pw_name, name) == 0)
			return 0;
	*ret_found = NULL;
	return r == ENOENT ? 0 : r;
}

static int get_group(const struct setup *setup, const char *name, struct group *entry,
		     char *buffer, size_t size, struct group **ret_found)
{
	cleanup_file FILE *file = NULL;
	int r;

	*ret_found = NULL;
	if (!setup->has_passwd)
		return getgrnam_r(name, entry, buffer, size, ret_found);
	file = open_file(setup, "etc/group");
	if (!file)
		return errno;
	while ((r = fgetgrent_r(file, entry, buffer, size, ret_found)) == 0)
		if (strcmp(entry->gr_name, name) == 0)
			return 0;
	*ret_found = NULL;
	return r == ENOENT ? 0 : r;
}

/* home NULL: not wanted. */
static int find_user(const struct setup *setup, const char *name, uid_t *ret_uid,
		     gid_t *ret_gid, char *home, size_t home_size)
{
	int r = ERANGE;

	for (size_t size = NSS_BUFFER_BYTES;
	     r == ERANGE && size <= NSS_BUFFER_BYTES_MAX; size *= 4) {
		cleanup_free char *buffer = malloc(size);
		struct passwd entry, *found = NULL;

		if (!buffer)
			return -ENOMEM;
		r = get_user(setup, name, &entry, buffer, size, &found);
		if (r == 0 && !found)
			r = ENOENT;
		if (r == 0) {
			*ret_uid = entry.pw_uid;
			*ret_gid = entry.pw_gid;
			if (home)
				(void)snprintf(home, home_size, "%s", entry.pw_dir);
		}
	}
	return -r;
}

int account_user(const struct setup *setup, const char *name, uid_t *ret_uid,
		 gid_t *ret_gid)
{
	return find_user(setup, name, ret_uid, ret_gid, NULL, 0);
}

int account_home(const struct setup *setup, const char *name, char *ret_home,
		 size_t size)
{
	uid_t uid;
	gid_t gid;

	return find_user(setup, name, &uid, &gid, ret_home, size);
}

/* member NULL: is there such a group? */
static int find_group(const struct setup *setup, const char *name, const char *member,
		      gid_t *ret_gid, bool *ret_is_member)
{
	int r = ERANGE;

	*ret_is_member = false;
	for (size_t size = NSS_BUFFER_BYTES;
	     r == ERANGE && size <= NSS_BUFFER_BYTES_MAX; size *= 4) {
		cleanup_free char *buffer = malloc(size);
		struct group entry, *found = NULL;

		if (!buffer)
			return -ENOMEM;
		r = get_group(setup, name, &entry, buffer, size, &found);
		if (r == 0 && !found)
			r = ENOENT;
		if (r != 0)
			continue;
		*ret_gid = entry.gr_gid;
		for (char **p = entry.gr_mem; member && *p; p++)
			*ret_is_member |= strcmp(*p, member) == 0;
	}
	return -r;
}

int account_group(const struct setup *setup, const char *name, gid_t *ret_gid)
{
	bool ignored;

	return find_group(setup, name, NULL, ret_gid, &ignored);
}

int account_is_member(const struct setup *setup, const char *user, const char *group)
{
	gid_t gid = (gid_t)-1, primary = (gid_t)-1;
	bool is_member = false;
	uid_t uid;
	int r;

	r = find_group(setup, group, user, &gid, &is_member);
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
