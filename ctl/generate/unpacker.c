#include "generate/unpacker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "build_config.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/args.h"
#include "util/report.h"

#define PROGRAM	 DEPLOYD_LIBEXECDIR "/deployd-unpack"
#define ARGS_MAX 12

struct arguments {
	char text[ARGS_MAX][96];
	const char *argv[ARGS_MAX + 2];
	char *link_targets;
	size_t n;
};

static void add(struct arguments *arguments, const char *name, uint64_t value)
{
	char *text = arguments->text[arguments->n];

	(void)snprintf(text, sizeof(arguments->text[0]), "--%s=%llu", name,
		       (unsigned long long)value);
	arguments->argv[1 + arguments->n++] = text;
}

/*
 * The directory by our own descriptor: whatever is renamed meanwhile, it is this one.
 * The helper has us as its parent and closes what it inherits.
 */
static void make_arguments(const struct unpacker *unpacker, struct arguments *arguments)
{
	const struct release_limits *limits = unpacker->limits;

	*arguments = (struct arguments){.argv = {PROGRAM}};
	(void)snprintf(arguments->text[0], sizeof(arguments->text[0]),
		       "--staging=/proc/%d/fd/%d/%s", (int)getpid(), unpacker->dir_fd,
		       unpacker->name);
	arguments->argv[1] = arguments->text[0];
	arguments->n = 1;
	add(arguments, "uid", unpacker->uid);
	add(arguments, "gid", unpacker->gid);
	add(arguments, "max-bytes", limits->max_release_bytes);
	add(arguments, "max-entries", limits->max_entries);
	add(arguments, "max-file-bytes", limits->max_file_bytes);
	add(arguments, "max-ratio", limits->max_ratio);
	add(arguments, "max-depth", limits->max_depth);
	add(arguments, "cpu-sec", limits->unpack_sec);
	add(arguments, "strip-components", limits->strip_components);
	arguments->link_targets = args_words("link-targets", limits->link_targets);
	arguments->argv[1 + arguments->n++] = arguments->link_targets;
	add(arguments, "memory-bytes", unpacker->memory_bytes);
}

static _Noreturn void become(const struct arguments *arguments, int archive_fd,
			     int report_fd)
{
	char *environment[] = {NULL};
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	/* Above the numbers that they are put on. */
	int in = fcntl(archive_fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);
	int out = fcntl(report_fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);

	if (null_fd < 0 || in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 || dup2(out, REPORT_FD) < 0)
		_exit(127);
	(void)execve(PROGRAM, (char *const *)(uintptr_t)arguments->argv, environment);
	_exit(127);
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct report {
	char line[REPORT_LINE_MAX + 1];
	size_t length;
	json_t *result;
};

/* False: it is not what a helper writes. */
static bool take_line(struct report *report, size_t length)
{
	json_t *object = json_loadb(report->line, length, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(object, "type"));
	bool is_result = type && strcmp(type, "result") == 0 && !report->result;
	bool ok = is_result || (type && strcmp(type, "progress") == 0);

	if (is_result)
		report->result = json_incref(object);
	json_decref(object);
	return ok;
}

static bool take(struct report *report, size_t n)
{
	char *newline;

	report->length += n;
	while ((newline = memchr(report->line, '\n', report->length))) {
		size_t length = (size_t)(newline - report->line);

		if (!take_line(report, length))
			return false;
		report->length -= length + 1;
		memmove(report->line, newline + 1, report->length);
	}
	return report->length < REPORT_LINE_MAX;
}

/* To the end of the report. */
static int read_report(int fd, int64_t deadline_ms, struct report *report,
		       struct errinfo *ei)
{
	for (;;) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};
		int64_t left = deadline_ms - now_ms();
		ssize_t n;

		if (left <= 0 || poll(&pollfd, 1, (int)left) == 0)
			return errinfo_refuse(ei, RESULT_FAILED,
					      "unpacking takes longer than unpack_sec");
		n = read(fd, report->line + report->length,
			 REPORT_LINE_MAX - report->length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errinfo_set(ei, errno, "cannot hear deployd-unpack");
		if (n == 0)
			return 0;
		if (!take(report, (size_t)n))
			return errinfo_refuse(
				ei, RESULT_FAILED,
				"deployd-unpack wrote something that is not a report");
	}
}

static int judge(const struct report *report, int status, struct errinfo *ei)
{
	const char *name = json_string_value(json_object_get(report->result, "result"));
	const char *message =
		json_string_value(json_object_get(report->result, "message"));
	enum deploy_result result = name ? result_from_name(name) : RESULT_COUNT;

	if (result == RESULT_COUNT && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return errinfo_set(ei, ENOENT,
				   "cannot run " PROGRAM "; is deployd installed?");
	if (result == RESULT_COUNT || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "deployd-unpack ended without a result (%s %d)",
				      WIFSIGNALED(status) ? "signal" : "status",
				      WIFSIGNALED(status) ? WTERMSIG(status)
							  : WEXITSTATUS(status));
	return result == RESULT_OK
		       ? 0
		       : errinfo_refuse(ei, result, "%s", message ? message : "");
}

int unpacker_run(const struct unpacker *unpacker, struct errinfo *ei)
{
	int64_t deadline_ms =
		now_ms() + (int64_t)unpacker->limits->unpack_sec * INT64_C(1000);
	cleanup_close int in = -1, out = -1;
	struct arguments arguments;
	struct report report = {0};
	int fds[2], status = 0, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errinfo_set(ei, errno, "cannot make a pipe");
	in = fds[0];
	out = fds[1];
	make_arguments(unpacker, &arguments);
	if (!arguments.link_targets)
		return errinfo_set(ei, ENOMEM, "cannot start deployd-unpack");
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0) {
		free(arguments.link_targets);
		return errinfo_set(ei, errno, "cannot start deployd-unpack");
	}
	if (pid == 0)
		become(&arguments, unpacker->archive_fd, out);
	(void)close(out);
	out = -1;
	r = read_report(in, deadline_ms, &report, ei);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0)
		r = judge(&report, status, ei);
	json_decref(report.result);
	free(arguments.link_targets);
	return r;
}
