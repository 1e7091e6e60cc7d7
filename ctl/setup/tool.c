#include "setup/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/fdio.h"

static const char *const directories[] = {"/usr/bin", "/bin", "/usr/sbin", "/sbin"};

static _Noreturn void become(const char *const argv[], int in, int out)
{
	static char *environment[] = {
		(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)(uintptr_t) "LC_ALL=C", (char *)(uintptr_t) "SYSTEMD_COLORS=0",
		(char *)(uintptr_t) "SYSTEMD_PAGER=", NULL};
	char path[256];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		_exit(127);
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directories[i], argv[0]);
		(void)execve(path, (char *const *)(uintptr_t)argv, environment);
	}
	_exit(127);
}

/* A file with the text, at its start; /dev/null for none. */
static int open_input(const char *input)
{
	cleanup_close int fd = -1;

	if (!input)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = memfd_create("deployctl", MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, input, strlen(input)) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return steal_fd(&fd);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until the end of the output: false when the time is over before. */
static bool read_output(int fd, int64_t deadline_ms, char *output)
{
	size_t length = 0;

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		char more[4096];
		size_t room;
		ssize_t n;

		output[length] = '\0';
		if (left <= 0 || poll(&pollfd, 1, (int)left) == 0)
			return false;
		n = read(fd, more, sizeof(more));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		room = TOOL_OUTPUT_SIZE - 1 - length;
		memcpy(output + length, more, (size_t)n < room ? (size_t)n : room);
		length += (size_t)n < room ? (size_t)n : room;
	}
}

/* The child, and in *ret_fd what it writes; or -errno. */
static pid_t start(const char *const argv[], const char *input, int *ret_fd)
{
	cleanup_close int in = open_input(input), out = -1, out_child = -1;
	int fds[2];
	pid_t pid;

	if (in < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	out = fds[0];
	out_child = fds[1];
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(argv, in, out_child);
	*ret_fd = steal_fd(&out);
	return pid;
}

int tool_run(const char *const argv[], const char *input, unsigned int timeout_sec,
	     char ret_output[TOOL_OUTPUT_SIZE], struct errinfo *ei)
{
	cleanup_close int out = -1;
	pid_t pid = start(argv, input, &out);
	int status = 0;
	bool in_time;

	if (pid < 0)
		return errinfo_set(ei, pid, "cannot run %s", argv[0]);
	in_time = read_output(out, now_ms() + timeout_sec * INT64_C(1000), ret_output);
	if (!in_time)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!in_time)
		return errinfo_set(ei, ETIMEDOUT, "%s does not end", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return errinfo_set(ei, ENOENT, "cannot run %s; is systemd installed?",
				   argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int tool_must(const char *const argv[], const char *input, unsigned int timeout_sec,
	      struct errinfo *ei)
{
	char output[TOOL_OUTPUT_SIZE], shown[400];
	int status = tool_run(argv, input, timeout_sec, output, ei);
	size_t n;

	if (status <= 0)
		return status;
	n = strlen(output);
	while (n > 0 && output[n - 1] == '\n')
		output[--n] = '\0';
	for (char *p = output; (p = strchr(p, '\n'));)
		*p = ' ';
	return errinfo_refuse(ei, RESULT_FAILED, "%s ends with status %d: %s", argv[0],
			      status, names_escape(output, shown, sizeof(shown)));
}
