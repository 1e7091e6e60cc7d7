#include "util/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deploy/cleanup.h"
#include "util/fdio.h"
#include "util/json_text.h"

bool report_init(void)
{
	/*
	 * Else jansson opens /dev/urandom at the first object, which the sandbox
	 * forbids. A fixed seed will do: no key comes from outside.
	 */
	json_object_seed(1);
	return fcntl(REPORT_FD, F_GETFD) >= 0;
}

bool report_progress_due(int64_t *last_ns)
{
	struct timespec now;
	int64_t now_ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	if (*last_ns != 0 && now_ns - *last_ns < REPORT_PROGRESS_NSEC)
		return false;
	*last_ns = now_ns;
	return true;
}

/* One write for the line and its newline: a reader never sees half a line of ours. */
static int write_line(json_t *object)
{
	cleanup_free char *text = json_dumps(object, JSON_COMPACT);
	size_t length;

	if (!text)
		return -ENOMEM;
	length = strlen(text);
	text[length] = '\n'; /* in place of the NUL */
	return fd_write_all(REPORT_FD, text, length + 1);
}

void report_progress(json_t *fields)
{
	cleanup_json json_t *line = json_pack("{s:s}", "type", "progress");

	if (!line || !fields)
		json_decref(fields);
	else if (json_object_update_new(line, fields) == 0)
		(void)write_line(line);
}

int report_result(enum deploy_result result, const char *message, json_t *fields)
{
	cleanup_json json_t *line = NULL;

	line = json_pack("{s:s, s:s, s:o}", "type", "result", "result",
			 result_name(result), "message", json_text(message));
	if (!line) {
		json_decref(fields);
		return 1;
	}
	if (fields && json_object_update_new(line, fields) < 0)
		return 1;
	return write_line(line) == 0 ? 0 : 1;
}

int report_failure(const struct errinfo *ei)
{
	return report_result(ei->result, ei->what, NULL);
}
