/* Names of apps, releases and units; escaping; times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deploy/names.h"

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void assert_each(bool (*valid)(const char *), bool wanted,
			const char *const *names)
{
	for (; *names; names++)
		if (valid(*names) != wanted)
			fail_msg("'%s' is %s", *names, wanted ? "refused" : "accepted");
}

static void apps(void **state)
{
	static const char *const good[] = {"a",	   "0",	     "foo_bar", "foo-bar",
					   "a--b", "a_-_0-", X63,	NULL};
	static const char *const bad[] = {
		"",	    "-a",  "_a",  "A",	   "a.b", "a/b", "..",	"a b", "a\n",
		"\xc3\xa4", "a:b", "a@b", X63 "x", "a%n", "*",	 "a\\", NULL};

	(void)state;
	assert_each(names_app_valid, true, good);
	assert_each(names_app_valid, false, bad);
}

static void releases(void **state)
{
	static const char *const good[] = {"20261123T101500Z-0001",
					   "20261123T101500Z-12345",
					   "20181114072116",
					   "20181114T072116",
					   "20261123T101500Z-00012345678901",
					   NULL};
	static const char *const bad[] = {"",
					  ".",
					  "..",
					  "20261123T101500Z",
					  "20261123T101500Z-",
					  "20261123T101500Z-001",
					  "20261123T101500Z-000a",
					  "20261123T101500Z-0001/",
					  "20261123t101500Z-0001",
					  "2018111407211",
					  "201811140721166",
					  "20181114T07211",
					  "20181114T0721167",
					  "20261123T101500Z-0001\n",
					  "20261123T101500Z-0000000000000001",
					  NULL};

	(void)state;
	assert_each(names_release_valid, true, good);
	assert_each(names_release_valid, false, bad);
}

static void ids_are_made_as_they_are_accepted(void **state)
{
	static const struct {
		int64_t time_s;
		uint64_t seq;
		const char *id;
	} ids[] = {
		{0, 1, "19700101T000000Z-0001"},
		{1795428900, 1, "20261123T101500Z-0001"},
		{1795428900, 10000, "20261123T101500Z-10000"},
		{253402300799, 9999999999, "99991231T235959Z-9999999999"},
	};
	char id[RELEASE_ID_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		names_release_format(ids[i].time_s, ids[i].seq, id);
		assert_string_equal(id, ids[i].id);
		assert_true(names_release_valid(id));
	}
	names_release_format(INT64_MAX, UINT64_MAX, id);
	assert_true(strlen(id) < RELEASE_ID_SIZE);
}

static void units(void **state)
{
	static const char *const good[] = {"a.service",	      "a@b.service",
					   "foo.bar.socket",  "a\\x2db.service",
					   "a:b_c-1.service", NULL};
	static const char *const bad[] = {"",
					  "a",
					  ".service",
					  "a.target",
					  "a b.service",
					  "../a.service",
					  "a/b.service",
					  "-a.service",
					  "@a.service",
					  "..service",
					  "%i.service",
					  "a*.service",
					  "a.service\n",
					  "a.service/",
					  NULL};

	(void)state;
	assert_each(names_unit_valid, true, good);
	assert_each(names_unit_valid, false, bad);
}

static void digests(void **state)
{
	static const char *const good[] = {
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		NULL};
	static const char *const bad[] = {
		"",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
		"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"0123456789abcdefg123456789abcdef0123456789abcdef0123456789abcdef",
		NULL};

	(void)state;
	assert_each(names_sha256_valid, true, good);
	assert_each(names_sha256_valid, false, bad);
}

static void escaping(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"plain text", "plain text"},
		{"a\nb\tc", "a\\x0ab\\x09c"},
		{"\033[31m", "\\x1b[31m"},
		{"back\\slash", "back\\x5cslash"},
		{"\x7f", "\\x7f"},
		{"\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80"},
		{"\xc2\x9b", "\\xc2\\x9b"},
		{"\xff\xc3", "\\xff\\xc3"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xc2\xa0\xc2\xad", "\xc2\xa0\\xc2\\xad"},
		{"a\xe2\x80\xaeg", "a\\xe2\\x80\\xaeg"},      /* U+202E turns around */
		{"\xe2\x81\xa6", "\\xe2\\x81\\xa6"},	      /* U+2066 */
		{"\xe2\x80\x8f", "\\xe2\\x80\\x8f"},	      /* U+200F */
		{"\xd8\x9c", "\\xd8\\x9c"},		      /* U+061C */
		{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"},	      /* U+2028 ends a line */
		{"\xef\xbb\xbf", "\\xef\\xbb\\xbf"},	      /* U+FEFF is not seen */
		{"\xf3\xa0\x81\xa1", "\\xf3\\xa0\\x81\\xa1"}, /* U+E0061 */
		{"\xe2\x80\x8d\xe2\x80\x93", "\xe2\x80\x8d\xe2\x80\x93"},
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
		assert_string_equal(names_escape(pairs[i][0], buf, sizeof(buf)),
				    pairs[i][1]);
}

