#include "attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/report.h"

#define NAME_FILE	 "/run/deployd-attack"
#define SYSCALL_LANDLOCK 444 /* landlock_create_ruleset, on every architecture */

int attempt_dir_fd = AT_FDCWD;
int attempt_first_free_fd = REPORT_FD + 1;
pid_t attempt_parent;

static const struct attempt *const tables[] = {
	attempts_on_files,
	attempts_on_processes,
	attempts_on_kernel,
};

static char wanted[64];

static const struct attempt *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct attempt *a = tables[i]; a->name; a++)
			if (strcmp(a->name, name) == 0)
				return a;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (const struct attempt *a = tables[i]; a->name; a++)
			(void)puts(a->name);
	(void)fflush(stdout);
	_exit(0);
}

static void read_name_file(void)
{
	int fd = open(NAME_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, wanted, sizeof(wanted) - 1);
	(void)close(fd);
	wanted[n > 0 ? n : 0] = '\0';
	wanted[strcspn(wanted, "\n")] = '\0';
}

/* A kernel that has been built without Landlock says ENOSYS. */
static void do_without_landlock(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYSCALL_LANDLOCK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	/* Root needs no no_new_privs for it, which is for the helper to set. */
	if (getuid() != 0)
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("no Landlock");
		_exit(1);
	}
}

/* Before the helper's main(): from within its sandbox no file is to be read. */
static void __attribute__((constructor)) prepare(void)
{
	const char *name = getenv("DEPLOYD_ATTACK");

	attempt_parent = getppid();
	if (name)
		(void)snprintf(wanted, sizeof(wanted), "%s", name);
	else
		read_name_file();
	if (strcmp(wanted, "list") == 0)
		list();
	if (getenv("DEPLOYD_ATTACK_NO_LANDLOCK"))
		do_without_landlock();
}

static void try_it(char *text, size_t size)
{
	const struct attempt *attempt = find(wanted);
	const char *how = "succeeded";

	if (!attempt)
		how = "is not known";
	else if (attempt->run() < 0)
		how = strerrorname_np(errno);
	(void)snprintf(text, size, "%s: %s", wanted, how ? how : "failed");
}

void attempt_now(int dir_fd)
{
	char text[128];

	attempt_dir_fd = dir_fd;
	try_it(text, sizeof(text));
	/* Or else it could be a socket of the attempt's by now. */
	if (attempt_first_free_fd > REPORT_FD)
		(void)!report_result(RESULT_FAILED, text, NULL);
	else
		(void)!write(STDOUT_FILENO, text, strlen(text));
	_exit(0);
}
