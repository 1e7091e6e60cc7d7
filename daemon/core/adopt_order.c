#include "core/adopt_order.h"

#include <stdio.h>
#include <string.h>

#define DIGITS 14
/* Time zones are up to 14 hours away from UTC, and unpacking takes its time. */
#define ZONE_SEC_MAX ((int64_t)15 * 3600)

static void stamp_of(const char *id, char ret_stamp[DIGITS + 1])
{
	size_t n = 0;

	for (; *id && n < DIGITS; id++)
		if (*id >= '0' && *id <= '9')
			ret_stamp[n++] = *id;
	ret_stamp[n] = '\0';
}

int adopt_compare(const char *a, const char *b)
{
	char x[DIGITS + 1], y[DIGITS + 1];
	int order;

	stamp_of(a, x);
	stamp_of(b, y);
	order = strcmp(x, y);
	return order != 0 ? order : strcmp(a, b);
}

int64_t adopt_deployed_at(const char *id, int64_t mtime_sec)
{
	char s[DIGITS + 1], text[RFC3339_SIZE];
	int64_t named_sec;

	stamp_of(id, s);
	(void)snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s, s + 4,
		       s + 6, s + 8, s + 10, s + 12);
	named_sec = strlen(s) == DIGITS ? names_rfc3339_parse(text) : 0;
	if (named_sec == 0 || (mtime_sec - named_sec <= ZONE_SEC_MAX &&
			       named_sec - mtime_sec <= ZONE_SEC_MAX))
		return mtime_sec;
	return named_sec;
}
