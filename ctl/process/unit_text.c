#include "process/unit_text.h"

#include <stdio.h>
#include <string.h>

static void copy(const char *from, size_t length, char *ret_text, size_t size)
{
	if (length >= size)
		length = size - 1;
	memcpy(ret_text, from, length);
	ret_text[length] = '\0';
}

bool unit_text_value(const char *show, const char *name, unsigned int n,
		     char *ret_value, size_t size)
{
	size_t length = strlen(name);

	ret_value[0] = '\0';
	for (const char *line = show; *line; line += *line == '\n') {
		size_t end = strcspn(line, "\n");

		if (end > length && strncmp(line, name, length) == 0 &&
		    line[length] == '=' && n-- == 0) {
			copy(line + length + 1, end - length - 1, ret_value, size);
			return true;
		}
		line += end;
	}
	return false;
}

bool unit_text_is(const char *show, const char *name, const char *value)
{
	char text[UNIT_TEXT_MAX];

	return unit_text_value(show, name, 0, text, sizeof(text)) &&
	       strcmp(text, value) == 0;
}

void unit_text_setting(const char *files, const char *name, char *ret_value,
		       size_t size)
{
	size_t length = strlen(name);
	bool in_service = false;

	ret_value[0] = '\0';
	for (const char *line = files; *line; line += *line == '\n') {
		size_t end = strcspn(line, "\n"), skip = strspn(line, " \t");

		if (line[0] == '[')
			in_service = strncmp(line, "[Service]", 9) == 0;
		if (in_service && end > skip + length &&
		    strncmp(line + skip, name, length) == 0) {
			const char *p = line + skip + length;

			p += strspn(p, " \t");
			if (*p == '=') {
				p++;
				p += strspn(p, " \t");
				copy(p, end - (size_t)(p - line), ret_value, size);
			}
		}
		line += end;
	}
}

/* "path=/bin/x ; argv[]=..." */
static bool field(const char *value, const char *name, char *ret_text, size_t size)
{
	const char *begin = strstr(value, name), *end;

	if (!begin)
		return false;
	begin += strlen(name);
	end = strstr(begin, " ; ");
	copy(begin, end ? (size_t)(end - begin) : strlen(begin), ret_text, size);
	return true;
}

bool unit_text_command(const char *value, struct unit_command *ret_command)
{
	char flags[256];
	const char *after;

	if (!field(value, "path=", ret_command->path, sizeof(ret_command->path)) ||
	    !field(value, "argv[]=", ret_command->argv, sizeof(ret_command->argv)))
		return false;
	/* An argument may look like the field: the last one is systemd's. */
	flags[0] = '\0';
	for (after = strstr(value, "flags="); after;
	     after = strstr(after + 1, "flags="))
		(void)field(after, "flags=", flags, sizeof(flags));
	ret_command->as_root = strstr(flags, "privileged") ||
			       strstr(flags, "no-setuid") || strstr(flags, "ambient");
	return true;
}
