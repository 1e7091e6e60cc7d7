/* core/release_path.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/release_path.h"

#define C "/srv/hello/current"
#define R "/srv/hello/releases/20260131T120000Z-0001"

static const struct release_path paths = {C, R};

static void assert_becomes(const char *text, const char *expected)
{
	char *result = release_path_rewrite(&paths, text);

	assert_non_null(result);
	assert_string_equal(result, expected);
	free(result);
}

static void paths_at_and_below_current_are_the_releases(void **state)
{
	(void)state;
	assert_becomes(C, R);
	assert_becomes(C "/", R "/");
	assert_becomes(C "/bin/hello", R "/bin/hello");
	assert_becomes("-" C "/etc/environment", "-" R "/etc/environment");
	assert_becomes("PATH=/usr/bin:" C "/bin:" C, "PATH=/usr/bin:" R "/bin:" R);
	assert_becomes("cd '" C "' && exec \"" C "\"/x",
		       "cd '" R "' && exec \"" R "\"/x");
	assert_becomes("-I" C "/include", "-I" R "/include");
	assert_becomes("-pa" C "/lib", "-pa" R "/lib");
	assert_becomes("--path=" C, "--path=" R);
	assert_becomes("file://" C "/x", "file://" R "/x");
	assert_becomes("//" C, "//" R);
	assert_becomes("a\n" C "\n", "a\n" R "\n");
	assert_becomes(C "," C ";", R "," R ";");
}

static void other_paths_stay(void **state)
{
	static const char *const texts[] = {
		"",	      "/",	  "/srv/hello", "/srv/hello/curren",
		C "-old",     C ".old/x", C "2",	C "_",
		C "\xc3\xa9", "/data" C,  "/data/" C,	"data" C,
		"-/data" C,   "." C,	  ".." C "/x",	"~" C,
		"-~" C,	      "$HOME" C,  "${HOME}" C,	"$(pwd)" C,
		R "/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_becomes(texts[i], texts[i]);
}

static void a_release_is_never_rewritten_again(void **state)
{
	/* The new path may contain the old one. */
	static const struct release_path inside = {"/a", "/a/a"};
	char *result = release_path_rewrite(&inside, "/a:/a/b:/b/a");

	(void)state;
	assert_string_equal(result, "/a/a:/a/a/b:/b/a");
	free(result);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_at_and_below_current_are_the_releases),
		cmocka_unit_test(other_paths_stay),
		cmocka_unit_test(a_release_is_never_rewritten_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
