/* Command lines between deployd and its helpers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "util/args.h"

static uint64_t number;
static const char *text;
static struct errinfo ei;

/* Parses the words with an option of each kind; --text may be missing. */
static int parse(const char *const *words)
{
	struct args_option options[] = {
		{"number", .number = &number, .min = 2, .max = 5},
		{"text", .text = &text, .optional = true},
	};
	int n = 0;

	number = 99;
	text = "default";
	memset(&ei, 0, sizeof(ei));
	while (words[n])
		n++;
	return args_parse(n, (char **)words, options, 2, &ei);
}

#define PARSE(...) parse((const char *[]){"program", __VA_ARGS__, NULL})

static void options_are_read(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--number=3"), 0);
	assert_int_equal(number, 3);
	assert_string_equal(text, "default");
	assert_int_equal(PARSE("--text=a=b c", "--number=5"), 0);
	assert_int_equal(number, 5);
	assert_string_equal(text, "a=b c");
}

static void what_is_wrong_is_refused_and_named(void **state)
{
	static const struct {
		const char *word, *message;
	} wrong[] = {
		{"--number=1", "--number"},
		{"--number=6", "--number"},
		{"--number=", "--number"},
		{"--number= 3", "--number"},
		{"--number=+3", "--number"},
		{"--number=-3", "--number"},
		{"--number=0x3", "--number"},
		{"--number=18446744073709551619", "--number"},
		{"--numbers=3", "--numbers"},
		{"--number", "--number"},
		{"number=3", "number=3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_true(PARSE(wrong[i].word) < 0);
		if (!strstr(ei.what, wrong[i].message))
			fail_msg("%s: %s", wrong[i].word, ei.what);
	}
}

static void the_largest_number_is_no_larger_one(void **state)
{
	struct args_option option = {"n", .number = &number, .max = UINT64_MAX};
	char largest[] = "--n=18446744073709551615",
	     larger[] = "--n=18446744073709551616";

	(void)state;
	assert_int_equal(args_parse(2, (char *[]){NULL, largest}, &option, 1, &ei), 0);
	assert_true(number == UINT64_MAX);
	option.seen = false;
	assert_true(args_parse(2, (char *[]){NULL, larger}, &option, 1, &ei) < 0);
}

static void an_option_is_given_once_and_a_needed_one_is(void **state)
{
	(void)state;
	assert_true(PARSE("--number=3", "--number=3") < 0);
	assert_string_equal(ei.what, "option --number given twice");
	assert_true(PARSE("--text=x") < 0);
	assert_string_equal(ei.what, "option --number is missing");
}

static void assert_survives(const char *const *words, const char *joined)
{
	char *line = args_words("with", (char *const *)words), **again;
	size_t n = 0;

	assert_non_null(line);
	assert_string_equal(line, joined);
	again = args_split(strchr(line, '=') + 1);
	assert_non_null(again);
	for (; words && words[n]; n++)
		assert_string_equal(again[n], words[n]);
	assert_null(again[n]);
	free((void *)again);
	free(line);
}

static void words_survive_joining_and_splitting(void **state)
{
	(void)state;
	assert_survives(NULL, "--with=");
	assert_survives((const char *[]){NULL}, "--with=");
	assert_survives((const char *[]){"a", NULL}, "--with=a");
	assert_survives((const char *[]){"a", "b", "c", NULL}, "--with=a b c");
	assert_survives((const char *[]){"first", "a=b", NULL}, "--with=first a=b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_read),
		cmocka_unit_test(what_is_wrong_is_refused_and_named),
		cmocka_unit_test(the_largest_number_is_no_larger_one),
		cmocka_unit_test(an_option_is_given_once_and_a_needed_one_is),
		cmocka_unit_test(words_survive_joining_and_splitting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
