/* Other users' files, ways out of a directory, and more space than allowed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attempt.h"

#define OFFSET_TOO_FAR	(8 << 20) /* beyond what the test lets one file have */
#define MEMORY_TOO_MUCH (4UL << 30)
#define FDS_TOO_MANY	1100

static int make_own(const char *name, mode_t mode)
{
	return openat(attempt_dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		      mode);
}

static long read_shadow(void)
{
	return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}

static long read_shadow_above(void)
{
	return open("../../../../../../../../etc/shadow", O_RDONLY | O_CLOEXEC);
}

static long read_shadow_above_own_dir(void)
{
	return openat(attempt_dir_fd, "../../../../../../../../etc/shadow",
		      O_RDONLY | O_CLOEXEC);
}

static long write_passwd(void)
{
	return open("/etc/passwd", O_WRONLY | O_CLOEXEC);
}

static long write_below_srv(void)
{
	return open("/srv/escaped", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static long read_other_release(void)
{
	return open("/srv/other/current/secret", O_RDONLY | O_CLOEXEC);
}

static long write_deployd_state(void)
{
	return open("/var/lib/deployd/escaped", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static long write_policy(void)
{
	return open("/etc/deployd/policy.d/escaped.conf",
		    O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
}

static long open_of_parent(const char *file, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)attempt_parent, file);
	return open(path, flags | O_CLOEXEC);
}

static long read_environment_of_parent(void)
{
	return open_of_parent("environ", O_RDONLY);
}

static long write_memory_of_parent(void)
{
	return open_of_parent("mem", O_RDWR);
}

static long open_fd_of_parent(void)
{
	return open_of_parent("fd/0", O_RDONLY);
}

static long write_memory_of_own(void)
{
	return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
}

static long write_sysctl(void)
{
	return open("/proc/sys/kernel/core_pattern", O_WRONLY | O_CLOEXEC);
}

static long follow_own_symlink(void)
{
	if (symlinkat("/etc/shadow", attempt_dir_fd, "symlink") < 0)
		return -1;
	return openat(attempt_dir_fd, "symlink", O_RDONLY | O_CLOEXEC);
}

static long link_shadow(void)
{
	return linkat(AT_FDCWD, "/etc/shadow", attempt_dir_fd, "linked", 0);
}

static long link_fd_of_others(void)
{
	return linkat(STDIN_FILENO, "", attempt_dir_fd, "linked-fd", AT_EMPTY_PATH);
}

static long rename_away(void)
{
	int fd = make_own("renamed", 0600);

	if (fd < 0)
		return -1;
	return renameat(attempt_dir_fd, "renamed", AT_FDCWD, "/srv/renamed");
}

static long make_setuid_file(void)
{
	return make_own("setuid", 06755);
}

static long make_setgid_dir(void)
{
	struct stat st;

	if (mkdirat(attempt_dir_fd, "setgid", 02755) < 0 ||
	    fstatat(attempt_dir_fd, "setgid", &st, 0) < 0)
		return -1;
	/* mkdir() leaves the bit out by itself: then nothing was gained. */
	errno = EPERM;
	return st.st_mode & S_ISGID ? 0 : -1;
}

static long set_setuid_bit(void)
{
	int fd = make_own("chmod", 0600);

	return fd < 0 ? -1 : fchmod(fd, 06755);
}

static long set_setuid_bit_by_name(void)
{
	int fd = make_own("chmodat", 0600);

	return fd < 0 ? -1 : fchmodat(attempt_dir_fd, "chmodat", 06755, 0);
}

static long give_away(void)
{
	int fd = make_own("chown", 0600);

	return fd < 0 ? -1 : fchown(fd, 0, 0);
}

static long set_xattr(void)
{
	int fd = make_own("xattr", 0600);

	return fd < 0 ? -1 : fsetxattr(fd, "trusted.escaped", "1", 1, 0);
}

static long make_device(void)
{
	if (mknodat(attempt_dir_fd, "device", S_IFCHR | 0666, makedev(1, 3)) < 0)
		return -1;
	return openat(attempt_dir_fd, "device", O_RDWR | O_CLOEXEC);
}

static long make_fifo(void)
{
	return mknodat(attempt_dir_fd, "fifo", S_IFIFO | 0666, 0);
}

static long open_by_handle(void)
{
	static union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buf;
	int mount_id;

	buf.handle.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, "/dev/shm", &buf.handle, &mount_id, 0) < 0)
		return -1;
	return open_by_handle_at(open("/dev/shm", O_RDONLY | O_CLOEXEC), &buf.handle,
				 O_RDONLY);
}

static long leave_root(void)
{
	if (mkdir("new-root", 0700) < 0 && errno != EEXIST)
		return -1;
	if (chroot("new-root") < 0)
		return -1;
	return open("../../../../../../../../etc/shadow", O_RDONLY | O_CLOEXEC);
}

static long leave_by_chdir(void)
{
	if (chdir("../../../../../../../..") < 0)
		return -1;
	return open("etc/shadow", O_RDONLY | O_CLOEXEC);
}

/* What has been mounted would be in the way of the next attempt. */
static long mounted(const char *target, int r)
{
	return r == 0 ? umount2(target, MNT_DETACH) : r;
}

static long mount_tmpfs(void)
{
	return mounted("/mnt", mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID, "size=4k"));
}

