#include "probe/status.h"

#include <string.h>

static const char *read_code(const char *at, long *ret_code)
{
	long code = 0;

	for (int i = 0; i < 3; i++, at++) {
		if (*at < '0' || *at > '9')
			return NULL;
		code = code * 10 + (*at - '0');
	}
	if (code < HEALTH_STATUS_MIN || code > HEALTH_STATUS_MAX)
		return NULL;
	*ret_code = code;
	return at;
}

static void add(struct status_set *set, long code)
{
	const long bit = code - HEALTH_STATUS_MIN;

	set->bits[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

bool status_parse(const char *text, struct status_set *ret_set)
{
	struct status_set set = {{0}};
	const char *at = text;
	long first, last;

	if (strnlen(text, HEALTH_STATUS_TEXT_MAX + 1) > HEALTH_STATUS_TEXT_MAX)
		return false;
	for (;;) {
		at = read_code(at, &first);
		if (!at)
			return false;
		last = first;
		if (*at == '-') {
			at = read_code(at + 1, &last);
			if (!at || last < first)
				return false;
		}
		for (long code = first; code <= last; code++)
			add(&set, code);
		if (*at == '\0')
			break;
		if (*at++ != ',')
			return false;
	}
	*ret_set = set;
	return true;
}

bool status_in(const struct status_set *set, long code)
{
	const long bit = code - HEALTH_STATUS_MIN;

	if (code < HEALTH_STATUS_MIN || code > HEALTH_STATUS_MAX)
		return false;
	return set->bits[bit / 8] & (1u << (bit % 8));
}
