/* deployd-preflight, as PID 1 starts it: what it says of the files of a release. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

#define NOBODY 65534

static char root[PATH_MAX];
static char current[PATH_MAX + 16], release[PATH_MAX + 16];

static const char *at(const char *path)
{
	static char text[PATH_MAX + 256];

	(void)snprintf(text, sizeof(text), "%s/%s", root, path);
	return text;
}

static void directory(const char *path)
{
	assert_int_equal(mkdir(at(path), 0755), 0);
}

static void file(const char *path, mode_t mode, const char *text)
{
	FILE *out = fopen(at(path), "we");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	(void)fclose(out);
	assert_int_equal(chmod(at(path), mode), 0);
}

static void link_to(const char *target, const char *path)
{
	assert_int_equal(symlink(target, at(path)), 0);
}

static int setup(void **context)
{
	char made[] = "/tmp/test-preflight-XXXXXX";

	(void)context;
	assert_non_null(mkdtemp(made));
	assert_int_equal(chmod(made, 0755), 0);
	(void)snprintf(root, sizeof(root), "%s", made);
	directory("releases");
	directory("releases/1");
	directory("releases/2");
	directory("releases/2/bin");
	link_to("releases/1", "current");
	(void)snprintf(current, sizeof(current), "--current=%s/current", root);
	(void)snprintf(release, sizeof(release), "--release=%s/releases/2", root);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **context)
{
	(void)context;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* What it says of root/PATH; the run's line is to be freed by run_end(). */
static struct run examine_as(uid_t uid, const char *use, const char *path,
			     const char *hidden)
{
	char asked[PATH_MAX + 64], more[PATH_MAX + 64];

	(void)snprintf(asked, sizeof(asked), "--%s=%s", use,
		       path[0] == '/' ? path : at(path));
	(void)snprintf(more, sizeof(more), "--hidden=%s", at(hidden));
	return PROBE_AS(uid, current, release, asked, more);
}

static const char *of_path(const struct run *run, const char *key)
{
	const json_t *paths = json_object_get(run->line, "paths");
	const char *text;

	assert_int_equal(json_array_size(paths), 1);
	text = json_string_value(json_object_get(json_array_get(paths, 0), key));
	return text ? text : "(none)";
}

static bool flag_of_path(const struct run *run, const char *key)
{
	return json_is_true(json_object_get(
		json_array_get(json_object_get(run->line, "paths"), 0), key));
}

static void verdict_as(uid_t uid, const char *use, const char *path,
		       const char *verdict, const char *detail)
{
	struct run run = examine_as(uid, use, path, "nowhere");

	if (strcmp(of_path(&run, "verdict"), verdict) != 0 ||
	    !strstr(of_path(&run, "detail"), detail))
		fail_msg("%s %s: %s (%s), not %s (%s)", use, path,
			 of_path(&run, "verdict"), of_path(&run, "detail"), verdict,
			 detail);
	run_end(&run, 0);
}

static void verdict(const char *path, const char *verdict, const char *detail)
{
	verdict_as(0, "command", path, verdict, detail);
}

static void scripts(void **context)
{
	(void)context;
	file("releases/2/bin/a", 0755, "#!/bin/sh\n");
	verdict("current/bin/a", "fine", "");
	file("releases/2/bin/a", 0755, "#! \t/bin/sh -e\n");
	verdict("current/bin/a", "fine", "");
	file("releases/2/bin/a", 0755, "#!/bin/sh");
	verdict("current/bin/a", "fine", "");
	file("releases/2/bin/a", 0755, "#!/bin/sh\r\n");
	verdict("current/bin/a", "crlf", "");
	file("releases/2/bin/a", 0755, "#!/bin/sh -e\r\n");
	verdict("current/bin/a", "crlf", "");
	file("releases/2/bin/a", 0755, "#!/bin/sh\necho\r\n");
	verdict("current/bin/a", "fine", "");
	file("releases/2/bin/a", 0755, "#!/no/such/sh -e\n");
	verdict("current/bin/a", "no-interpreter", "/no/such/sh");
	file("releases/2/bin/a", 0755, "#!bin/sh\n");
	verdict("current/bin/a", "unchecked", "");
	file("releases/2/bin/a", 0755, "#!\n");
	verdict("current/bin/a", "bad-format", "a script without an interpreter");
	file("releases/2/bin/a", 0755, "\xef\xbb\xbf#!/bin/sh\n");
	verdict("current/bin/a", "bad-format", "byte order mark");
}

