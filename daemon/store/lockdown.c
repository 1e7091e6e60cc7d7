#include "store/lockdown.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "util/sandbox.h"

static int drop_capabilities(bool reads_all, struct errinfo *ei)
{
	cap_value_t keep[] = {CAP_CHOWN, CAP_DAC_READ_SEARCH};
	int n = reads_all ? 2 : 1;
	cap_t caps = cap_init();
	int r = 0;

	if (!caps || cap_set_flag(caps, CAP_PERMITTED, n, keep, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, n, keep, CAP_SET) < 0 ||
	    cap_set_proc(caps) < 0)
		r = errinfo_set(ei, errno, "cannot drop capabilities");
	if (caps)
		(void)cap_free(caps);
	/* It has read what other users may not read: no core dump, no tracer. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = errinfo_set(ei, errno, "cannot forbid core dumps");
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = errinfo_set(ei, errno, "cannot set no_new_privs");
	return r;
}

int lockdown(bool reads_all, struct errinfo *ei)
{
	static const int syscalls[] = {
		SCMP_SYS(openat),    SCMP_SYS(getdents64),
		SCMP_SYS(pread64),   SCMP_SYS(fcntl) /* fdopendir(); leases of adopt */,
		SCMP_SYS(flock),     SCMP_SYS(newfstatat),
		SCMP_SYS(fstat),     SCMP_SYS(statx),
		SCMP_SYS(fstatfs),   SCMP_SYS(readlinkat),
		SCMP_SYS(listxattr), SCMP_SYS(mkdirat),
		SCMP_SYS(symlinkat), SCMP_SYS(unlinkat),
		SCMP_SYS(renameat),  SCMP_SYS(renameat2),
		SCMP_SYS(fchown),    SCMP_SYS(fchownat),
		SCMP_SYS(fchmod),    SCMP_SYS(fchmodat),
		SCMP_SYS(chmod),     SCMP_SYS(ftruncate),
		SCMP_SYS(fallocate), SCMP_SYS(fsync),
		SCMP_SYS(syncfs),    SCMP_SYS(clock_nanosleep) /* waits for the lock */,
		SCMP_SYS(getpid),    SCMP_SYS(sysinfo) /* qsort() of much */,
	};
	int r = drop_capabilities(reads_all, ei);

	return r < 0 ? r
		     : sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls),
				       ei);
}