static long bind_shadow(void)
{
	int fd = make_own("bound", 0600);

	if (fd < 0)
		return -1;
	return mounted("bound", mount("/etc/shadow", "bound", NULL, MS_BIND, NULL));
}

static long write_too_far(void)
{
	int fd = make_own("large", 0600);

	if (fd < 0 || lseek(fd, OFFSET_TOO_FAR, SEEK_SET) < 0)
		return -1;
	return write(fd, "x", 1);
}

static long allocate_too_far(void)
{
	int fd = make_own("allocated", 0600);

	return fd < 0 ? -1 : posix_fallocate(fd, 0, OFFSET_TOO_FAR) == 0 ? 0 : -1;
}

static long write_to_memfd(void)
{
	int fd = memfd_create("room", MFD_CLOEXEC);

	return fd < 0 ? -1 : ftruncate(fd, OFFSET_TOO_FAR);
}

static long take_memory(void)
{
	void *p = mmap(NULL, MEMORY_TOO_MUCH, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long take_fds(void)
{
	int fd = 0;

	for (int i = 0; i < FDS_TOO_MANY && fd >= 0; i++)
		fd = dup(STDIN_FILENO);
	return fd;
}

/* lseek() is what every helper may call, and says whether there is such an fd. */
static long find_inherited_fds(void)
{
	for (int fd = attempt_first_free_fd; fd < FDS_TOO_MANY; fd++)
		if (fd != attempt_dir_fd &&
		    (lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF))
			return fd;
	errno = EBADF;
	return -1;
}

const struct attempt attempts_on_files[] = {
	{"read-shadow", read_shadow},
	{"read-shadow-above", read_shadow_above},
	{"read-shadow-above-own-dir", read_shadow_above_own_dir},
	{"write-passwd", write_passwd},
	{"write-below-srv", write_below_srv},
	{"read-other-release", read_other_release},
	{"write-deployd-state", write_deployd_state},
	{"write-policy", write_policy},
	{"read-environment-of-parent", read_environment_of_parent},
	{"write-memory-of-parent", write_memory_of_parent},
	{"open-fd-of-parent", open_fd_of_parent},
	{"write-own-memory-file", write_memory_of_own},
	{"write-sysctl", write_sysctl},
	{"follow-own-symlink", follow_own_symlink},
	{"link-shadow", link_shadow},
	{"link-fd-of-others", link_fd_of_others},
	{"rename-away", rename_away},
	{"make-setuid-file", make_setuid_file},
	{"make-setgid-dir", make_setgid_dir},
	{"set-setuid-bit", set_setuid_bit},
	{"set-setuid-bit-by-name", set_setuid_bit_by_name},
	{"give-away", give_away},
	{"set-xattr", set_xattr},
	{"make-device", make_device},
	{"make-fifo", make_fifo},
	{"open-by-handle", open_by_handle},
	{"leave-root", leave_root},
	{"leave-by-chdir", leave_by_chdir},
	{"mount-tmpfs", mount_tmpfs},
	{"bind-shadow", bind_shadow},
	{"write-too-far", write_too_far},
	{"allocate-too-far", allocate_too_far},
	{"write-to-memfd", write_to_memfd},
	{"take-memory", take_memory},
	{"take-fds", take_fds},
	{"find-inherited-fds", find_inherited_fds},
	{NULL, NULL},
};
