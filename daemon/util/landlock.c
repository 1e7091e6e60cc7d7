#include "util/landlock.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deploy/cleanup.h"

/*
 * The constants are our own, from the kernel's documentation
 * (https://docs.kernel.org/userspace-api/landlock.html): the headers of Debian 12 end
 * at ABI 2, kernels do not.
 */
enum landlock_access_fs {
	ACCESS_WRITE_FILE = 1 << 1,
	ACCESS_READ_FILE = 1 << 2,
	ACCESS_READ_DIR = 1 << 3,
	ACCESS_MAKE_DIR = 1 << 7,
	ACCESS_MAKE_REG = 1 << 8,
	ACCESS_MAKE_SYM = 1 << 12,
	ACCESS_REFER = 1 << 13,	   /* ABI 2 */
	ACCESS_TRUNCATE = 1 << 14, /* ABI 3 */
};

#define ALL_FS_ABI_2	  ((1u << 14) - 1)
#define ALL_FS_ABI_3	  ((1u << 15) - 1)
#define ALL_FS_ABI_5	  ((1u << 16) - 1) /* ioctl on devices */
#define ALL_NET_ABI_4	  3u		   /* TCP bind, connect */
#define ALL_SCOPE_ABI_6	  3u		   /* abstract sockets, signals */
#define CREATE_VERSION	  1u
#define RULE_PATH_BENEATH 1
#define SYSCALL_CREATE	  444
#define SYSCALL_ADD_RULE  445
#define SYSCALL_RESTRICT  446

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;	     /* ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

static size_t fill_ruleset(int abi, struct ruleset_attr *attr)
{
	size_t size = offsetof(struct ruleset_attr, handled_access_net);

	attr->handled_access_fs = abi >= 5   ? ALL_FS_ABI_5
				  : abi >= 3 ? ALL_FS_ABI_3
					     : ALL_FS_ABI_2;
	if (abi >= 4) {
		attr->handled_access_net = ALL_NET_ABI_4;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr->scoped = ALL_SCOPE_ABI_6;
		size = sizeof(*attr);
	}
	return size;
}

/* unhandled: rights that Landlock leaves alone everywhere. */
static int confine(int dir_fd, uint64_t unhandled, struct errinfo *ei)
{
	struct ruleset_attr attr = {0};
	struct path_beneath_attr beneath = {.parent_fd = dir_fd};
	cleanup_close int ruleset_fd = -1;
	size_t size;
	long abi;

	abi = syscall(SYSCALL_CREATE, NULL, 0, CREATE_VERSION);
	/* ABI 1 forbids every link from one directory to another. */
	if (abi < 2)
		return 0;
	size = fill_ruleset((int)abi, &attr);
	attr.handled_access_fs &= ~unhandled;
	ruleset_fd = (int)syscall(SYSCALL_CREATE, &attr, size, 0);
	if (ruleset_fd < 0)
		return errinfo_set(ei, errno, "cannot make the Landlock rules");
	if (dir_fd >= 0) {
		beneath.allowed_access =
			(ACCESS_WRITE_FILE | ACCESS_READ_DIR | ACCESS_MAKE_DIR |
			 ACCESS_MAKE_REG | ACCESS_MAKE_SYM | ACCESS_REFER |
			 ACCESS_TRUNCATE) &
			attr.handled_access_fs;
		if (syscall(SYSCALL_ADD_RULE, ruleset_fd, RULE_PATH_BENEATH, &beneath,
			    0) < 0)
			return errinfo_set(ei, errno, "cannot add the Landlock rule");
	}
	if (syscall(SYSCALL_RESTRICT, ruleset_fd, 0) < 0)
		return errinfo_set(ei, errno, "cannot enter the Landlock sandbox");
	return (int)abi;
}

int landlock_confine(int dir_fd, struct errinfo *ei)
{
	return confine(dir_fd, 0, ei);
}

int landlock_read_only(struct errinfo *ei)
{
	return confine(-1, ACCESS_READ_FILE | ACCESS_READ_DIR, ei);
}
