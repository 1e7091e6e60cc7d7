#include "util/entryname.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static const char *const verdict_texts[] = {
	[ENTRYNAME_OK] = "is fine",
	[ENTRYNAME_EMPTY] = "is empty",
	[ENTRYNAME_ABSOLUTE] = "is absolute; pack with `tar -C DIRECTORY .`",
	[ENTRYNAME_PARENT] = "leads out of the release with '..'; pack with `tar -C "
			     "DIRECTORY .`",
	[ENTRYNAME_CONTROL] = "holds a control character",
	[ENTRYNAME_COMPONENT_TOO_LONG] = "has a part of more than 255 bytes",
	[ENTRYNAME_TOO_LONG] = "is longer than 3839 bytes",
	[ENTRYNAME_TOO_DEEP] = "is nested too deep (max_depth)",
	[ENTRYNAME_RESERVED] = "is reserved for deployd",
	[ENTRYNAME_NOT_ALLOWED] = "is absolute and not below one of link_targets; add "
				  "its directory to that option of the app's file, or "
				  "make the link relative",
	[ENTRYNAME_LEAVES] = "leads out of the release with '..'; make it absolute, "
			     "and allow its directory with link_targets in the app's "
			     "file",
	[ENTRYNAME_PARENT_OF_LINK] = "has a '..' behind what is no directory of the "
				     "release",
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

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	while (length > 0 && top[length - 1] == '/')
		length--;
	return strncmp(path, top, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* No "..": what is a link up there is not for us to know. */
static enum entryname_verdict check_absolute(const char *target,
					     const char *const *allowed)
{
	const char *at = target, *part;
	size_t length;

	while ((part = next_component(&at, &length))) {
		if (is_dotdot(part, length))
			return ENTRYNAME_NOT_ALLOWED;
	}
	for (; allowed && *allowed; allowed++) {
		if (is_below(target, *allowed))
			return ENTRYNAME_OK;
	}
	return ENTRYNAME_NOT_ALLOWED;
}

/* The last component of *length bytes goes. */
static void go_up(char *path, size_t *length)
{
	while (*length > 0 && path[*length - 1] != '/')
		(*length)--;
	if (*length > 0)
		(*length)--;
	path[*length] = '\0';
}

static bool go_down(char *path, size_t *used, const char *part, size_t length)
{
	if (*used + 1 + length >= ENTRYNAME_PATH_SIZE)
		return false;
	if (*used > 0)
		path[(*used)++] = '/';
	memcpy(path + *used, part, length);
	*used += length;
	path[*used] = '\0';
	return true;
}

/* Goes the way of a relative target from the directory at, which has length bytes. */
static enum entryname_verdict follow(char *at, size_t length, const char *target,
				     const struct entryname_links *links)
{
	size_t part_length;
	const char *part;
	bool named = false; /* at was reached by a name of the target */

	while ((part = next_component(&target, &part_length))) {
		if (is_dot(part, part_length))
			continue;
		if (!is_dotdot(part, part_length)) {
			if (part_length > ENTRYNAME_COMPONENT_MAX)
				return ENTRYNAME_COMPONENT_TOO_LONG;
			if (!go_down(at, &length, part, part_length))
				return ENTRYNAME_TOO_LONG;
			named = true;
			continue;
		}
		if (length == 0)
			return ENTRYNAME_LEAVES;
		/* A directory lies in directories: what is above needs no look. */
		if (named && links->is_dir && !links->is_dir(at, links->userdata))
			return ENTRYNAME_PARENT_OF_LINK;
		go_up(at, &length);
		named = false;
	}
	return ENTRYNAME_OK;
}

enum entryname_verdict entryname_link_target(const char *path, const char *target,
					     const struct entryname_links *links)
{
	enum entryname_verdict verdict = check_whole(target);
	char at[ENTRYNAME_PATH_SIZE];
	size_t length = strlen(path);

	if (verdict == ENTRYNAME_ABSOLUTE && !holds_control(target) &&
	    strlen(target) <= ENTRYNAME_PATH_MAX)
		return check_absolute(target, links->allowed);
	if (verdict != ENTRYNAME_OK)
		return verdict;
	if (strlen(target) > ENTRYNAME_PATH_MAX || length > ENTRYNAME_PATH_MAX)
		return ENTRYNAME_TOO_LONG;
	memcpy(at, path, length + 1);
	go_up(at, &length);
	return follow(at, length, target, links);
}
