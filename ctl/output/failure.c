#include "output/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "output/json_out.h"
#include "output/terminal.h"

static void print_lines(const json_t *lines, const char *indent)
{
	for (size_t i = 0; i < json_array_size(lines); i++) {
		(void)fputs(indent, stderr);
		terminal_put(stderr, json_string_value(json_array_get(lines, i)));
		(void)fputc('\n', stderr);
	}
}

/* What a check wrote, a line at a time: a newline of its own is no escape. */
static void print_check(const char *text)
{
	if (!text || !*text)
		return;
	(void)fputs("The check said:\n", stderr);
	while (*text) {
		size_t length = strcspn(text, "\n");
		cleanup_free char *line = strndup(text, length);

		(void)fputs("  ", stderr);
		terminal_put(stderr, line);
		(void)fputc('\n', stderr);
		text += length;
		text += *text == '\n';
	}
}

void failure_print(const json_t *parameters)
{
	const json_t *log = json_object_get(parameters, "unit_log");
	const char *message = json_out_text(parameters, "message");

	print_lines(json_object_get(parameters, "messages"), "");
	terminal_error("%s", message ? message : "failed");
	print_check(json_out_text(parameters, "check_output"));
	if (json_array_size(log) > 0)
		(void)fputs("The unit's last lines in the journal:\n", stderr);
	print_lines(log, "  ");
}

int failure_show(const struct options *options, enum deploy_result result,
		 const json_t *parameters)
{
	int status = result_exit_status(result);
	json_t *object;

	failure_print(parameters);
	if (options->json == JSON_MODE_OFF)
		return status;
	object = json_pack("{s:i, s:s, s:s, s:i}", "schema", JSON_SCHEMA, "type",
			   "result", "result", result_name(result), "exit", status);
	if (object &&
	    json_object_update_missing(object, (json_t *)(uintptr_t)parameters) == 0)
		json_out_print(object, options->json);
	json_decref(object);
	return status;
}

int failure_tell(const struct options *options, enum deploy_result result,
		 const char *fmt, ...)
{
	char text[1024];
	cleanup_free char *clean = NULL;
	json_t *parameters;
	va_list ap;
	int status;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean = terminal_clean(text); /* a file's name need not be UTF-8 */
	parameters = json_pack("{s:s}", "message", clean);
	status = failure_show(options, result, parameters);
	json_decref(parameters);
	return status;
}
