#include "generate/unpacker.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_config.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "process/program.h"
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
	arguments->link_targets = args_words("link-targets", limits->link_targets);
	arguments->argv[1 + arguments->n++] = arguments->link_targets;
	add(arguments, "memory-bytes", unpacker->memory_bytes);
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

/* What is no report ends the reading. */
static int take(const char *data, size_t n, void *userdata)
{
	struct report *report = userdata;

	for (; n > 0; data++, n--) {
		if (report->length == REPORT_LINE_MAX)
			return -EBADMSG;
		if (*data != '\n')
			report->line[report->length++] = *data;
		else if (!take_line(report, report->length))
			return -EBADMSG;
		else
			report->length = 0;
	}
	return 0;
}

static int explain(int r, struct errinfo *ei)
{
	switch (r) {
	case 0:
		return 0;
	case -ETIMEDOUT:
		return errinfo_refuse(ei, RESULT_FAILED,
				      "unpacking takes longer than unpack_sec");
	case -EBADMSG:
		return errinfo_refuse(
			ei, RESULT_FAILED,
			"deployd-unpack wrote something that is not a report");
	default:
		return errinfo_set(ei, r, "cannot read what deployd-unpack says");
	}
}

static int judge(const struct report *report, int status, struct errinfo *ei)
{
	const char *name = json_string_value(json_object_get(report->result, "result"));
	const char *message =
		json_string_value(json_object_get(report->result, "message"));
	enum deploy_result result = name ? result_from_name(name) : RESULT_COUNT;

	if (result == RESULT_COUNT && status == PROGRAM_NOT_RUN)
		return errinfo_set(ei, ENOENT,
				   "cannot run " PROGRAM "; is deployd installed?");
	if (result == RESULT_COUNT || status != 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "deployd-unpack ended without a result (%s %d)",
				      status < 0 ? "signal" : "status",
				      status < 0 ? -status : status);
	return result == RESULT_OK
		       ? 0
		       : errinfo_refuse(ei, result, "%s", message ? message : "");
}

int unpacker_run(const struct unpacker *unpacker, struct errinfo *ei)
{
	static const char *const none[] = {NULL};
	int64_t deadline_ms = program_now_ms() +
			      (int64_t)unpacker->limits->unpack_sec * INT64_C(1000);
	cleanup_close int in = -1;
	struct arguments arguments;
	struct report report = {0};
	int fds[2], status, r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return errinfo_set(ei, errno, "cannot make a pipe");
	in = fds[0];
	make_arguments(unpacker, &arguments);
	pid = arguments.link_targets
		      ? program_start(&(struct program){.argv = arguments.argv,
							.environment = none,
							.in = unpacker->archive_fd,
							.out = PROGRAM_NULL,
							.err = PROGRAM_OURS,
							.report = fds[1]})
		      : -ENOMEM;
	(void)close(fds[1]);
	free(arguments.link_targets);
	if (pid < 0)
		return errinfo_set(ei, pid, "cannot start deployd-unpack");
	r = program_read(in, deadline_ms, take, &report);
	status = program_end(pid, r < 0);
	r = explain(r, ei);
	if (r == 0)
		r = judge(&report, status, ei);
	json_decref(report.result);
	return r;
}
