/* Other processes, above all deployd's own, and more privileges for the attacker. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

#define IOPRIO_WHO_PROCESS 1

static long signal_parent(void)
{
	return kill(attempt_parent, 0);
}

static long signal_init(void)
{
	return kill(1, 0);
}

static long signal_all(void)
{
	return kill(-1, 0);
}

static long signal_thread_of_parent(void)
{
	return syscall(SYS_tgkill, attempt_parent, attempt_parent, 0);
}

static long queue_signal_to_parent(void)
{
	return sigqueue(attempt_parent, 0, (union sigval){0});
}

static long parent_pidfd(void)
{
	return syscall(SYS_pidfd_open, attempt_parent, 0);
}

static long signal_by_pidfd(void)
{
	long fd = parent_pidfd();

	return fd < 0 ? -1 : syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0);
}

static long take_fd_of_parent(void)
{
	long fd = parent_pidfd();

	return fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
}

static long trace_parent(void)
{
	return ptrace(PTRACE_SEIZE, attempt_parent, NULL, NULL);
}

/* EFAULT: it was allowed, only nothing is at the address. */
static long reached(ssize_t n)
{
	return n < 0 && errno == EFAULT ? 0 : n;
}

static long read_memory_of_parent(void)
{
	char byte;
	const struct iovec own = {&byte, 1}, other = {(void *)1, 1};

	return reached(process_vm_readv(attempt_parent, &own, 1, &other, 1, 0));
}

static long write_memory_of_parent(void)
{
	char byte = 0;
	const struct iovec own = {&byte, 1}, other = {(void *)1, 1};

	return reached(process_vm_writev(attempt_parent, &own, 1, &other, 1, 0));
}

static long compare_with_parent(void)
{
	return syscall(SYS_kcmp, getpid(), attempt_parent, KCMP_VM, 0, 0);
}

static long limit_parent(void)
{
	struct rlimit limit;

	return prlimit(attempt_parent, RLIMIT_NOFILE, NULL, &limit);
}

static long prioritize_parent(void)
{
	return setpriority(PRIO_PROCESS, (id_t)attempt_parent, 0);
}

static long pin_parent(void)
{
	cpu_set_t cpus;

	memset(&cpus, 0xff, sizeof(cpus));
	return sched_setaffinity(attempt_parent, sizeof(cpus), &cpus);
}

static long schedule_parent(void)
{
	const struct sched_param param = {0};

	return sched_setscheduler(attempt_parent, SCHED_OTHER, &param);
}

static long starve_parent_of_io(void)
{
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, attempt_parent, 0);
}

static long leave_session(void)
{
	return setsid();
}

static long fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static int child(void *unused)
{
	(void)unused;
	_exit(0);
}

static long clone_with(int flags)
{
	static char stack[65536];

	return clone(child, stack + sizeof(stack), flags | SIGCHLD, NULL);
}

static long make_thread(void)
{
	return clone_with(CLONE_VM | CLONE_VFORK);
}

static long clone_user_namespace(void)
{
	return clone_with(CLONE_NEWUSER);
}

