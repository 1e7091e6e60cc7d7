/*
 * The sandbox of deployd-unpack. The chroot and the user of its own hold on every
 * kernel; Landlock adds to them where there is any; seccomp kills what tries.
 */
#include "unpack/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <unistd.h>

#include "util/landlock.h"
#include "util/privdrop.h"
#include "util/sandbox.h"

#define FDS_BESIDE_DIRS 16
#define CPU_GRACE_SEC	5
#define STACK_BYTES	(8u << 20)

static int set_limits(const struct confinement *c, struct errinfo *ei)
{
	const rlim_t n_fds = c->max_depth + FDS_BESIDE_DIRS;
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NPROC, 0, 0},
		{RLIMIT_NOFILE, n_fds, n_fds},
		{RLIMIT_STACK, STACK_BYTES, STACK_BYTES},
		{RLIMIT_AS, c->memory_bytes, c->memory_bytes},
		{RLIMIT_FSIZE, c->max_file_bytes, c->max_file_bytes},
		{RLIMIT_CPU, c->cpu_sec, c->cpu_sec + CPU_GRACE_SEC},
	};

	return privdrop_limits(limits, sizeof(limits) / sizeof(*limits), ei);
}

int confine(const struct confinement *confinement, int staging_fd, struct errinfo *ei)
{
	static const int syscalls[] = {
		SCMP_SYS(pwrite64),  SCMP_SYS(openat), SCMP_SYS(mkdirat),
		SCMP_SYS(symlinkat), SCMP_SYS(linkat), SCMP_SYS(newfstatat),
		SCMP_SYS(fstat),     SCMP_SYS(fchmod), SCMP_SYS(ftruncate),
		SCMP_SYS(utimensat), SCMP_SYS(dup),
	};
	int r;

	r = set_limits(confinement, ei);
	if (r < 0)
		return r;
	if (fchdir(staging_fd) < 0 || chroot(".") < 0)
		return errinfo_set(ei, errno, "cannot enter the staging directory");
	r = privdrop_become(confinement->uid, confinement->gid, ei);
	if (r < 0)
		return r;
	r = landlock_confine(staging_fd, ei);
	if (r < 0)
		return r;
	return sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), ei);
}
