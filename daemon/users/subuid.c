#include "users/subuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES_MAX 32

/* The number between begin and end, as strtoul(3) reads one, but never negative. */
static bool parse_number(const char *begin, const char *end, uint64_t *ret)
{
	char text[NUMBER_BYTES_MAX + 1], *rest;
	size_t length = (size_t)(end - begin);

	if (length == 0 || length > NUMBER_BYTES_MAX || memchr(begin, '-', length))
		return false;
	memcpy(text, begin, length);
	text[length] = '\0';
	errno = 0;
	*ret = strtoull(text, &rest, 0);
	return errno == 0 && rest == text + length;
}

/* NULL: the range is filled in; else why the line is malformed. */
static const char *parse_line(const char *line, size_t length,
			      struct subuid_range *range)
{
	const char *end = line + length, *first, *count;
	uint64_t first_uid, n;

	if (memchr(line, '\0', length))
		return "it contains a NUL";
	first = memchr(line, ':', length);
	count = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
	if (!count || memchr(count + 1, ':', (size_t)(end - count - 1)))
		return "it is not OWNER:FIRST:COUNT";
	if (first == line || first - line > SUBUID_OWNER_MAX)
		return "its owner is neither a user name nor a uid";
	if (!parse_number(first + 1, count, &first_uid) || first_uid >= UINT32_MAX)
		return "its first uid is not a uid";
	if (!parse_number(count + 1, end, &n) || n == 0)
		return "its count is not a number of at least 1";
	memcpy(range->owner, line, (size_t)(first - line));
	range->owner[first - line] = '\0';
	range->first = (uint32_t)first_uid;
	/* There are no uids beyond: the kernel maps those that exist. */
	range->count = n > UINT32_MAX - first_uid ? (uint32_t)(UINT32_MAX - first_uid)
						  : (uint32_t)n;
	return NULL;
}

void subuid_parse(const char *text, size_t length, const struct subuid_reader *reader)
{
	const char *end = text + length;
	struct subuid_range range = {0};

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((newline ? newline : end) - text);
		const char *why = NULL;

		range.line++;
		if (n > 0 && *text != '#') {
			why = parse_line(text, n, &range);
			if (why)
				reader->on_fault(range.line, why, reader->userdata);
			else
				reader->on_range(&range, reader->userdata);
		}
		text = newline ? newline + 1 : end;
	}
}
