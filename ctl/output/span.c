#include "output/span.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "deploy/names.h"

static const struct {
	const char *name;
	int64_t sec;
} units[] = {{"s", 1},	    {"sec", 1},	     {"m", 60},	   {"min", 60},
	     {"h", 3600},   {"hr", 3600},    {"d", 86400}, {"day", 86400},
	     {"w", 604800}, {"week", 604800}};

static int64_t unit_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strlen(units[i].name) == length &&
		    strncmp(units[i].name, name, length) == 0)
			return units[i].sec;
	return 0;
}

bool span_parse(const char *text, int64_t *ret_sec)
{
	int64_t sum = 0;

	if (*text == '\0')
		return false;
	while (*text) {
		int64_t number = 0, unit;
		size_t length;

		if (!isdigit((unsigned char)*text))
			return false;
		for (; isdigit((unsigned char)*text); text++) {
			number = number * 10 + (*text - '0');
			if (number > SPAN_SEC_MAX)
				return false;
		}
		length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		unit = length == 0 && *text == '\0' ? 1 : unit_of(text, length);
		sum += number * unit;
		if (unit == 0 || sum > SPAN_SEC_MAX)
			return false;
		text += length;
	}
	*ret_sec = sum;
	return sum > 0;
}

bool span_parse_end(const char *text, int64_t now_sec, int64_t *ret_sec)
{
	int64_t sec;

	if (span_parse(text, &sec)) {
		*ret_sec = now_sec + sec;
		return true;
	}
	sec = names_rfc3339_parse(text);
	if (sec > 0)
		*ret_sec = sec;
	return sec > 0;
}
