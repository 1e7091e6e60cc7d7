#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proc/cgroup.h"
#include "proc/maps.h"
#include "run.h"

#define PREFIX	   "/srv/hello/releases"
#define PREFIX_LEN strlen(PREFIX)

static void assert_path(const char *text, const char *wanted)
{
	struct maps_line line;
	char copy[512];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	if (!wanted) {
		assert_false(maps_parse(copy, &line));
		return;
	}
	assert_true(maps_parse(copy, &line));
	assert_string_equal(line.path, wanted);
	assert_int_equal(line.dev, UINT64_C(0xfe) << 32 | 1);
	assert_int_equal(line.ino, 1234);
}

static void maps_lines(void **state)
{
#define RANGE "7f0a1c000000-7f0a1c021000 r-xp 00001000 fe:01 1234 "
	(void)state;
	assert_path(RANGE "                     /usr/lib/libc.so.6\n",
		    "/usr/lib/libc.so.6");
	assert_path(RANGE " /srv/a b  c\n", "/srv/a b  c");
	assert_path(RANGE "/srv/x.so (deleted)\n", "/srv/x.so (deleted)");
	assert_path(RANGE "/srv/x.so(deleted)\n", "/srv/x.so(deleted)");
	assert_path(RANGE "/srv/new\\012line\n", "/srv/new\\012line");
	assert_path(RANGE "\n", NULL);
	assert_path(RANGE " [heap]\n", NULL);
	assert_path(RANGE " anon_inode:[io_uring]\n", NULL);
	assert_path("7f0a1c000000-7f0a1c021000 r-xp /srv/x\n", NULL);
#define BEFORE "7f0a1c000000-7f0a1c021000 r-xp 00001000 "
	assert_path(BEFORE "00:00 0 /srv/x\n", NULL);
	assert_path(BEFORE "fe:01 -1 /srv/x\n", NULL);
	assert_path(BEFORE "fe:01 1a /srv/x\n", NULL);
	assert_path(BEFORE "fe:01 99999999999999999999 /srv/x\n", NULL);
	assert_path(BEFORE "fe:0g 1 /srv/x\n", NULL);
	assert_path(BEFORE "100000000:1 1 /srv/x\n", NULL);
	assert_path(BEFORE "fe01 1 /srv/x\n", NULL);
	assert_path("", NULL);
	assert_path("\n", NULL);
	assert_path("    /srv/x\n", NULL);
}

static void each_mapped_path_once(void **state)
{
	struct mapped mapped = {0};

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mapped_add(&mapped, PREFIX "/1/a", PREFIX_LEN), 0);
		assert_int_equal(mapped_add(&mapped, PREFIX "/1/b", PREFIX_LEN), 0);
	}
	assert_int_equal(mapped.n_paths, 2);
	assert_false(mapped.truncated);
	mapped_deinit(&mapped);
}

static void no_release_hides_behind_many_files(void **state)
{
	struct mapped mapped = {0};
	char path[64];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), PREFIX "/11/%d", i);
		assert_int_equal(mapped_add(&mapped, path, PREFIX_LEN), 0);
	}
	assert_int_equal(mapped.n_paths, MAPPED_PATHS_MAX);
	assert_false(mapped.truncated);
	/* "1" is not "11". */
	assert_int_equal(mapped_add(&mapped, PREFIX "/1/old.so", PREFIX_LEN), 0);
	assert_int_equal(mapped.n_paths, MAPPED_PATHS_MAX);
	assert_string_equal(mapped.paths[MAPPED_PATHS_MAX - 1], PREFIX "/1/old.so");
	assert_false(mapped.truncated);

	for (int i = 0; i < MAPPED_PATHS_MAX - 2; i++) {
		(void)snprintf(path, sizeof(path), PREFIX "/2%d/x", i);
		assert_int_equal(mapped_add(&mapped, path, PREFIX_LEN), 0);
	}
	assert_string_equal(mapped.paths[0], PREFIX "/11/0");
	assert_false(mapped.truncated);
	assert_int_equal(mapped_add(&mapped, PREFIX "/3/x", PREFIX_LEN), 0);
	assert_true(mapped.truncated);
	mapped_deinit(&mapped);
}

static void cgroup_paths(void **state)
{
	static const char *const wrong[] = {
		"",	 "/",	"a",  "a/b",	 "/a/",	 "//a",
		"/a//b", "/..", "/.", "/a/../b", "/a/.",
	};
	char name[400] = "/";

	(void)state;
	assert_true(cgroup_valid("/system.slice/hello@1.service"));
	assert_true(cgroup_valid("/a"));
	assert_true(cgroup_valid("/..a/b.."));
	assert_true(cgroup_valid("/x/system.slice/a\\x2db.service"));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (cgroup_valid(wrong[i]))
			fail_msg("accepted: %s", wrong[i]);
	memset(name + 1, 'a', 255);
	assert_true(cgroup_valid(name));
	name[256] = 'a';
	assert_false(cgroup_valid(name));
}

static void usage(void **state)
{
	static const char *const wrong[][3] = {
		{NULL},
		{"--cgroup=/", "--releases=/srv"},
		{"--cgroup=/../x", "--releases=/srv"},
		{"--cgroup=/x", "--releases=srv"},
		{"--releases=/"},
		{"--releases="},
		{"--cgroup=/x"},
		{"--releases=/srv", "--releases=/srv"},
		{"--releases=/srv", "stray"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		size_t n = 0;
		struct run run;

		while (n < 3 && wrong[i][n])
			n++;
		run = run_probe(0, wrong[i], n);
		assert_true(strlen(run_text(&run, "message")) > 10);
		run_end(&run, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_lines),
		cmocka_unit_test(each_mapped_path_once),
		cmocka_unit_test(no_release_hides_behind_many_files),
		cmocka_unit_test(cgroup_paths),
		cmocka_unit_test(usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
