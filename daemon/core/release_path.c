#include "core/release_path.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Of a file's name, as people write them without quotes. */
static bool is_name_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || (byte != '\0' && strchr("._-", byte)) ||
	       (unsigned char)byte >= 0x80;
}

/* What may precede a path that goes on here: "~", "$HOME", "${DIR}", "$(pwd)". */
static bool is_path_byte(char byte)
{
	return is_name_byte(byte) || (byte != '\0' && strchr("/~$})@", byte));
}

/*
 * A path begins here: nothing is in front of it but slashes (as in a URL), or an option
 * of one letter or more that takes it without a blank ("-I").
 */
static bool begins(const char *text, const char *at)
{
	const char *before = at;
	size_t slashes;

	while (before > text && is_path_byte(before[-1]))
		before--;
	slashes = strspn(before, "/");
	if (before + slashes >= at)
		return true;
	if (*before != '-')
		return false;
	for (const char *p = before; p < at; p++)
		if (strchr("/~$})@", *p))
			return false;
	return true;
}

static const char *find(const struct release_path *paths, const char *text,
			const char *from)
{
	const size_t length = strlen(paths->current);

	for (const char *p = from; (p = strstr(p, paths->current)); p++)
		if (!is_name_byte(p[length]) && begins(text, p))
			return p;
	return NULL;
}

char *release_path_rewrite(const struct release_path *paths, const char *text)
{
	const size_t old = strlen(paths->current), new = strlen(paths->release);
	const char *from = text, *at;
	size_t n = 0;
	char *result, *out;

	for (at = text; (at = find(paths, text, at)); at += old)
		n++;
	result = malloc(strlen(text) + n * new + 1);
	if (!result)
		return NULL;
	out = result;
	while ((at = find(paths, text, from))) {
		memcpy(out, from, (size_t)(at - from));
		out += at - from;
		memcpy(out, paths->release, new);
		out += new;
		from = at + old;
	}
	memcpy(out, from, strlen(from) + 1);
	return result;
}
