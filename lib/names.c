#include "deploy/names.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deploy/utf8.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

bool names_app_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > APP_NAME_MAX || !(is_lower(name[0]) || is_digit(name[0])))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_lower(name[i]) && !is_digit(name[i]) && name[i] != '_' &&
		    name[i] != '-')
			return false;
	return true;
}

/* n digits at text; false also when it is shorter. */
static bool digits(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_digit(text[i]))
			return false;
	return true;
}

bool names_release_valid(const char *id)
{
	size_t n = strlen(id);

	if (n >= RELEASE_ID_SIZE)
		return false;
	if (n == 14 && digits(id, 14))
		return true;
	if (n < 15 || !digits(id, 8) || id[8] != 'T' || !digits(id + 9, 6))
		return false;
	if (n == 15)
		return true;
	/* The sequence has four digits, and more once it passes 9999. */
	return n >= 21 && id[15] == 'Z' && id[16] == '-' && digits(id + 17, n - 17);
}

bool names_unit_valid(const char *unit)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789:-_.\\@";
	size_t n = strlen(unit);
	const char *dot = strrchr(unit, '.');

	if (n > UNIT_NAME_MAX || !dot || dot == unit || strspn(unit, allowed) != n)
		return false;
	if (unit[0] == '@' || unit[0] == '-' || unit[0] == '.')
		return false;
	return strcmp(dot, ".service") == 0 || strcmp(dot, ".socket") == 0;
}

void names_release_format(int64_t time_s, uint64_t seq, char ret_id[RELEASE_ID_SIZE])
{
	time_t t = (time_t)time_s;
	struct tm tm = {0};

	(void)gmtime_r(&t, &tm);
	(void)snprintf(ret_id, RELEASE_ID_SIZE, "%04u%02u%02uT%02u%02u%02uZ-%04llu",
		       (unsigned int)(tm.tm_year + 1900) % 10000u,
		       (unsigned int)(tm.tm_mon + 1) % 100u,
		       (unsigned int)tm.tm_mday % 100u, (unsigned int)tm.tm_hour % 100u,
		       (unsigned int)tm.tm_min % 100u, (unsigned int)tm.tm_sec % 100u,
		       (unsigned long long)(seq % 10000000000000ull));
}

bool names_sha256_valid(const char *hex)
{
	return strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64;
}

char *names_trim_utf8(char *text)
{
	size_t length = strlen(text), tail = 0;

	while (tail < 3 && tail < length &&
	       ((unsigned char)text[length - tail - 1] & 0xc0) == 0x80)
		tail++;
	if (tail < length && (unsigned char)text[length - tail - 1] >= 0xc0 &&
	    utf8_length(text + length - tail - 1, tail + 1) == 0)
		text[length - tail - 1] = '\0';
	return text;
}

void names_rfc3339(int64_t time_s, char ret_text[RFC3339_SIZE])
{
	time_t t = (time_t)time_s;
	struct tm tm = {0};

	(void)gmtime_r(&t, &tm);
	if (strftime(ret_text, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		ret_text[0] = '\0';
}

/* The character of n bytes of valid UTF-8. */
static uint32_t decode(const unsigned char *text, size_t n)
{
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = text[0] & first[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (text[i] & 0x3f);
	return c;
}

/*
 * Characters that make a text look like another one: control characters, those that
 * reorder a line ("Trojan Source", CVE-2021-42574) or break it, and invisible ones. The
 * joiners U+200C and U+200D belong to the spelling of words, and stay.
 */
static const struct {
	uint32_t from, to;
} deceptive[] = {
	{0x0000, 0x001f},   {0x005c, 0x005c}, {0x007f, 0x009f}, {0x00ad, 0x00ad},
	{0x061c, 0x061c},   {0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f},
	{0x2028, 0x202e},   {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
	{0xe0000, 0xe007f},
};

static bool is_plain(const unsigned char *text, size_t n)
{
	uint32_t c = n > 0 ? decode(text, n) : 0;

	for (size_t i = 0; i < sizeof(deceptive) / sizeof(*deceptive); i++)
		if (c >= deceptive[i].from && c <= deceptive[i].to)
			return false;
	return true;
}

char *names_escape(const char *text, char *ret_buf, size_t size)
{
	static const char dots[] = "...";
	const unsigned char *p = (const unsigned char *)text;
	const char *end = text + strlen(text);
	size_t used = 0, fits = 0; /* fits: where the dots could still go */

	while (*p) {
		size_t n =
			utf8_length((const char *)p, (size_t)(end - (const char *)p));
		bool plain = is_plain(p, n);
		size_t in = n > 0 ? n : 1, out = plain ? in : 4 * in;

		if (used + out >= size) {
			memcpy(ret_buf + fits, dots, sizeof(dots));
			return ret_buf;
		}
		if (plain)
			memcpy(ret_buf + used, p, in);
		else
			for (size_t i = 0; i < in; i++)
				(void)snprintf(ret_buf + used + 4 * i, 5, "\\x%02x",
					       p[i]);
		used += out;
		if (used + sizeof(dots) <= size)
			fits = used;
		p += in;
	}
	ret_buf[used] = '\0';
	return ret_buf;
}

char *names_scrub(char *text)
{
	const char *p = text, *end = text + strlen(text);
	char *to = text;

	while (*p) {
		size_t n = utf8_length(p, (size_t)(end - p));

		if (*p == '\\' || is_plain((const unsigned char *)p, n)) {
			memmove(to, p, n);
			to += n;
		} else {
			*to++ = *p == '\n' ? ' ' : '?';
		}
		p += n > 0 ? n : 1;
	}
	*to = '\0';
	return text;
}

int64_t names_rfc3339_parse(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	struct tm tm = {0};
	int64_t time_s;
	char again[RFC3339_SIZE];

	for (size_t i = 0; i < sizeof(shape); i++)
		if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i])
			return 0;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	time_s = (int64_t)timegm(&tm);
	/* timegm() takes 31 February for 3 March. */
	names_rfc3339(time_s, again);
	return strcmp(again, text) == 0 ? time_s : 0;
}
