#include "process/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"
#include "util/report.h"

#define READ_BYTES 65536

int64_t program_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Above the numbers that it may be put on; -1: PROGRAM_OURS. */
static int lift(int fd)
{
	if (fd == PROGRAM_OURS)
		return -1;
	if (fd == PROGRAM_NULL)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);
	if (fd < 0)
		_exit(PROGRAM_NOT_RUN);
	return fd;
}

static void put(int fd, int number)
{
	if (fd >= 0 && dup2(fd, number) < 0)
		_exit(PROGRAM_NOT_RUN);
}

static _Noreturn void become(const struct program *program)
{
	const int in = lift(program->in), out = lift(program->out),
		  err = lift(program->err),
		  report = program->report < 0 ? -1 : lift(program->report);
	char *const *argv = (char *const *)(uintptr_t)program->argv;
	char *const *environment =
		program->environment ? (char *const *)(uintptr_t)program->environment
				     : environ;
	sigset_t none;

	if (program->dies_with_us)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	put(in, STDIN_FILENO);
	put(out, STDOUT_FILENO);
	put(err, STDERR_FILENO);
	put(report, REPORT_FD);
	for (size_t i = 0; program->directories && program->directories[i]; i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%s", program->directories[i],
			       argv[0]);
		(void)execve(path, argv, environment);
	}
	if (!program->directories)
		(void)execvpe(argv[0], argv, environment);
	_exit(program->on_not_run ? program->on_not_run(program) : PROGRAM_NOT_RUN);
}

pid_t program_start(const struct program *program)
{
	pid_t pid = fork();

	if (pid == 0)
		become(program);
	return pid < 0 ? -errno : pid;
}

int program_end(pid_t pid, bool kill_it)
{
	int status = 0;

	if (kill_it)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return PROGRAM_NOT_RUN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* 0, or -ETIMEDOUT. */
static int wait_readable(int fd, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ms - program_now_ms();

		if (deadline_ms < 0)
			return 0;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&pollfd, 1, left > INT_MAX ? INT_MAX : (int)left) > 0)
			return 0;
	}
}

int program_read(int fd, int64_t deadline_ms, program_take *take, void *userdata)
{
	cleanup_free char *data = malloc(READ_BYTES);

	if (!data)
		return -ENOMEM;
	for (;;) {
		int r = wait_readable(fd, deadline_ms);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(fd, data, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = take(data, (size_t)n, userdata);
		if (r < 0)
			return r;
	}
}

struct text {
	char *text;
	size_t length, size, max;
};

static int add(const char *data, size_t length, void *userdata)
{
	struct text *text = userdata;

	if (length > text->max - text->length)
		return -EFBIG;
	if (text->length + length >= text->size) {
		size_t size = 2 * (text->length + length) + 1;
		char *more = realloc(text->text, size);

		if (!more)
			return -ENOMEM;
		text->text = more;
		text->size = size;
	}
	memcpy(text->text + text->length, data, length);
	text->length += length;
	return 0;
}

int program_read_text(int fd, int64_t deadline_ms, size_t max, char **ret_text)
{
	struct text text = {.text = malloc(1), .size = 1, .max = max};
	int r = text.text ? program_read(fd, deadline_ms, add, &text) : -ENOMEM;

	if (r < 0) {
		free(text.text);
		return r;
	}
	text.text[text.length] = '\0';
	*ret_text = text.text;
	return 0;
}

int program_input(const char *text)
{
	cleanup_close int fd = memfd_create("deployctl", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : steal_fd(&fd);
}
