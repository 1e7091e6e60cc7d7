#include "setup/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "build_config.h"
#include "deploy/cleanup.h"
#include "util/fdio.h"
#include "util/report.h"

#define STORE_PROGRAM DEPLOYD_LIBEXECDIR "/deployd-store"

static _Noreturn void become(int in, int out)
{
	char *const argv[] = {(char *)(uintptr_t)STORE_PROGRAM, NULL};
	char *const environment[] = {NULL};
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high = fcntl(out, F_DUPFD_CLOEXEC, REPORT_FD + 1);

	if (null_fd < 0 || high < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 || dup2(high, REPORT_FD) < 0)
		_exit(127);
	(void)execve(STORE_PROGRAM, argv, environment);
	_exit(127);
}

/* The request as a file at its start. */
static int open_request(json_t *request)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);
	cleanup_close int fd = memfd_create("deployctl", MFD_CLOEXEC);

	json_decref(request);
	if (!text || fd < 0 || fd_write_all(fd, text, strlen(text)) < 0 ||
	    lseek(fd, 0, SEEK_SET) < 0)
		return -ENOMEM;
	return steal_fd(&fd);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* All that it says; NULL when it says too much, or takes too long. */
static char *read_report(int fd, int64_t deadline_ms)
{
	cleanup_free char *text = NULL;
	size_t length = 0, size = 0;

	for (;;) {
		int64_t left = deadline_ms - now_ms();
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (length + 1 >= size) {
			char *more = size > REPORT_STORE_MAX
					     ? NULL
					     : realloc(text, size ? 2 * size : 65536);

			if (!more)
				return NULL;
			text = more;
			size = size ? 2 * size : 65536;
		}
		if (left <= 0 ||
		    poll(&pollfd, 1, left > INT32_MAX ? INT32_MAX : (int)left) == 0)
			return NULL;
		n = read(fd, text + length, size - length - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	text[length] = '\0';
	return steal_ptr(&text);
}

static int take_report(char *text, json_t **ret_reply, struct errinfo *ei)
{
	cleanup_json json_t *reply = NULL;
	size_t length = strlen(text);
	const char *line, *result, *message;

	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	line = strrchr(text, '\n');
	reply = json_loads(line ? line + 1 : text, JSON_REJECT_DUPLICATES, NULL);
	result = json_string_value(json_object_get(reply, "result"));
	message = json_string_value(json_object_get(reply, "message"));
	if (!result)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "deployd-store died; run it again, what was done "
				      "stays");
	if (result_from_name(result) != RESULT_OK)
		return errinfo_refuse(ei, result_from_name(result), "%s",
				      message ? message : result);
	*ret_reply = steal_ptr(&reply);
	return 0;
}

int store_ask(json_t *request, unsigned int timeout_sec, json_t **ret_reply,
	      struct errinfo *ei)
{
	cleanup_close int in = open_request(request), out = -1;
	cleanup_free char *text = NULL;
	int fds[2], status = 0;
	pid_t pid;

	if (in < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return errinfo_set(ei, in < 0 ? ENOMEM : errno,
				   "cannot ask deployd-store");
	out = fds[0];
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		become(in, fds[1]);
	(void)close(fds[1]);
	if (pid < 0)
		return errinfo_set(ei, errno, "cannot run deployd-store");
	text = read_report(out, now_ms() + timeout_sec * INT64_C(1000));
	if (!text)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!text)
		return errinfo_set(ei, ETIMEDOUT, "deployd-store does not end");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return errinfo_set(ei, ENOENT, "cannot run " STORE_PROGRAM);
	return take_report(text, ret_reply, ei);
}
