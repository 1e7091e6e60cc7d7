/* What a value of each type looks like, and its number. */
#include <stdio.h>
#include <string.h>

#include "deploy/names.h"
#include "option.h"
#include "option_net.h"

static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";

/* Is c in one of the sets? NUL never is. */
static bool is_of(char c, const char *more)
{
	return c != '\0' && (strchr(lower, c) || strchr(upper, c) ||
			     strchr(digits, c) || strchr(more, c));
}

static bool all_of(const char *text, const char *more)
{
	while (is_of(*text, more))
		text++;
	return *text == '\0';
}

static bool has_blank(const char *text)
{
	return strpbrk(text, " \t") != NULL;
}

/* Parts between slashes: none empty, none "." or "..". */
static bool parts_valid(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (n == 0 || n > 255 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[n] == '\0')
			return true;
		path += n + 1;
	}
}

bool option_path_valid(const char *path)
{
	return path[0] == '/' && strlen(path) < 4096 &&
	       (path[1] == '\0' || parts_valid(path + 1));
}

bool option_relative_valid(const char *path)
{
	return strlen(path) < 4096 && parts_valid(path);
}

static bool component_valid(const char *text)
{
	return is_of(text[0], "_") && strlen(text) <= APP_NAME_MAX &&
	       all_of(text, "_.-");
}

static bool service_valid(const char *text)
{
	char unit[UNIT_NAME_MAX + 1];
	int n = snprintf(unit, sizeof(unit), "%s.service", text);

	/* "x@" alone is a template, which cannot run. */
	return n > 0 && (size_t)n < sizeof(unit) && names_unit_valid(unit) &&
	       !strstr(unit, "@.service");
}

static bool unit_valid(const char *text)
{
	static const char *const suffixes[] = {
		".service", ".socket", ".target", ".mount", ".automount", ".swap",
		".timer",   ".path",   ".device", ".slice", ".scope"};
	const char *dot = strrchr(text, '.');

	if (!dot || dot == text || strlen(text) > UNIT_NAME_MAX ||
	    !all_of(text, ":-_.\\@"))
		return false;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (strcmp(dot, suffixes[i]) == 0)
			return true;
	return false;
}

static bool env_var_valid(const char *text)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || strchr(digits, text[0]))
		return false;
	for (const char *p = text; p < equals; p++)
		if (!is_of(*p, "_"))
			return false;
	return true;
}

static bool exec_valid(const char *text)
{
	return text[strspn(text, "@-:+!|")] == '/';
}

