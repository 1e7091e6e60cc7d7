#include "setup/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "build_config.h"
#include "deploy/cleanup.h"
#include "process/program.h"
#include "util/report.h"

#define STORE_PROGRAM DEPLOYD_LIBEXECDIR "/deployd-store"

/* The request as a file at its start. */
static int open_request(json_t *request)
{
	cleanup_free char *text = json_dumps(request, JSON_COMPACT);

	json_decref(request);
	return text ? program_input(text) : -ENOMEM;
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
	static const char *const argv[] = {STORE_PROGRAM, NULL}, *const none[] = {NULL};
	cleanup_close int in = open_request(request), out = -1;
	cleanup_free char *text = NULL;
	int fds[2], status, r;
	pid_t pid;

	if (in < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return errinfo_set(ei, in < 0 ? in : errno, "cannot ask deployd-store");
	out = fds[0];
	pid = program_start(&(struct program){.argv = argv,
					      .environment = none,
					      .in = in,
					      .out = PROGRAM_NULL,
					      .err = PROGRAM_OURS,
					      .report = fds[1]});
	(void)close(fds[1]);
	if (pid < 0)
		return errinfo_set(ei, pid, "cannot run deployd-store");
	r = program_read_text(out, program_now_ms() + timeout_sec * INT64_C(1000),
			      REPORT_STORE_MAX, &text);
	status = program_end(pid, r < 0);
	if (r < 0)
		return errinfo_set(ei, r,
				   r == -ETIMEDOUT
					   ? "deployd-store does not end"
					   : "cannot read what deployd-store says");
	if (status == PROGRAM_NOT_RUN)
		return errinfo_set(ei, ENOENT, "cannot run " STORE_PROGRAM);
	return take_report(text, ret_reply, ei);
}
