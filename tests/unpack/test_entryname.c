#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/entryname.h"

#define DEPTH 4

static bool is_dir(const char *path, void *userdata)
{
	(void)userdata;
	return strcmp(path, "dir") == 0 || strcmp(path, "dir/sub") == 0;
}

static enum entryname_verdict target(const char *path, const char *to)
{
	static const char *const allowed[] = {"/usr", "/opt/a/", NULL};

	return entryname_link_target(
		path, to,
		&(struct entryname_links){.allowed = allowed, .is_dir = is_dir});
}

static void names_become_canonical(void **state)
{
	static const struct {
		const char *name, *path;
	} cases[] = {
		{".", ""},
		{"./", ""},
		{"./././/", ""},
		{"a", "a"},
		{"./a", "a"},
		{"a/", "a"},
		{"a//b/./c", "a/b/c"},
		{"a/b/c/d", "a/b/c/d"},
		{"..a/b..", "..a/b.."},
		{"...", "..."},
		{"releases", "releases"},
		{"a/.deployd", "a/.deployd"},
		{"gr\xc3\xbc\xdf", "gr\xc3\xbc\xdf"},
	};
	char path[ENTRYNAME_PATH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(entryname_canonical(cases[i].name, DEPTH, path),
				 ENTRYNAME_OK);
		assert_string_equal(path, cases[i].path);
	}
}

static void bad_names_are_refused(void **state)
{
	static const struct {
		const char *name;
		enum entryname_verdict verdict;
	} cases[] = {
		{"", ENTRYNAME_EMPTY},
		{"/", ENTRYNAME_ABSOLUTE},
		{"//a", ENTRYNAME_ABSOLUTE},
		{"..", ENTRYNAME_PARENT},
		{"../a", ENTRYNAME_PARENT},
		{"a/..", ENTRYNAME_PARENT},
		{"a/../b", ENTRYNAME_PARENT},
		{"./..//", ENTRYNAME_PARENT},
		{"a\n", ENTRYNAME_CONTROL},
		{"\x1b[2J", ENTRYNAME_CONTROL},
		{"a/\x7f", ENTRYNAME_CONTROL},
		{"a/b/c/d/e", ENTRYNAME_TOO_DEEP},
		{".deployd", ENTRYNAME_RESERVED},
		{"./.deployd-x/y", ENTRYNAME_RESERVED},
	};
	char path[ENTRYNAME_PATH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(entryname_canonical(cases[i].name, DEPTH, path),
				 cases[i].verdict);
}

/* At each limit exactly, and one over. */
static void lengths_are_limited(void **state)
{
	char name[ENTRYNAME_PATH_MAX + 2], path[ENTRYNAME_PATH_SIZE];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[ENTRYNAME_COMPONENT_MAX + 1] = '\0';
	assert_int_equal(entryname_canonical(name, DEPTH, path),
			 ENTRYNAME_COMPONENT_TOO_LONG);
	assert_int_equal(target("x", name), ENTRYNAME_COMPONENT_TOO_LONG);
	name[ENTRYNAME_COMPONENT_MAX] = '\0';
	assert_int_equal(entryname_canonical(name, DEPTH, path), ENTRYNAME_OK);
	assert_int_equal(target("x", name), ENTRYNAME_OK);

	memset(name, 'n', sizeof(name));
	for (size_t i = 200; i < ENTRYNAME_PATH_MAX - 1; i += 200)
		name[i] = '/';
	name[ENTRYNAME_PATH_MAX] = '\0';
	assert_int_equal(entryname_canonical(name, 1000, path), ENTRYNAME_OK);
	assert_int_equal(target("x", name), ENTRYNAME_OK);
	name[ENTRYNAME_PATH_MAX] = 'n';
	name[ENTRYNAME_PATH_MAX + 1] = '\0';
	assert_int_equal(entryname_canonical(name, 1000, path), ENTRYNAME_TOO_LONG);
	assert_int_equal(target("x", name), ENTRYNAME_TOO_LONG);
}

static void link_targets_stay_inside(void **state)
{
	static const struct {
		const char *path, *target;
		enum entryname_verdict verdict;
	} cases[] = {
		{"x", "y", ENTRYNAME_OK},
		{"x", ".", ENTRYNAME_OK},
		{"x", "./a//b/", ENTRYNAME_OK},
		{"a/x", "..", ENTRYNAME_OK},
		{"a/b/x", "../../c", ENTRYNAME_OK},
		{"a/b/x", "./.././../c", ENTRYNAME_OK},
		{"x", "..", ENTRYNAME_LEAVES},
		{"a/x", "../..", ENTRYNAME_LEAVES},
		{"a/x", "../../a", ENTRYNAME_LEAVES},
		{"x", "a/..", ENTRYNAME_PARENT_OF_LINK},
		{"x", "dir/..", ENTRYNAME_OK},
		{"x", "dir/../y", ENTRYNAME_OK},
		{"x", "dir/sub/../../y", ENTRYNAME_OK},
		{"x", "dir/sub/../../..", ENTRYNAME_LEAVES},
		{"x", "dir/../link/..", ENTRYNAME_PARENT_OF_LINK},
		{"x", "link/sub/..", ENTRYNAME_PARENT_OF_LINK},
		{"dir/x", "../dir/../../y", ENTRYNAME_LEAVES},
		{"dir/x", "sub/../../dir/sub/.", ENTRYNAME_OK},
		{"a/b/x", "../c/..", ENTRYNAME_PARENT_OF_LINK},
		{"x", "/usr", ENTRYNAME_OK},
		{"x", "/usr//./bin/python3", ENTRYNAME_OK},
		{"x", "/opt/a/b", ENTRYNAME_OK},
		{"x", "/opt/ab", ENTRYNAME_NOT_ALLOWED},
		{"x", "/usrlocal", ENTRYNAME_NOT_ALLOWED},
		{"x", "/usr/../etc/shadow", ENTRYNAME_NOT_ALLOWED},
		{"x", "/usr/..", ENTRYNAME_NOT_ALLOWED},
		{"x", "//usr/bin", ENTRYNAME_NOT_ALLOWED},
		{"x", "/usr/\n", ENTRYNAME_ABSOLUTE},
		{"x", "", ENTRYNAME_EMPTY},
		{"x", "/", ENTRYNAME_NOT_ALLOWED},
		{"x", "a\tb", ENTRYNAME_CONTROL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(target(cases[i].path, cases[i].target),
				 cases[i].verdict);
}

static void every_verdict_has_words(void **state)
{
	(void)state;
	for (int v = 0; v < ENTRYNAME_VERDICT_COUNT; v++)
		assert_true(strlen(entryname_verdict_text(v)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_canonical),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(link_targets_stay_inside),
		cmocka_unit_test(every_verdict_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
