#include "util/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "util/json_text.h"

void finding_pass(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	finding->passed = true;
	va_start(ap, fmt);
	(void)vsnprintf(finding->message, sizeof(finding->message), fmt, ap);
	va_end(ap);
}

void finding_fail(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	finding->passed = false;
	va_start(ap, fmt);
	(void)vsnprintf(finding->message, sizeof(finding->message), fmt, ap);
	va_end(ap);
}

void finding_excerpt(struct finding *finding, const char *body, size_t length)
{
	char text[FINDING_EXCERPT_MAX + 1];
	size_t kept = length < FINDING_EXCERPT_MAX ? length : FINDING_EXCERPT_MAX;
	char *out = finding->excerpt;
	size_t left = sizeof(finding->excerpt);

	while (kept > 0 && (body[kept - 1] == '\n' || body[kept - 1] == '\r'))
		kept--;
	if (kept > 0)
		memcpy(text, body, kept);
	text[kept] = '\0';
	finding->excerpt[0] = '\0';
	for (size_t at = 0; at < kept;) {
		const size_t n = strlen(text + at);

		/* Room for all: four bytes for each of the body's. */
		(void)names_escape(text + at, out, left);
		at += n;
		left -= strlen(out);
		out += strlen(out);
		if (at < kept) {
			(void)snprintf(out, left, "\\x00");
			at++;
			left -= 4;
			out += 4;
		}
	}
}

static json_t *to_json(struct finding *finding)
{
	json_t *line = json_pack("{s:s, s:s, s:o}", "type", "result", "result",
				 finding->passed ? "ok" : "failed", "message",
				 json_text(finding->message));
	int r = 0;

	if (line && finding->status != 0) {
		r |= json_object_set_new(line, "status", json_integer(finding->status));
		r |= json_object_set_new(line, "excerpt", json_text(finding->excerpt));
	}
	if (line && finding->took_ms >= 0)
		r |= json_object_set_new(line, "took_ms",
					 json_integer(finding->took_ms));
	if (line && finding->processes) {
		r |= json_object_set(line, "processes", finding->processes);
		r |= json_object_set_new(line, "truncated",
					 json_boolean(finding->truncated));
		r |= json_object_set_new(line, "unit_truncated",
					 json_boolean(finding->unit_truncated));
	}
	if (r == 0)
		return line;
	json_decref(line);
	return NULL;
}

static size_t size_of(const json_t *json)
{
	return json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* From the first process that no longer fits on, all are left out. */
static void shorten(struct finding *finding, json_t *processes, size_t room)
{
	size_t used = 0, kept = 0;

	for (; kept < json_array_size(processes); kept++) {
		used += size_of(json_array_get(processes, kept)) + strlen(",");
		if (used > room)
			break;
	}
	while (json_array_size(processes) > kept) {
		const size_t last = json_array_size(processes) - 1;
		const json_t *process = json_array_get(processes, last);

		finding->truncated = true;
		finding->unit_truncated |=
			json_is_true(json_object_get(process, "unit"));
		(void)json_array_remove(processes, last);
	}
}

char *finding_line(struct finding *finding, size_t *ret_length)
{
	cleanup_json json_t *processes = steal_ptr(&finding->processes);
	cleanup_json json_t *line = NULL;
	char *text;
	size_t length;

	if (processes)
		/* The rest of the line is far less than 8 KiB. */
		shorten(finding, processes, FINDING_OUTPUT_MAX - 8192);
	finding->processes = processes;
	line = to_json(finding);
	finding->processes = NULL;
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	if (!text)
		return NULL;
	length = strlen(text);
	text[length] = '\n'; /* in place of the NUL */
	*ret_length = length + 1;
	return text;
}
