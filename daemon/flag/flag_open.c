#include "flag/flag_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/safedir.h"

/* Not in linux/magic.h of Debian 12. */
#define MAGIC_GFS2   0x01161970
#define MAGIC_LUSTRE 0x0bd00bd0
#define MAGIC_VBOXSF 0x786f4256
#define MAGIC_VMHGFS 0xbacbacbcu

/* An overlay's own changes are told; who changes its lower layer is on his own. */
static bool is_remote(const struct statfs *fs)
{
	static const unsigned int magics[] = {
		NFS_SUPER_MAGIC,  FUSE_SUPER_MAGIC, SMB_SUPER_MAGIC,   SMB2_SUPER_MAGIC,
		CIFS_SUPER_MAGIC, V9FS_MAGIC,	    CEPH_SUPER_MAGIC,  AFS_SUPER_MAGIC,
		AFS_FS_MAGIC,	  CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC, MAGIC_GFS2,
		MAGIC_LUSTRE,	  MAGIC_VBOXSF,	    MAGIC_VMHGFS,
	};

	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if ((unsigned int)fs->f_type == magics[i])
			return true;
	return false;
}

void flag_open(struct flag_opened *opened)
{
	cleanup_close int fd = -1;
	struct statfs fs;

	opened->fd = -1;
	opened->error = safedir_open(opened->path, O_PATH, NULL, &opened->parent_fd,
				     &fd, &opened->why);
	if (opened->error < 0)
		return;
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &opened->st) < 0) {
		opened->error = errinfo_set(&opened->why, errno, "cannot examine '%s'",
					    opened->path);
		return;
	}
	opened->remote = is_remote(&fs);
	opened->flag_error = 0;
	if (fstatat(fd, FLAG_FILE_NAME, &opened->flag, AT_SYMLINK_NOFOLLOW) < 0)
		opened->flag_error = -errno;
	opened->fd = steal_fd(&fd);
}
