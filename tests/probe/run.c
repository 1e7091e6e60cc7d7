#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/sandbox.h"

#define ARGUMENTS_MAX 40
#define LINE_MAX_SIZE (2u << 20)

extern char **environ;

static bool filtered;

void run_filtered(bool on)
{
	filtered = on;
}

static bool enter_filter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	return filter &&
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ptrace), 0) ==
		       0 &&
	       seccomp_load(filter) == 0;
}

static void become_probe(uid_t uid, const char *const *argv, int out)
{
	/* Opened before: another user may not be let into the build directory. */
	const int program = open(PROBE_PROGRAM, O_RDONLY);
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", program);
	if (program < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(99);
	if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
			 setresuid(uid, uid, uid) < 0))
		_exit(98);
	/* AddressSanitizer calls prctl() itself. */
	if (filtered && !SANDBOX_SANITIZED && !enter_filter())
		_exit(96);
	(void)execve(path, (char *const *)argv, environ);
	_exit(97);
}

static size_t read_all(int fd, char *buf, size_t size)
{
	size_t length = 0;
	ssize_t n;

	while (length < size && (n = read(fd, buf + length, size - length)) > 0)
		length += (size_t)n;
	return length;
}

struct run run_probe(uid_t uid, const char *const *arguments, size_t n_arguments)
{
	static char text[LINE_MAX_SIZE];
	const char *argv[ARGUMENTS_MAX + 2] = {"deployd-probe"};
	struct run run = {0};
	json_error_t error;
	int ends[2], status;
	pid_t pid;

	assert_true(n_arguments <= ARGUMENTS_MAX);
	memcpy(argv + 1, arguments, n_arguments * sizeof(*arguments));
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		become_probe(uid, argv, ends[1]);
	(void)close(ends[1]);
	run.length = read_all(ends[0], text, sizeof(text) - 1);
	text[run.length] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	run.status = WEXITSTATUS(status);
	/* One line, and it ends. */
	assert_true(run.length > 1);
	assert_ptr_equal(strchr(text, '\n'), text + run.length - 1);
	run.line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (!run.line)
		fail_msg("not JSON: %s: %s", error.text, text);
	return run;
}

const char *run_text(const struct run *run, const char *key)
{
	const char *text = json_string_value(json_object_get(run->line, key));

	return text ? text : "(none)";
}

long run_number(const struct run *run, const char *key)
{
	const json_t *number = json_object_get(run->line, key);

	return json_is_integer(number) ? (long)json_integer_value(number) : -1;
}

void run_end(struct run *run, int status)
{
	run_end_saying(run, status, "");
}

void run_end_saying(struct run *run, int status, const char *text)
{
	const char *message = run_text(run, "message");

	if (run->status != status || !strstr(message, text))
		fail_msg("status %d, message '%s'; wanted %d, '%s'", run->status,
			 message, status, text);
	assert_string_equal(run_text(run, "type"), "result");
	assert_string_equal(run_text(run, "result"), status == 0 ? "ok" : "failed");
	json_decref(run->line);
	run->line = NULL;
}