/* Digits up to the end, as a number of at most max. */
static bool plain_number(const char *text, uint64_t max, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)(unsigned char)*text - '0';

		if (digit > 9 || number > (max - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*ret_number = number;
	return true;
}

static bool limit_valid(const char *text)
{
	size_t n = strcspn(text, ":");
	char soft[24];
	uint64_t number;

	if (n == 0 || n >= sizeof(soft) ||
	    (text[n] == ':' && strchr(text + n + 1, ':')))
		return false;
	memcpy(soft, text, n);
	soft[n] = '\0';
	if (strcmp(soft, "infinity") != 0 && !plain_number(soft, UINT64_MAX, &number))
		return false;
	return text[n] == '\0' || limit_valid(text + n + 1);
}

struct unit_of {
	const char *name;
	uint64_t factor;
};

/* NUMBER or NUMBER UNIT. */
static bool scaled_number(const char *text, const struct unit_of *units,
			  uint64_t *ret_number)
{
	size_t n = strspn(text, digits);
	char figures[24];
	uint64_t number;
	const char *rest = text + n;

	if (n == 0 || n >= sizeof(figures))
		return false;
	memcpy(figures, text, n);
	figures[n] = '\0';
	if (!plain_number(figures, UINT64_MAX, &number))
		return false;
	rest += strspn(rest, " ");
	for (; units->name; units++)
		if (strcmp(rest, units->name) == 0)
			return !__builtin_mul_overflow(number, units->factor,
						       ret_number);
	return false;
}

static const struct unit_of units_of_bytes[] = {
	{"", 1},
	{"K", UINT64_C(1) << 10},
	{"M", UINT64_C(1) << 20},
	{"G", UINT64_C(1) << 30},
	{"T", UINT64_C(1) << 40},
	{NULL, 0},
};
static const struct unit_of units_of_seconds[] = {
	{"", 1},     {"s", 1},	     {"sec", 1},   {"m", 60},	   {"min", 60},
	{"h", 3600}, {"hour", 3600}, {"d", 86400}, {"day", 86400}, {NULL, 0},
};
static const struct unit_of units_of_ms[] = {
	{"", 1}, {"ms", 1}, {"s", 1000}, {"sec", 1000}, {"min", 60000}, {NULL, 0},
};
static const struct unit_of units_of_sec_ms[] = {
	{"", 1000},	{"ms", 1},	{"s", 1000},	   {"sec", 1000}, {"m", 60000},
	{"min", 60000}, {"h", 3600000}, {"hour", 3600000}, {NULL, 0},
};

/* "5", "100ms", "1min 30s", "infinity". */
static bool span_valid(const char *text)
{
	static const char *const units[] = {"us", "ms",	  "s", "sec", "m", "min",
					    "h",  "hour", "d", "day", "w", "week"};

	if (strcmp(text, "infinity") == 0)
		return true;
	do {
		size_t n = strspn(text, "0123456789."), m;
		bool known = false;

		if (n == 0 || n > 18 || text[0] == '.')
			return false;
		text += n;
		text += strspn(text, " ");
		m = strspn(text, lower);
		for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
			known |= strlen(units[i]) == m &&
				 strncmp(units[i], text, m) == 0;
		if (m > 0 && !known)
			return false;
		text += m;
		text += strspn(text, " ");
	} while (*text);
	return true;
}

static bool bool_number(const char *text, uint64_t *ret_number)
{
	static const char *const words[][2] = {
		{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (uint64_t j = 0; j < 2; j++)
			if (strcmp(text, words[i][j]) == 0) {
				*ret_number = j;
				return true;
			}
	return false;
}

static bool mode_number(const char *text, uint64_t *ret_number)
{
	size_t n = strlen(text);
	uint64_t mode = 0;

	if (n < 3 || n > 4 || strspn(text, "01234567") != n ||
	    (n == 4 && text[0] != '0'))
		return false;
	for (; *text; text++)
		mode = mode * 8 + (uint64_t)(*text - '0');
	*ret_number = mode;
	return true;
}

bool option_value_number(const struct option_spec *spec, const char *text,
			 uint64_t *ret_number)
{
	switch (spec->type) {
	case OPTION_TYPE_BOOL:
		return bool_number(text, ret_number);
	case OPTION_TYPE_MODE:
		return mode_number(text, ret_number);
	case OPTION_TYPE_INT:
		return plain_number(text, UINT64_MAX, ret_number);
	case OPTION_TYPE_SECONDS:
		return scaled_number(text, units_of_seconds, ret_number);
	case OPTION_TYPE_MS:
		return scaled_number(text, units_of_ms, ret_number);
	case OPTION_TYPE_SEC_MS:
		return scaled_number(text, units_of_sec_ms, ret_number);
	case OPTION_TYPE_BYTES:
		return scaled_number(text, units_of_bytes, ret_number);
	case OPTION_TYPE_TEXT:
	case OPTION_TYPE_WORD:
	case OPTION_TYPE_COMPONENT:
	case OPTION_TYPE_APP_NAME:
	case OPTION_TYPE_SERVICE:
	case OPTION_TYPE_UNIT:
	case OPTION_TYPE_USER:
	case OPTION_TYPE_PATH:
	case OPTION_TYPE_RELATIVE:
	case OPTION_TYPE_ANY_PATH:
	case OPTION_TYPE_ENV_FILE:
	case OPTION_TYPE_ENV_VAR:
	case OPTION_TYPE_EXEC:
	case OPTION_TYPE_COMMAND:
	case OPTION_TYPE_URL:
	case OPTION_TYPE_ADDRESS:
	case OPTION_TYPE_LISTEN:
	case OPTION_TYPE_STATUS:
	case OPTION_TYPE_HEADER:
	case OPTION_TYPE_ENUM:
	case OPTION_TYPE_SPAN:
	case OPTION_TYPE_LIMIT:
	case OPTION_TYPE_COUNT:
		break;
	}
	return false;
}

static bool choice_valid(const char *choices, const char *text)
{
	size_t n = strlen(text);

	for (const char *p = choices; *p; p += strspn(p, " ")) {
		size_t m = strcspn(p, " ");

		if (m == n && strncmp(p, text, n) == 0)
			return true;
		p += m;
	}
	return false;
}

/* What a value must be; NULL: it depends on the spec. */
static const char *const wanted[OPTION_TYPE_COUNT] = {
	[OPTION_TYPE_TEXT] = "must not be empty",
	[OPTION_TYPE_WORD] = "must be one word",
	[OPTION_TYPE_COMPONENT] =
		"must be a name of letters, digits, '_', '.' and '-', "
		"at most 63 characters",
	[OPTION_TYPE_APP_NAME] =
		"must be a name of lower-case letters, digits, '_' and "
		"'-', at most 63 characters, the first not '_' or '-'",
	[OPTION_TYPE_SERVICE] = "must be the name of a service, without \".service\"",
	[OPTION_TYPE_UNIT] = "must be the name of a unit with its suffix, such as "
			     "network.target",
	[OPTION_TYPE_USER] = "must be a name of letters, digits, '_', '.' and '-', at "
			     "most 31 characters, the first a letter or '_'",
	[OPTION_TYPE_PATH] =
		"must be an absolute path without '//', '.', '..' or a '/' "
		"at the end",
	[OPTION_TYPE_RELATIVE] = "must be a relative path without '//', '.', '..' or a "
				 "'/' at the end",
	[OPTION_TYPE_ANY_PATH] =
		"must be a path without '//', '.', '..' or a '/' at the "
		"end",
	[OPTION_TYPE_ENV_FILE] = "must be an absolute path, with a '-' before it when "
				 "the file may be missing",
	[OPTION_TYPE_ENV_VAR] = "must be NAME=VALUE",
	[OPTION_TYPE_EXEC] = "must be a command with an absolute path",
	[OPTION_TYPE_COMMAND] = "must be a command that begins with an absolute path",
	[OPTION_TYPE_URL] = "must be a URL, http://HOST[:PORT]/PATH or https://..., "
			    "without blanks, user and fragment",
	[OPTION_TYPE_ADDRESS] = "must be HOST:PORT or [IPV6]:PORT",
	[OPTION_TYPE_LISTEN] =
		"must be a port, IPV4:PORT, [IPV6]:PORT or the path of a socket",
	[OPTION_TYPE_STATUS] =
		"must be a status from 100 to 599, or a range such as 200-399",
	[OPTION_TYPE_HEADER] = "must be \"Name: value\"",
	[OPTION_TYPE_BOOL] = "must be yes or no",
	[OPTION_TYPE_MODE] = "must be an octal mode of three digits, such as 750",
	[OPTION_TYPE_SPAN] = "must be a time, such as 5, 100ms or 1min 30s",
	[OPTION_TYPE_LIMIT] = "must be a number, infinity, or SOFT:HARD",
};

static bool user_valid(const char *text)
{
	return is_of(text[0], "_") && !strchr(digits, text[0]) && strlen(text) <= 31 &&
	       all_of(text, "_.-");
}

/* How often 1024 goes into a number of bytes, at most 4 (T). */
static unsigned int short_unit(const struct option_spec *spec, uint64_t number)
{
	unsigned int unit = 0;

	while (spec->type == OPTION_TYPE_BYTES && unit < 4 && number > 0 &&
	       number % 1024 == 0) {
		number /= 1024;
		unit++;
	}
	return unit;
}

static bool in_range(const struct option_spec *spec, const char *text,
		     char ret_fault[OPTION_FAULT_SIZE])
{
	static const char *const units[] = {"", "K", "M", "G", "T"};
	const char *kind = "a number";
	uint64_t number;

	if (option_value_number(spec, text, &number) && number >= spec->min &&
	    number <= spec->max)
		return true;
	if (spec->type == OPTION_TYPE_SEC_MS) {
		(void)snprintf(ret_fault, OPTION_FAULT_SIZE,
			       "must be seconds (or with ms, s, min, h) from %llums to "
			       "%llus",
			       (unsigned long long)spec->min,
			       (unsigned long long)spec->max / 1000);
		return false;
	}
	if (spec->type == OPTION_TYPE_SECONDS)
		kind = "seconds (or with s, min, h, d)";
	else if (spec->type == OPTION_TYPE_MS)
		kind = "milliseconds (or with ms, s)";
	else if (spec->type == OPTION_TYPE_BYTES)
		kind = "bytes (or with K, M, G, T)";
	(void)snprintf(
		ret_fault, OPTION_FAULT_SIZE, "must be %s from %llu%s to %llu%s", kind,
		(unsigned long long)(spec->min >> 10 * short_unit(spec, spec->min)),
		units[short_unit(spec, spec->min)],
		(unsigned long long)(spec->max >> 10 * short_unit(spec, spec->max)),
		units[short_unit(spec, spec->max)]);
	return false;
}

static bool is_valid(const struct option_spec *spec, const char *text,
		     char ret_fault[OPTION_FAULT_SIZE])
{
	unsigned int from, to;
	uint64_t number;

	switch (spec->type) {
	case OPTION_TYPE_TEXT:
		return true;
	case OPTION_TYPE_WORD:
		return !has_blank(text);
	case OPTION_TYPE_COMPONENT:
		return component_valid(text);
	case OPTION_TYPE_APP_NAME:
		return names_app_valid(text);
	case OPTION_TYPE_SERVICE:
		return service_valid(text) && !strstr(text, ".service");
	case OPTION_TYPE_UNIT:
		return unit_valid(text);
	case OPTION_TYPE_USER:
		return user_valid(text);
	case OPTION_TYPE_PATH:
		return option_path_valid(text);
	case OPTION_TYPE_RELATIVE:
		return option_relative_valid(text);
	case OPTION_TYPE_ANY_PATH:
		return option_path_valid(text) || option_relative_valid(text);
	case OPTION_TYPE_ENV_FILE:
		return option_path_valid(text[0] == '-' ? text + 1 : text);
	case OPTION_TYPE_ENV_VAR:
		return env_var_valid(text);
	case OPTION_TYPE_EXEC:
		return exec_valid(text);
	case OPTION_TYPE_COMMAND:
		return text[0] == '/';
	case OPTION_TYPE_URL:
		return option_url_valid(text);
	case OPTION_TYPE_ADDRESS:
		return option_address_valid(text);
	case OPTION_TYPE_LISTEN:
		return option_listen_valid(text) || option_path_valid(text);
	case OPTION_TYPE_STATUS:
		return option_status_range(text, &from, &to);
	case OPTION_TYPE_HEADER:
		return option_header_valid(text);
	case OPTION_TYPE_ENUM:
		return choice_valid(spec->choices, text);
	case OPTION_TYPE_BOOL:
	case OPTION_TYPE_MODE:
		return option_value_number(spec, text, &number);
	case OPTION_TYPE_INT:
	case OPTION_TYPE_SECONDS:
	case OPTION_TYPE_MS:
	case OPTION_TYPE_SEC_MS:
	case OPTION_TYPE_BYTES:
		return in_range(spec, text, ret_fault);
	case OPTION_TYPE_SPAN:
		return span_valid(text);
	case OPTION_TYPE_LIMIT:
		return limit_valid(text);
	case OPTION_TYPE_COUNT:
		break;
	}
	return false;
}

bool option_value_valid(const struct option_spec *spec, const char *text,
			char ret_fault[OPTION_FAULT_SIZE])
{
	ret_fault[0] = '\0';
	if (text[0] != '\0' && is_valid(spec, text, ret_fault))
		return true;
	if (spec->type == OPTION_TYPE_ENUM)
		(void)snprintf(ret_fault, OPTION_FAULT_SIZE, "must be one of: %s",
			       spec->choices);
	else if (ret_fault[0] == '\0' && wanted[spec->type])
		(void)snprintf(ret_fault, OPTION_FAULT_SIZE, "%s", wanted[spec->type]);
	else if (ret_fault[0] == '\0')
		(void)in_range(spec, "", ret_fault);
	return false;
}
