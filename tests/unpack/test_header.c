#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unpack/header.h"

static unsigned char blocks[16 * HEADER_BLOCK_BYTES];
static size_t n_bytes;

static unsigned char *add_block(char type, const char *name, size_t size)
{
	unsigned char *block = blocks + n_bytes;

	n_bytes += HEADER_BLOCK_BYTES;
	assert_true(n_bytes <= sizeof(blocks));
	memset(block, 0, HEADER_BLOCK_BYTES);
	memcpy(block, name, strlen(name));
	(void)snprintf((char *)block + 124, 12, "%011zo", size);
	block[156] = (unsigned char)type;
	memcpy(block + 257,
	       "ustar\0"
	       "00",
	       8);
	return block;
}

static void add_special(char type, const char *body, size_t length)
{
	(void)add_block(type, "special", length);
	memset(blocks + n_bytes, 0, HEADER_BLOCK_BYTES);
	memcpy(blocks + n_bytes, body, length);
	n_bytes += HEADER_BLOCK_BYTES;
}

static int start(void **state)
{
	(void)state;
	n_bytes = 0;
	return 0;
}

static void expect_name(const char *name, const char *link)
{
	struct header header;
	struct errinfo ei = {0};

	assert_int_equal(header_read(blocks, n_bytes, &header, &ei), 0);
	assert_string_equal(header.name, name);
	if (link)
		assert_string_equal(header.link, link);
	else
		assert_null(header.link);
	header_deinit(&header);
}

static void expect_refusal(const char *words)
{
	struct header header;
	struct errinfo ei = {0};

	assert_true(header_read(blocks, n_bytes, &header, &ei) < 0);
	assert_non_null(strstr(ei.what, words));
	header_deinit(&header);
}

static void names_come_from_where_they_are_given(void **state)
{
	unsigned char *block = add_block('0', "bin/x", 3);

	(void)state;
	expect_name("bin/x", NULL);
	memcpy(block + 345, "far/away", 8);
	expect_name("far/away/bin/x", NULL);
	memcpy(block + 257, "ustar  ", 8); /* GNU's: no prefix there */
	expect_name("bin/x", NULL);
	memset(block, 'n', 100); /* no room for a NUL */
	memcpy(block + 157, "to", 2);
	n_bytes = HEADER_BLOCK_BYTES;
	block[100] = 0;
	{
		char full[101];

		memset(full, 'n', 100);
		full[100] = '\0';
		expect_name(full, "to");
	}

	n_bytes = 0;
	add_special('x', "13 path=\xc3\xbc\xff\n", 12);
	(void)add_block('0', "y", 0);
	expect_refusal("'y' has a damaged pax header");

	n_bytes = 0;
	add_special('x', "12 path=\xc3\xbc\xff\n20 path=second-name\n", 32);
	(void)add_block('0', "y", 0);
	expect_name("second-name", NULL);

	n_bytes = 0;
	add_special('L', "long\0", 5);
	add_special('K', "target\0", 7);
	(void)add_block('2', "y", 0);
	expect_name("long", "target");
}

static void what_tar_strips_is_seen(void **state)
{
	static const struct {
		const char *record;
		bool stripped;
	} cases[] = {
		{"26 SCHILY.xattr.user.x=yz\n", true},
		{"30 LIBARCHIVE.xattr.user.x=eXo\n", true},
		{"26 SCHILY.acl.access=u::r\n", true},
		{"27 mtime=1700000000.123456\n", false},
	};
	struct header header;
	struct errinfo ei = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char record[64];

		/* The length is the record's own. */
		(void)snprintf(record, sizeof(record), "%zu%s", strlen(cases[i].record),
			       cases[i].record + 2);
		n_bytes = 0;
		add_special('x', record, strlen(record));
		(void)add_block('0', "y", 0);
		assert_int_equal(header_read(blocks, n_bytes, &header, &ei), 0);
		assert_true(header.stripped == cases[i].stripped);
		header_deinit(&header);
	}
}

static void what_has_two_meanings_is_refused(void **state)
{
	(void)state;
	add_special('x', "10 path=a\n", 10);
	add_special('L', "b\0", 2);
	(void)add_block('0', "y", 0);
	expect_refusal("in two ways");

	n_bytes = 0;
	add_special('x', "12 path=a\0b\n", 12);
	(void)add_block('0', "y", 0);
	expect_refusal("holds a NUL byte");

	n_bytes = 0;
	add_special('g', "10 path=a\n", 10);
	(void)add_block('0', "y", 0);
	expect_refusal("global pax header");

	n_bytes = 0;
	add_special('g', "14 comment=ab\n", 14);
	(void)add_block('0', "y", 0);
	expect_name("y", NULL);
}

/* However it is cut, nothing behind the end is read: the sanitizer watches. */
static void cut_headers_are_refused(void **state)
{
	struct header header;
	struct errinfo ei = {0};
	unsigned char *huge;

	(void)state;
	add_special('x', "10 path=a\n", 10);
	(void)add_block('0', "y", 0);
	for (size_t i = 0; i < n_bytes; i++) {
		assert_true(header_read(blocks, i, &header, &ei) < 0);
		header_deinit(&header);
	}
	expect_name("a", NULL);
	huge = blocks + 124;
	memset(huge, 0xff, 12);
	expect_refusal("cannot be read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names_come_from_where_they_are_given, start),
		cmocka_unit_test_setup(what_tar_strips_is_seen, start),
		cmocka_unit_test_setup(what_has_two_meanings_is_refused, start),
		cmocka_unit_test_setup(cut_headers_are_refused, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
