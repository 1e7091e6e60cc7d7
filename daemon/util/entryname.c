#include "util/entryname.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static const char *const verdict_texts[] = {
	[ENTRYNAME_OK] = "is fine",
	[ENTRYNAME_EMPTY] = "is empty",
	[ENTRYNAME_ABSOLUTE] = "is absolute",
	[ENTRYNAME_PARENT] = "leads out of the release with '..'",
	[ENTRYNAME_CONTROL] = "holds a control character",
	[ENTRYNAME_COMPONENT_TOO_LONG] = "has a part of more than 255 bytes",
	[ENTRYNAME_TOO_LONG] = "is longer than 3839 bytes",
	[ENTRYNAME_TOO_DEEP] = "is nested too deep",
	[ENTRYNAME_RESERVED] = "is reserved for deployd",
	[ENTRYNAME_PARENT_AFTER_NAME] = "has a '..' after a name",
};
_Static_assert(sizeof(verdict_texts) / sizeof(*verdict_texts) ==
		       ENTRYNAME_VERDICT_COUNT,
	       "a text for every verdict");

const char *entryname_verdict_text(enum entryname_verdict verdict)
{
	assert(verdict < ENTRYNAME_VERDICT_COUNT);
	return verdict_texts[verdict];
}

static bool holds_control(const char *text)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return true;
	}
	return false;
}

/* The component at *at, its length in *ret_length; moves *at behind it. */
static const char *next_component(const char **at, size_t *ret_length)
{
	const char *start = *at + strspn(*at, "/");

	*ret_length = strcspn(start, "/");
	*at = start + *ret_length;
	return *ret_length > 0 ? start : NULL;
}

static bool is_dot(const char *part, size_t length)
{
	return length == 1 && part[0] == '.';
}

static bool is_dotdot(const char *part, size_t length)
{
	return length == 2 && part[0] == '.' && part[1] == '.';
}

static enum entryname_verdict check_whole(const char *text)
{
	if (text[0] == '\0')
		return ENTRYNAME_EMPTY;
	if (text[0] == '/')
		return ENTRYNAME_ABSOLUTE;
	if (holds_control(text))
		return ENTRYNAME_CONTROL;
	return ENTRYNAME_OK;
}

enum entryname_verdict entryname_canonical(const char *name, size_t max_depth,
					   char ret_path[ENTRYNAME_PATH_SIZE])
{
	enum entryname_verdict verdict = check_whole(name);
	size_t length, used = 0, depth = 0;
	const char *part;

	if (verdict != ENTRYNAME_OK)
		return verdict;
	while ((part = next_component(&name, &length))) {
		if (is_dot(part, length))
			continue;
		if (is_dotdot(part, length))
			return ENTRYNAME_PARENT;
		if (length > ENTRYNAME_COMPONENT_MAX)
			return ENTRYNAME_COMPONENT_TOO_LONG;
		if (used == 0 && strncmp(part, ".deployd", strlen(".deployd")) == 0)
			return ENTRYNAME_RESERVED;
		if (++depth > max_depth)
			return ENTRYNAME_TOO_DEEP;
		if (used + (used > 0) + length > ENTRYNAME_PATH_MAX)
			return ENTRYNAME_TOO_LONG;
		if (used > 0)
			ret_path[used++] = '/';
		memcpy(ret_path + used, part, length);
		used += length;
	}
	ret_path[used] = '\0';
	return ENTRYNAME_OK;
}

enum entryname_verdict entryname_link_target(const char *path, const char *target)
{
	enum entryname_verdict verdict = check_whole(target);
	size_t length, above = 0;
	const char *part;
	bool named = false;

	if (verdict != ENTRYNAME_OK)
		return verdict;
	if (strlen(target) > ENTRYNAME_PATH_MAX)
		return ENTRYNAME_TOO_LONG;
	for (const char *p = path; *p; p++)
		above += *p == '/';
	while ((part = next_component(&target, &length))) {
		if (is_dot(part, length))
			continue;
		if (is_dotdot(part, length)) {
			if (named)
				return ENTRYNAME_PARENT_AFTER_NAME;
			if (above-- == 0)
				return ENTRYNAME_PARENT;
		} else if (length > ENTRYNAME_COMPONENT_MAX) {
			return ENTRYNAME_COMPONENT_TOO_LONG;
		} else {
			named = true;
		}
	}
	return ENTRYNAME_OK;
}