static void scrubbing(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"plain \xc3\xa4 \\x1b", "plain \xc3\xa4 \\x1b"},
		{"a\nb\x1b[2J\x7f", "a b?[2J?"},
		{"x\xc2\x9b"
		 "31m",
		 "x?31m"},
		{"img\xe2\x80\xaegpj", "img?gpj"},
		{"\xff\xc3", "??"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		char text[64];

		(void)strcpy(text, pairs[i][0]);
		assert_string_equal(names_scrub(text), pairs[i][1]);
	}
}

/* Whatever is cut, it fits, ends in dots, and cuts no character or escape in two. */
static void escaping_fits(void **state)
{
	static const char text[] = "ab\xc3\xa4\n\xf0\x9f\x98\x80xyz\xff end of it";
	char whole[128], buf[128];

	(void)state;
	(void)names_escape(text, whole, sizeof(whole));
	for (size_t size = 8; size <= strlen(whole) + 3; size++) {
		size_t n;

		memset(buf, '?', sizeof(buf));
		(void)names_escape(text, buf, size);
		assert_true(strlen(buf) < size);
		assert_int_equal(buf[size], '?');
		if (size > strlen(whole)) {
			assert_string_equal(buf, whole);
			continue;
		}
		n = strlen(buf) - 3;
		assert_string_equal(buf + n, "...");
		assert_memory_equal(buf, whole, n);
		assert_true(((unsigned char)whole[n] & 0xc0) != 0x80);
	}
}

static void times(void **state)
{
	static const char *const bad[] = {"",
					  "2026-11-23",
					  "2026-11-23T10:15:00",
					  "2026-11-23 10:15:00Z",
					  "2026-13-23T10:15:00Z",
					  "2026-11-23T24:15:00Z",
					  "2026-11-23T10:60:00Z",
					  "2026-11-23T10:15:00Zx",
					  "x026-11-23T10:15:00Z",
					  "2026-11-23T10:15:00+",
					  "2026-11-00T10:15:00Z",
					  NULL};
	char text[RFC3339_SIZE];

	(void)state;
	names_rfc3339(1795428900, text);
	assert_string_equal(text, "2026-11-23T10:15:00Z");
	assert_int_equal(names_rfc3339_parse(text), 1795428900);
	for (int64_t t = 1; t < 4102444800; t += 86399 * 13) {
		names_rfc3339(t, text);
		assert_int_equal(names_rfc3339_parse(text), t);
	}
	for (size_t i = 0; bad[i]; i++)
		if (names_rfc3339_parse(bad[i]) != 0)
			fail_msg("'%s' is a time", bad[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(apps),
		cmocka_unit_test(releases),
		cmocka_unit_test(ids_are_made_as_they_are_accepted),
		cmocka_unit_test(units),
		cmocka_unit_test(digests),
		cmocka_unit_test(escaping),
		cmocka_unit_test(escaping_fits),
		cmocka_unit_test(scrubbing),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
