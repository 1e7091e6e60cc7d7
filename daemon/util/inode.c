#include "util/inode.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/entryname.h"

#define LINK_MAX_LENGTH 4096

struct inode_link {
	dev_t dev;
	ino_t ino;
	nlink_t nlink;
};

int inode_refuse(struct errinfo *ei, const struct tree_entry *entry, const char *why)
{
	char path[256];

	return errinfo_refuse(ei, RESULT_REJECTED, "'%s' %s",
			      names_escape(entry->path, path, sizeof(path)), why);
}

int inode_check_mount(const struct tree_entry *entry,
		      const struct treewalk_mount *mount, struct errinfo *ei)
{
	struct treewalk_mount own = {0};
	int r = treewalk_mount_of(entry->fd, &own);

	if (r < 0)
		return errinfo_set(ei, r, "cannot examine a file");
	return treewalk_mount_same(&own, mount)
		       ? 0
		       : inode_refuse(ei, entry, "is on another mount");
}

static bool has_foreign_xattr(const char *path)
{
	char names[1024];
	ssize_t n = listxattr(path, names, sizeof(names));

	if (n < 0)
		return errno != ENOTSUP;
	for (const char *p = names; p < names + n; p += strlen(p) + 1)
		if (strcmp(p, "security.selinux") != 0)
			return true;
	return false;
}

bool inode_has_foreign_xattr(int fd)
{
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return has_foreign_xattr(self);
}

bool inode_entry_has_foreign_xattr(int dir_fd, const char *name)
{
	char path[64 + NAME_MAX];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	return has_foreign_xattr(path);
}

static bool is_dir(const char *path, void *userdata)
{
	const int *root_fd = userdata;
	cleanup_close int fd = inode_find(*root_fd, path);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int inode_check_link(int root_fd, const struct tree_entry *entry,
		     const char *const *allowed, struct errinfo *ei)
{
	const struct entryname_links links = {
		.allowed = allowed, .is_dir = is_dir, .userdata = &root_fd};
	char target[LINK_MAX_LENGTH + 1], why[160];
	ssize_t n = readlinkat(entry->dir_fd, entry->name, target, LINK_MAX_LENGTH);
	enum entryname_verdict verdict;

	if (n <= 0 || n == LINK_MAX_LENGTH)
		return inode_refuse(ei, entry, "is a link with an unusable target");
	target[n] = '\0';
#ifdef BREAK_SEAL_ANY_LINK
	return 0;
#endif
	verdict = entryname_link_target(entry->path, target, &links);
	if (verdict == ENTRYNAME_OK)
		return 0;
	(void)snprintf(why, sizeof(why), "is a link whose target %s",
		       entryname_verdict_text(verdict));
	return inode_refuse(ei, entry, why);
}

int inode_links_add(struct inode_links *links, const struct stat *st)
{
	if (links->n == links->capacity) {
		size_t capacity = links->capacity ? 2 * links->capacity : 64;
		struct inode_link *list =
			realloc(links->list, capacity * sizeof(*list));

		if (!list)
			return -ENOMEM;
		links->list = list;
		links->capacity = capacity;
	}
	links->list[links->n++] =
		(struct inode_link){st->st_dev, st->st_ino, st->st_nlink};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct inode_link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

int inode_links_check(struct inode_links *links, struct errinfo *ei)
{
	size_t i = 0;

#ifdef BREAK_SEAL_FOREIGN_HARDLINKS
	return 0;
#endif
	if (links->n > 0)
		qsort(links->list, links->n, sizeof(*links->list), compare);
	while (i < links->n) {
		size_t n = 1;

		while (i + n < links->n &&
		       compare(&links->list[i + n], &links->list[i]) == 0)
			n++;
		if (n != links->list[i].nlink)
			return errinfo_refuse(ei, RESULT_REJECTED,
					      "a file is also linked from outside");
		i += n;
	}
	return 0;
}

bool inode_links_have(const struct inode_links *links, const struct stat *st)
{
	struct inode_link wanted = {st->st_dev, st->st_ino, st->st_nlink};

	return links->n > 0 && bsearch(&wanted, links->list, links->n,
				       sizeof(*links->list), compare) != NULL;
}

void inode_links_deinit(struct inode_links *links)
{
	free(links->list);
	*links = (struct inode_links){0};
}

mode_t inode_mode(const struct stat *st)
{
	return S_ISREG(st->st_mode) && !(st->st_mode & S_IXUSR) ? 0640 : 0750;
}

/* Chown first, then chmod: root without CAP_FOWNER may change what is root's. */
int inode_own(int fd, const struct stat *st, mode_t mode, gid_t gid)
{
	char self[64];

	if (fchownat(fd, "", 0, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode))
		return 0;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return chmod(self, mode) < 0 ? -errno : 0;
}

int inode_find(int root_fd, const char *path)
{
	char copy[ENTRYNAME_PATH_SIZE], *save = NULL;
	cleanup_close int fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	(void)strcpy(copy, path);
	for (const char *name = strtok_r(copy, "/", &save); name && fd >= 0;
	     name = strtok_r(NULL, "/", &save)) {
		int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (next < 0)
			return -errno;
		(void)close(fd);
		fd = next;
	}
	return fd < 0 ? -errno : steal_fd(&fd);
}
