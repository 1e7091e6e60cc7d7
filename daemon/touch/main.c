/*
 * deployd-touch: touches restart.flag as the deploy user, so that an app that watches
 * it stops itself (restart_method = touch). The directory is opened while still root,
 * below directories of root's alone; what happens in it happens as its owner, who then
 * sees nothing else, and with no right to anything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/args.h"
#include "util/landlock.h"
#include "util/privdrop.h"
#include "util/report.h"
#include "util/safedir.h"
#include "util/sandbox.h"

#define FLAG_FILE_NAME "restart.flag"
#define MEMORY_BYTES   (64u << 20)

struct options {
	const char *dir;
	uint64_t uid, gid;
};

static int parse(struct options *options, int argc, char **argv, struct errinfo *ei)
{
	struct args_option list[] = {
		{"dir", .text = &options->dir},
		{"uid", &options->uid, .min = 1, .max = UINT32_MAX - 1},
		{"gid", &options->gid, .min = 1, .max = UINT32_MAX - 1},
	};

	return args_parse(argc, argv, list, sizeof(list) / sizeof(*list), ei);
}

static int open_dir(const char *path, int *ret_fd, struct errinfo *ei)
{
	int parent_fd, r;

	r = safedir_open(path, O_PATH, NULL, &parent_fd, ret_fd, ei);
	if (parent_fd >= 0)
		(void)close(parent_fd);
	return r;
}

static int enter_sandbox(const struct options *options, int dir_fd, struct errinfo *ei)
{
	static const int syscalls[] = {SCMP_SYS(openat), SCMP_SYS(fstat),
				       SCMP_SYS(newfstatat), SCMP_SYS(utimensat)};
	const struct privdrop_limit limits[] = {
		{RLIMIT_CORE, 0, 0},
		{RLIMIT_NPROC, 0, 0},
		{RLIMIT_FSIZE, 0, 0},
		{RLIMIT_NOFILE, 16, 16},
		{RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES},
	};
	int r;

	r = privdrop_limits(limits, sizeof(limits) / sizeof(*limits), ei);
	if (r < 0)
		return r;
	if (fchdir(dir_fd) < 0 || chroot(".") < 0)
		return errinfo_set(ei, errno, "cannot enter '%s'", options->dir);
	r = privdrop_become((uid_t)options->uid, (gid_t)options->gid, ei);
	if (r < 0)
		return r;
	r = landlock_confine(dir_fd, ei);
	if (r < 0)
		return r;
	return sandbox_seccomp(syscalls, sizeof(syscalls) / sizeof(*syscalls), ei);
}

static int refuse(const char *dir, const char *why, struct errinfo *ei)
{
	return errinfo_refuse(ei, RESULT_FAILED,
			      "'%s/" FLAG_FILE_NAME "' %s; remove it", dir, why);
}

static int open_flag(const char *dir, int dir_fd, int *ret_fd, struct errinfo *ei)
{
	/* NONBLOCK: a FIFO without a reader fails instead of waiting for one. */
	int fd = openat(dir_fd, FLAG_FILE_NAME,
			O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
				O_CLOEXEC,
			0644);

	if (fd < 0 && errno == ELOOP)
		return refuse(dir, "is a symbolic link", ei);
	if (fd < 0 && (errno == EISDIR || errno == ENXIO))
		return refuse(dir, "is not a regular file", ei);
	if (fd < 0)
		return errinfo_set(ei, errno,
				   "deploy_user cannot write '%s/" FLAG_FILE_NAME "'",
				   dir);
	*ret_fd = fd;
	return 0;
}

static int touch(const char *dir, int dir_fd, struct errinfo *ei)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	r = open_flag(dir, dir_fd, &fd, ei);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s/" FLAG_FILE_NAME "'",
				   dir);
	if (!S_ISREG(st.st_mode))
		return refuse(dir, "is not a regular file", ei);
	/* The app has taken it already: it was touched by being opened or made. */
	if (st.st_nlink == 0)
		return 0;
	if (st.st_nlink != 1)
		return refuse(dir, "has other names (hard links)", ei);
	if (futimens(fd, NULL) < 0)
		return errinfo_set(ei, errno, "cannot touch '%s/" FLAG_FILE_NAME "'",
				   dir);
	return 0;
}

static int run(int argc, char **argv, struct errinfo *ei)
{
	struct options options = {0};
	cleanup_close int dir_fd = -1;
	int r;

	r = privdrop_begin(REPORT_FD + 1, ei);
	if (r < 0)
		return r;
	r = parse(&options, argc, argv, ei);
	if (r < 0)
		return r;
	r = open_dir(options.dir, &dir_fd, ei);
	if (r < 0)
		return r;
	r = enter_sandbox(&options, dir_fd, ei);
	if (r < 0)
		return r;
	return touch(options.dir, dir_fd, ei);
}

int main(int argc, char **argv)
{
	struct errinfo ei = {0};
	int status;

	if (!report_init()) {
		(void)fprintf(stderr, "deployd-touch is started by deployd only\n");
		return 2;
	}
	if (run(argc, argv, &ei) < 0)
		status = report_failure(&ei);
	else
		status = report_result(RESULT_OK, "", NULL);
	/* Not exit(): handlers of libraries would need more system calls. */
	_exit(status);
}
