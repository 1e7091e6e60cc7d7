#include "span.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
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

/* Two units say enough: of what took hours, nobody asks for the seconds. */
const char *span_format_ms(int64_t ms, char ret_text[SPAN_TEXT_SIZE])
{
	static const struct {
		int64_t sec;
		const char *name;
	} big[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	int64_t sec = ms / 1000;
	int n;

	if (ms < 1000) {
		(void)snprintf(ret_text, SPAN_TEXT_SIZE, "%lld ms",
			       (long long)(ms < 0 ? 0 : ms));
		return ret_text;
	}
	if (sec < 60) {
		int64_t tenths = sec < 10 ? ms % 1000 / 100 : 0;

		(void)snprintf(ret_text, SPAN_TEXT_SIZE,
			       tenths > 0 ? "%lld.%lld s" : "%lld s", (long long)sec,
			       (long long)tenths);
		return ret_text;
	}
	for (size_t i = 0; i < sizeof(big) / sizeof(*big); i++) {
		int64_t rest = sec % big[i].sec;

		if (sec < big[i].sec)
			continue;
		n = snprintf(ret_text, SPAN_TEXT_SIZE, "%lld%s",
			     (long long)(sec / big[i].sec), big[i].name);
		if (i + 1 < sizeof(big) / sizeof(*big) && rest >= big[i + 1].sec)
			(void)snprintf(ret_text + n, SPAN_TEXT_SIZE - (size_t)n,
				       " %lld%s", (long long)(rest / big[i + 1].sec),
				       big[i + 1].name);
		break;
	}
	return ret_text;
}