static void first_line_longer_than_the_kernel_reads(void **context)
{
	char line[300] = "#!/";

	(void)context;
	memset(line + 3, 'x', 290);
	file("releases/2/bin/a", 0755, line);
	verdict("current/bin/a", "unchecked", "");
}

static void interpreters_in_the_release(void **context)
{
	char text[2 * PATH_MAX];
	struct run run;

	(void)context;
	(void)snprintf(text, sizeof(text), "#!%s\n", at("current/bin/vm"));
	file("releases/2/bin/a", 0755, text);
	verdict("current/bin/a", "no-interpreter", "/current/bin/vm");
	file("releases/2/bin/vm", 0644, "#!/bin/sh\n");
	run = examine_as(0, "command", "current/bin/a", "nowhere");
	assert_string_equal(of_path(&run, "verdict"), "not-executable");
	assert_non_null(strstr(of_path(&run, "file"), "/current/bin/vm"));
	run_end(&run, 0);
	file("releases/2/bin/vm", 0755, "#!/bin/sh\n");
	verdict("current/bin/a", "fine", "");
	/* One that executes itself ends, too. */
	file("releases/2/bin/vm", 0755, text);
	verdict("current/bin/a", "unchecked", "");
}

static void programs(void **context)
{
	(void)context;
	verdict("/bin/ls", "fine", "");
	file("releases/2/bin/a", 0755, "");
	verdict("current/bin/a", "bad-format", "empty");
	file("releases/2/bin/a", 0755, "echo\n");
	verdict("current/bin/a", "bad-format", "neither a program nor a script");
	file("releases/2/bin/a", 0644, "#!/bin/sh\n");
	verdict("current/bin/a", "not-executable", "");
	verdict("current/bin", "not-a-file", "");
	verdict("current/bin/b", "missing", "");
	verdict("current/bin/a/b", "missing", "");
}

static void current_is_read_as_the_release(void **context)
{
	struct run run;

	(void)context;
	file("releases/1/old", 0755, "#!/bin/sh\n");
	file("releases/2/new", 0755, "#!/bin/sh\n");
	verdict("current/new", "fine", "");
	verdict("current/old", "missing", "");
	/* By another way, too. */
	link_to("current/new", "entry");
	verdict("entry", "fine", "");
	link_to("../../current/old", "releases/2/bin/way");
	verdict("current/bin/way", "missing", "");
	verdict("current/../releases/1/old", "missing", "");
	verdict("./current/./bin/../new", "fine", "");
	link_to("loop", "loop");
	verdict("loop", "unchecked", "");
	run = examine_as(0, "command", "current/old", "nowhere");
	assert_true(flag_of_path(&run, "in_release"));
	run_end(&run, 0);
	run = examine_as(0, "command", "elsewhere", "nowhere");
	assert_false(flag_of_path(&run, "in_release"));
	run_end(&run, 0);
}

static void directories_and_files(void **context)
{
	(void)context;
	file("releases/2/env", 0600, "");
	verdict_as(0, "directory", "current", "fine", "");
	verdict_as(0, "directory", "current/env", "not-a-directory", "");
	verdict_as(0, "directory", "current/none", "missing", "");
	verdict_as(0, "file", "current/env", "fine", "");
	verdict_as(0, "file", "current/none", "missing", "");
}