static long clone3_process(void)
{
	uint64_t args[11] = {[4] = SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid;
}

static long unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static long unshare_mounts(void)
{
	return unshare(CLONE_NEWNS);
}

static long unshare_network(void)
{
	return unshare(CLONE_NEWNET);
}

static long enter_namespace(void)
{
	int fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : setns(fd, CLONE_NEWNET);
}

/* What runs then says for us that it did, in a report or on stdout. */
#define SAY                                                                            \
	"echo '{\"type\":\"result\",\"result\":\"failed\",\"message\":\"exec: "        \
	"succeeded\"}'"
static char report[] = SAY " >&3; " SAY;
static char sh[] = "sh", option[] = "-c";
static char *shell[] = {sh, option, report, NULL};
static char *no_environment[] = {NULL};

static long exec_shell(void)
{
	return execve("/bin/sh", shell, no_environment);
}

static long exec_memfd(void)
{
	static char buf[65536];
	int from = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("program", 0);
	ssize_t n;

	while (fd >= 0 && (n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			return -1;
	return fd < 0 ? -1 : fexecve(fd, shell, no_environment);
}

static long exec_fd(void)
{
	return syscall(SYS_execveat, STDIN_FILENO, "", shell, no_environment,
		       AT_EMPTY_PATH);
}

static long become_root(void)
{
	return setuid(0);
}

static long become_root_for_files(void)
{
	/* Returns the uid of before. */
	(void)syscall(SYS_setfsuid, 0);
	errno = EPERM;
	return syscall(SYS_setfsuid, 0) == 0 ? 0 : -1;
}

static long become_group_root(void)
{
	return setgid(0);
}

static long join_groups(void)
{
	const gid_t group = 0;

	return setgroups(1, &group);
}

static long raise_capabilities(void)
{
	struct __user_cap_header_struct header = {.version =
							  _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.permitted = 1u << CAP_CHOWN, .effective = 1u << CAP_CHOWN}};

	return syscall(SYS_capset, &header, data);
}

static long raise_ambient(void)
{
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
}

static long dump_core(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static long raise_core_limit(void)
{
	const struct rlimit limit = {1 << 20, 1 << 20};

	return setrlimit(RLIMIT_CORE, &limit);
}

static long raise_process_limit(void)
{
	const struct rlimit limit = {64, 64};

	return setrlimit(RLIMIT_NPROC, &limit);
}

static long outlive_deployd(void)
{
	return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

static long map_executable(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long make_executable(void)
{
	static char page[8192];
	uintptr_t at = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;

	return mprotect((void *)at, 4096, PROT_READ | PROT_EXEC);
}

static long make_executable_by_key(void)
{
	static char page[8192];
	uintptr_t at = ((uintptr_t)page + 4095) & ~(uintptr_t)4095;

	return syscall(SYS_pkey_mprotect, (void *)at, 4096, PROT_READ | PROT_EXEC, -1);
}

static long change_personality(void)
{
	return personality(ADDR_NO_RANDOMIZE);
}

const struct attempt attempts_on_processes[] = {
	{"signal-parent", signal_parent},
	{"signal-init", signal_init},
	{"signal-all", signal_all},
	{"signal-thread-of-parent", signal_thread_of_parent},
	{"queue-signal-to-parent", queue_signal_to_parent},
	{"signal-by-pidfd", signal_by_pidfd},
	{"take-fd-of-parent", take_fd_of_parent},
	{"trace-parent", trace_parent},
	{"read-memory-of-parent", read_memory_of_parent},
	{"write-memory-of-parent-vm", write_memory_of_parent},
	{"compare-with-parent", compare_with_parent},
	{"limit-parent", limit_parent},
	{"prioritize-parent", prioritize_parent},
	{"pin-parent", pin_parent},
	{"schedule-parent", schedule_parent},
	{"starve-parent-of-io", starve_parent_of_io},
	{"leave-session", leave_session},
	{"fork", fork_once},
	{"make-thread", make_thread},
	{"clone-user-namespace", clone_user_namespace},
	{"clone3", clone3_process},
	{"unshare-user", unshare_user},
	{"unshare-mounts", unshare_mounts},
	{"unshare-network", unshare_network},
	{"enter-namespace", enter_namespace},
	{"exec-shell", exec_shell},
	{"exec-memfd", exec_memfd},
	{"exec-fd", exec_fd},
	{"become-root", become_root},
	{"become-root-for-files", become_root_for_files},
	{"become-group-root", become_group_root},
	{"join-groups", join_groups},
	{"raise-capabilities", raise_capabilities},
	{"raise-ambient", raise_ambient},
	{"dump-core", dump_core},
	{"raise-core-limit", raise_core_limit},
	{"raise-process-limit", raise_process_limit},
	{"outlive-deployd", outlive_deployd},
	{"map-executable", map_executable},
	{"make-executable", make_executable},
	{"make-executable-by-key", make_executable_by_key},
	{"change-personality", change_personality},
	{NULL, NULL},
};
