/* Lines of /etc/subuid, as newuidmap(1) reads them and as nobody should write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "users/subuid.h"

static char got[4096];

static void on_range(const struct subuid_range *range, void *userdata)
{
	size_t length = strlen(got);

	(void)userdata;
	(void)snprintf(got + length, sizeof(got) - length, "%u=%s:%u:%u ", range->line,
		       range->owner, range->first, range->count);
}

static void on_fault(unsigned int line, const char *why, void *userdata)
{
	size_t length = strlen(got);

	(void)userdata;
	assert_true(strlen(why) > 0);
	(void)snprintf(got + length, sizeof(got) - length, "%u! ", line);
}

static void read_as(const char *text, size_t length, const char *want)
{
	const struct subuid_reader reader = {on_range, on_fault, NULL};

	got[0] = '\0';
	subuid_parse(text, length, &reader);
	assert_string_equal(got, want);
}

#define READ_AS(text, want) read_as(text, sizeof(text) - 1, want)

static void ranges(void **state)
{
	(void)state;
	READ_AS("", "");
	READ_AS("alice:100000:65536\n", "1=alice:100000:65536 ");
	READ_AS("alice:100000:65536", "1=alice:100000:65536 ");
	READ_AS("# a comment\n\n1001:5:1\n\nbob:6:2\n", "3=1001:5:1 5=bob:6:2 ");
	READ_AS("a:0x10:010\n", "1=a:16:8 ");
	READ_AS("a: 7:+8\n", "1=a:7:8 ");
}

static void faults(void **state)
{
	(void)state;
	READ_AS("alice\nalice:1\nalice:1:2:3\n:1:2\n", "1! 2! 3! 4! ");
	READ_AS("a:x:1\na:1:x\na::1\na:1:\na:1:0\na:-1:5\na:1:-1\n",
		"1! 2! 3! 4! 5! 6! 7! ");
	READ_AS("a:1:1\r\nb:1:1 \nc:1x:1\n", "1! 2! 3! ");
	READ_AS("a:99999999999999999999999:1\na:4294967295:1\n", "1! 2! ");
	READ_AS("a\0b:1:1\nb:1:1\n", "1! 2=b:1:1 ");
	READ_AS("bad\na:1:1\nbad\n", "1! 2=a:1:1 3! ");
}

static void no_uid_is_beyond_the_last(void **state)
{
	(void)state;
	READ_AS("a:4294967294:1\n", "1=a:4294967294:1 ");
	READ_AS("a:4294967290:100\n", "1=a:4294967290:5 ");
	READ_AS("a:1:18446744073709551615\n", "1=a:1:4294967294 ");
	READ_AS("a:1:99999999999999999999999\n", "1! ");
}

static void an_owner_has_a_length(void **state)
{
	char text[600], want[600];

	(void)state;
	memset(text, 'a', 256);
	(void)strcpy(text + 255, ":1:1");
	(void)snprintf(want, sizeof(want), "1=%.255s:1:1 ", text);
	read_as(text, strlen(text), want);
	memset(text, 'a', 256);
	(void)strcpy(text + 256, ":1:1");
	read_as(text, strlen(text), "1! ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(faults),
		cmocka_unit_test(no_uid_is_beyond_the_last),
		cmocka_unit_test(an_owner_has_a_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