static void what_the_unit_does_not_see_is_not_judged(void **context)
{
	struct run run;

	(void)context;
	run = examine_as(0, "command", "current/bin/absent", "current/bin");
	assert_string_equal(of_path(&run, "verdict"), "unchecked");
	run_end(&run, 0);
	link_to("other", "there");
	directory("other");
	run = examine_as(0, "command", "there/absent", "other");
	assert_string_equal(of_path(&run, "verdict"), "unchecked");
	run_end(&run, 0);
	run = examine_as(0, "command", "there/absent", "oth");
	assert_string_equal(of_path(&run, "verdict"), "missing");
	run_end(&run, 0);
}

static void one_directory_at_the_top(void **context)
{
	struct run run;

	(void)context;
	assert_int_equal(rmdir(at("releases/2/bin")), 0);
	directory("releases/2/bin.x");
	directory("releases/2/bin.x/bin");
	file("releases/2/bin.x/bin/a", 0755, "#!/bin/sh\n");
	run = examine_as(0, "command", "current/bin/a", "nowhere");
	assert_string_equal(of_path(&run, "verdict"), "missing");
	assert_true(flag_of_path(&run, "in_top"));
	assert_string_equal(run_text(&run, "top"), "bin.x");
	run_end(&run, 0);
	run = examine_as(0, "command", "current/bin/b", "nowhere");
	assert_false(flag_of_path(&run, "in_top"));
	run_end(&run, 0);
	file("releases/2/README", 0644, "");
	run = examine_as(0, "command", "current/bin/a", "nowhere");
	assert_false(flag_of_path(&run, "in_top"));
	assert_string_equal(run_text(&run, "top"), "(none)");
	run_end(&run, 0);
}

static void users_without_rights(void **context)
{
	struct run run;

	(void)context;
	if (geteuid() != 0)
		skip();
	file("releases/2/bin/a", 0700, "#!/bin/sh\n");
	verdict_as(NOBODY, "command", "current/bin/a", "denied", "/bin/a");
	verdict_as(NOBODY, "root", "current/bin/a", "unchecked", "");
	assert_int_equal(chmod(at("releases/2/bin"), 0700), 0);
	verdict_as(NOBODY, "command", "current/bin/a", "denied", "/releases/2/bin");
	verdict_as(NOBODY, "directory", "current/bin", "denied", "/releases/2/bin");
	verdict_as(NOBODY, "file", "current/bin/env", "unchecked", "");
	run = examine_as(NOBODY, "directory", "current", "nowhere");
	assert_string_equal(run_text(&run, "closed"), "(none)");
	run_end(&run, 0);
	assert_int_equal(chmod(at("releases/2"), 0750), 0);
	run = examine_as(NOBODY, "directory", "current", "nowhere");
	assert_non_null(strstr(run_text(&run, "closed"), "/releases/2"));
	run_end(&run, 0);
	assert_int_equal(chmod(at("releases"), 0750), 0);
	run = examine_as(NOBODY, "directory", "current", "nowhere");
	assert_string_equal(run_text(&run, "closed"), at("releases"));
	run_end(&run, 0);
}

static void wrong_options(void **context)
{
	struct run run;

	(void)context;
	run = PROBE("--current=/x");
	run_end_saying(&run, 2, "--release");
	run = PROBE("--current=/x", "--release=/y", "--shell=/bin/sh");
	run_end_saying(&run, 2, "unknown argument");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scripts, setup, teardown),
		cmocka_unit_test_setup_teardown(first_line_longer_than_the_kernel_reads,
						setup, teardown),
		cmocka_unit_test_setup_teardown(interpreters_in_the_release, setup,
						teardown),
		cmocka_unit_test_setup_teardown(programs, setup, teardown),
		cmocka_unit_test_setup_teardown(current_is_read_as_the_release, setup,
						teardown),
		cmocka_unit_test_setup_teardown(directories_and_files, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_the_unit_does_not_see_is_not_judged, setup, teardown),
		cmocka_unit_test_setup_teardown(one_directory_at_the_top, setup,
						teardown),
		cmocka_unit_test_setup_teardown(users_without_rights, setup, teardown),
		cmocka_unit_test(wrong_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
