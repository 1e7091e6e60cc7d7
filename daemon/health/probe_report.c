#include "health/probe_report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/service_result.h"
#include "deploy/cleanup.h"

#define PROBE_EXIT_FAILED 1 /* "failed" is its own word for it; 2 = wrong options */
#define PROBE_EXIT_USAGE  2

/* The line, and nothing else; NULL when it is not one of the probe's. */
static json_t *read_line(const struct capture_outcome *outcome)
{
	const char *newline = memchr(outcome->text, '\n', outcome->length);
	cleanup_json json_t *line = NULL;
	const char *type, *result;

	if (outcome->truncated || !newline ||
	    newline + 1 != outcome->text + outcome->length)
		return NULL;
	line = json_loadb(outcome->text, outcome->length, JSON_REJECT_DUPLICATES, NULL);
	type = json_string_value(json_object_get(line, "type"));
	result = json_string_value(json_object_get(line, "result"));
	if (!type || strcmp(type, "result") != 0 || !result)
		return NULL;
	return json_incref(line);
}

bool probe_report_is_ok(const json_t *report)
{
	const char *result = json_string_value(json_object_get(report, "result"));

	return result && strcmp(result, "ok") == 0;
}

int probe_report_read(const struct capture_outcome *outcome, const char *program,
		      json_t **ret_report, struct errinfo *ei)
{
	const struct transient_outcome *unit = outcome->unit;
	cleanup_json json_t *line = NULL;
	bool as_said = false;
	char words[128];

	if (unit->error.result != RESULT_OK) {
		*ei = unit->error;
		return -EINVAL;
	}
	line = read_line(outcome);
	if (line && unit->code == CLD_EXITED)
		as_said = probe_report_is_ok(line)
				  ? unit->status == 0
				  : unit->status == PROBE_EXIT_FAILED ||
					    unit->status == PROBE_EXIT_USAGE;
	if (as_said) {
		*ret_report = json_incref(line);
		return 0;
	}
	service_result_end(unit->code, unit->status, words, sizeof(words));
	return errinfo_refuse(ei, RESULT_FAILED, "%s %s%s%s %s", program, words,
			      strcmp(unit->result, "oom-kill") == 0 ? " (oom-kill)"
								    : "",
			      ",", line ? "but said otherwise" : "without a report");
}

void probe_report_text(const json_t *report, const char *name, char *ret_text,
		       size_t size)
{
	const char *text = json_string_value(json_object_get(report, name));
	size_t n;

	/* jansson has seen to valid UTF-8, the probe has escaped what it quotes. */
	(void)snprintf(ret_text, size, "%s", text ? text : "");
	n = strlen(ret_text);
	/* Not half a character at the end. */
	if (text && text[n] != '\0')
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			ret_text[--n] = '\0';
	for (unsigned char *p = (unsigned char *)ret_text; *p; p++) {
		/* C1: two bytes, and neither is a character without the other. */
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[1] = *p = '?';
		else if (*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}
