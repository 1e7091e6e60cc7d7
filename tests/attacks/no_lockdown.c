/* A lock-down that does nothing: shows what the attempts do when nothing stops them. */
#include <unistd.h>

#include "util/landlock.h"
#include "util/privdrop.h"

int privdrop_begin(int first_free_fd, struct errinfo *ei)
{
	(void)first_free_fd;
	(void)ei;
	return 0;
}

int privdrop_limits(const struct privdrop_limit *limits, size_t n_limits,
		    struct errinfo *ei)
{
	(void)limits;
	(void)n_limits;
	(void)ei;
	return 0;
}

int privdrop_become(uid_t uid, gid_t gid, struct errinfo *ei)
{
	(void)uid;
	(void)gid;
	(void)ei;
	return 0;
}

int landlock_read_only(struct errinfo *ei)
{
	(void)ei;
	return 0;
}

int landlock_confine(int dir_fd, struct errinfo *ei)
{
	(void)dir_fd;
	(void)ei;
	return 0;
}

/* The linker calls this one instead of chroot() (--wrap). */
int __wrap_chroot(const char *path);

int __wrap_chroot(const char *path)
{
	(void)path;
	return 0;
}
