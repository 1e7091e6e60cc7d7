/*
 * What deployd-intake reads from. Nothing here parses: the bytes are opaque.
 */
#include "util/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC  UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)

/* Not in the headers of Debian 12. */
#define PIDFS_MAGIC	  0x50494446
#define MQUEUE_MAGIC	  0x19800202
#define FUSECTL_MAGIC	  0x65735543
#define CONFIGFS_FS_MAGIC 0x62656570

static int refuse(struct errinfo *ei, const char *why)
{
	return errinfo_refuse(ei, RESULT_REJECTED, "the archive %s", why);
}

/*
 * File systems whose "regular files" the kernel makes up at read time, often by the
 * rights of whoever opened them: /proc/self/mem is S_ISREG with size 0.
 */
static bool made_by_kernel(long f_type)
{
	static const long magics[] = {
		PROC_SUPER_MAGIC,    SYSFS_MAGIC,    CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,
		SECURITYFS_MAGIC,    SELINUX_MAGIC,  BPF_FS_MAGIC,
		PSTOREFS_MAGIC,	     EFIVARFS_MAGIC, DEVPTS_SUPER_MAGIC,
		BINFMTFS_MAGIC,	     NSFS_MAGIC,     ANON_INODE_FS_MAGIC,
		PIDFS_MAGIC,	     MQUEUE_MAGIC,   FUSECTL_MAGIC,
		CONFIGFS_FS_MAGIC,
	};

	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		if (f_type == magics[i])
			return true;
	}
	return false;
}

static int check_type(int fd, mode_t mode, struct errinfo *ei)
{
	struct statfs fs;

	if (S_ISDIR(mode))
		return refuse(ei, "is a directory; pack it with tar first");
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return refuse(ei, "is a device, not a file");
	if (S_ISFIFO(mode) || S_ISSOCK(mode))
		return 0;
	if (fstatfs(fd, &fs) < 0)
		return errinfo_set(ei, errno, "cannot examine the archive");
	if (!S_ISREG(mode) || made_by_kernel((long)fs.f_type))
		return refuse(ei, "is an object of the kernel, not a file");
	return 0;
}

int source_init(struct source *source, int fd, const struct source_pace *pace,
		struct errinfo *ei)
{
	struct stat st;
	off_t offset;
	int flags, r;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine the archive");
	if (flags & O_PATH)
		return refuse(ei, "was not opened for reading (O_PATH)");
	r = check_type(fd, st.st_mode, ei);
	if (r < 0)
		return r;
	if ((flags & O_ACCMODE) == O_WRONLY)
		return refuse(ei, "was opened for writing only");

	*source = (struct source){.fd = fd, .pace = *pace};
	if (!S_ISREG(st.st_mode))
		return 0;
	offset = lseek(fd, 0, SEEK_CUR);
	if (offset < 0)
		return errinfo_set(ei, errno, "cannot examine the archive");
	if (st.st_size <= offset)
		return refuse(ei, offset == 0 ? "is empty (0 bytes): what makes or "
						"sends it wrote nothing"
					      : "was already read to its end");
	source->seekable = true;
	source->offset = (uint64_t)offset;
	source->expected = (uint64_t)(st.st_size - offset);
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Once a window of waiting is over, enough must have come in it. */
static int check_pace(struct source *source, struct errinfo *ei)
{
	const struct source_pace *pace = &source->pace;
	uint64_t idle_ns = pace->idle_sec * NSEC_PER_SEC;

	if (source->silent_ns >= idle_ns)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "no archive bytes arrived for %u s",
				      pace->idle_sec);
	if (source->window_ns < idle_ns)
		return 0;
	if (source->window_bytes / pace->idle_sec < pace->bytes_per_sec)
		return errinfo_refuse(
			ei, RESULT_FAILED,
			"the archive arrived too slowly: %llu bytes in %u s, and "
			"intake_min_bytes_per_sec is %llu",
			(unsigned long long)source->window_bytes, pace->idle_sec,
			(unsigned long long)pace->bytes_per_sec);
	source->window_ns = source->window_bytes = 0;
	return 0;
}

/*
 * poll() first, also on a blocking fd: its flags belong to the client, who may change
 * them at any time.
 */
static int wait_readable(struct source *source, struct errinfo *ei)
{
	struct pollfd p = {.fd = source->fd, .events = POLLIN};
	uint64_t idle_ns = source->pace.idle_sec * NSEC_PER_SEC, begin_ns, waited_ns;
	int n, r;

	for (;;) {
		uint64_t over_ns;

		r = check_pace(source, ei);
		if (r < 0)
			return r;
		over_ns = source->silent_ns > source->window_ns ? source->silent_ns
								: source->window_ns;
		begin_ns = now_ns();
		/* Rounded up: woken too early, it would come here again and again. */
		n = poll(&p, 1, (int)((idle_ns - over_ns) / NSEC_PER_MSEC + 1));
		if (n < 0 && errno != EINTR)
			return errinfo_set(ei, errno, "cannot wait for the archive");
		waited_ns = now_ns() - begin_ns;
		source->silent_ns += waited_ns;
		source->window_ns += waited_ns;
		if (n > 0)
			break;
	}
	/* What is here, or is the end, came in time; the window is judged with it. */
	source->silent_ns = 0;
	return 0;
}

ssize_t source_read_once(struct source *source, void *buf, size_t size,
			 struct errinfo *ei)
{
	ssize_t n;

	if (source->seekable)
		n = pread(source->fd, buf, size, (off_t)source->offset);
	else
		n = read(source->fd, buf, size);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return -EAGAIN;
	if (n < 0)
		return errinfo_set(ei, errno, "cannot read the archive");
	source->offset += (uint64_t)n;
	source->window_bytes += (uint64_t)n;
	return n;
}

ssize_t source_read(struct source *source, void *buf, size_t size, struct errinfo *ei)
{
	ssize_t n;
	int r;

	do {
		r = source->seekable ? 0 : wait_readable(source, ei);
		n = r < 0 ? r : source_read_once(source, buf, size, ei);
	} while (n == -EAGAIN);
	return n;
}
