/*
 * Why a release is bad, as the deploy saw it: for people to read, so it is cut rather
 * than refused. The newest journal lines and the end of a check's output say the most.
 */
#include "store/evidence.h"

#include <stdbool.h>
#include <string.h>

#define REASON_MAX	1024 /* as JSON text, as all here */
#define UNIT_RESULT_MAX 128
#define CHECK_MAX	4096
#define LINE_MAX_BYTES	2048
#define JOURNAL_MAX                                                                    \
	(EVIDENCE_BYTES_MAX - REASON_MAX - UNIT_RESULT_MAX - CHECK_MAX - 256)

static size_t json_size(const json_t *value)
{
	return json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The last bytes of the text, or the first; what is no text becomes null. */
static json_t *cut(const json_t *value, size_t max, bool keep_end)
{
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);
	json_t *part;

	if (!text)
		return json_null();
	part = json_stringn(text, length);
	while (part && json_size(part) > max) {
		size_t excess = (json_size(part) - max) / 6 + 1, skip = 0;

		json_decref(part);
		if (excess > length)
			excess = length;
		if (keep_end)
			for (skip = excess; skip < length && continues(text[skip]);)
				skip++;
		length -= keep_end ? skip : excess;
		text += skip;
		while (!keep_end && length > 0 && continues(text[length]))
			length--;
		part = json_stringn(text, length);
	}
	return part;
}

static json_t *newest_lines(const json_t *journal)
{
	json_t *lines = json_array();
	size_t room = JOURNAL_MAX, i = json_array_size(journal);

	while (lines && i-- > 0) {
		json_t *line = cut(json_array_get(journal, i), LINE_MAX_BYTES, false);
		size_t size = line ? json_size(line) + 1 : 0;

		if (!json_is_string(line) || size > room) {
			json_decref(line);
			break;
		}
		room -= size;
		(void)json_array_insert_new(lines, 0, line);
	}
	return lines;
}

json_t *evidence_bounded(const json_t *evidence)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o}", "reason",
		cut(json_object_get(evidence, "reason"), REASON_MAX, false),
		"unit_result",
		cut(json_object_get(evidence, "unit_result"), UNIT_RESULT_MAX, false),
		"check_output",
		cut(json_object_get(evidence, "check_output"), CHECK_MAX, true),
		"journal", newest_lines(json_object_get(evidence, "journal")));
}
