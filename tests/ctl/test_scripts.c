#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/verb_name.h"
#include "deploy/diag.h"
#include "scripts/scripts.h"
#include "verbs.h"

static const char *name_of(const char *base, const char *prefix)
{
	const struct script *script = script_find(base, prefix);

	return script ? script->name : NULL;
}

static void a_name_is_one_behind_either_prefix(void **state)
{
	(void)state;
	assert_string_equal(name_of("deploy-restart", NULL), "restart");
	assert_string_equal(name_of("deploy-restart", "my_"), "restart");
	assert_string_equal(name_of("my_restart", "my_"), "restart");
	assert_string_equal(name_of("deploy-start", "deploy-"), "start");
	assert_null(name_of("restart", "my_"));
	assert_null(name_of("my_restart", NULL));
	assert_null(name_of("my_restarts", "my_"));
	assert_null(name_of("deploy-", NULL));
	assert_null(name_of("deploy-deploy-start", NULL));
	assert_string_equal(name_of("start", ""), "start");
}

static void only_a_script_takes_deployctl_over(void **state)
{
	(void)state;
	assert_true(script_is_name("/srv/foo/bin/deploy-restart"));
	assert_true(script_is_name("deploy-unknown"));
	assert_true(script_is_name("my_init-local"));
	assert_false(script_is_name("deployctl"));
	assert_false(script_is_name("/usr/bin/deployctl"));
	assert_false(script_is_name("./deployctl-1.2"));
	assert_false(script_is_name("start"));
	assert_false(script_is_name("/srv/deploy-x/deployctl"));
	assert_false(script_is_name(""));
}

static void every_script_is_a_verb_or_says_what_to_do(void **state)
{
	(void)state;
	assert_int_equal(n_scripts, 24); /* mix_deploy's 25 templates but sudoers */
	for (size_t i = 0; i < n_scripts; i++) {
		if (scripts[i].verb)
			assert_non_null(verb_find(&verbs, scripts[i].verb));
		assert_true(!scripts[i].verb == !!scripts[i].instead);
	}
}

static void the_directory_of_a_path(void **state)
{
	static const struct {
		const char *path, *dir;
	} cases[] = {{"deploy-start", "."},
		     {"./deploy-start", "."},
		     {"/deploy-start", "/"},
		     {"/srv/foo/bin/deploy-start", "/srv/foo/bin"},
		     {"", "."}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *dir = script_directory(cases[i].path);

		assert_string_equal(dir, cases[i].dir);
		free(dir);
	}
}

/* --- what was built ----------------------------------------------------------------
 */

static struct app_config *app_of(const char *lines)
{
	char text[512];
	struct config_text file = {"foo.conf", text, 0};
	struct diag diag = {0};
	struct app_config *app;

	file.length = (size_t)snprintf(
		text, sizeof(text), "[users]\ndeploy_user = deploy\n[app]\n%s", lines);
	app = app_config_parse("foo", &file, 1, &diag);
	assert_non_null(app);
	assert_false(diag.has_errors);
	diag_deinit(&diag);
	return app;
}

static void make(const char *path, const char *text)
{
	char copy[256];
	FILE *file;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = strchr(copy, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		(void)mkdir(copy, 0755);
		*p = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check(const char *lines, const char *path, const char *version)
{
	struct app_config *app = app_of(lines);
	struct errinfo ei = {0};
	struct build build;
	int r = build_find(app, &build, &ei);

	if (path) {
		assert_int_equal(r, 0);
		assert_string_equal(build.path, path);
		assert_string_equal(build.version, version);
	} else {
		assert_true(r < 0);
		assert_int_equal(ei.result, RESULT_NOT_FOUND);
		assert_non_null(strstr(ei.what, "deployctl deploy foo FILE"));
	}
	app_config_free(app);
}

static void the_archive_is_that_of_the_last_build(void **state)
{
	(void)state;
	check("", NULL, NULL);
	make("_build/prod/foo-1.0.0.tar.gz", "");
	make("_build/prod/foo-1.1.0.tar.gz", "");
	check("", NULL, NULL); /* nobody knows which */
	make("_build/prod/rel/foo/releases/start_erl.data", "13.1.5 1.1.0\n");
	check("", "_build/prod/foo-1.1.0.tar.gz", "1.1.0");
	check("version = 1.0.0\n", "_build/prod/foo-1.0.0.tar.gz", "1.0.0");
	check("version = 3\n", NULL, NULL);
	check("mix_env = staging\n", NULL, NULL);
	assert_int_equal(setenv("RELEASE_VSN", "1.0.0", 1), 0);
	check("version = 1.1.0\n", "_build/prod/foo-1.0.0.tar.gz", "1.0.0");
	assert_int_equal(setenv("RELEASE_VSN", "", 1), 0);
	check("", "_build/prod/foo-1.1.0.tar.gz", "1.1.0");
	assert_int_equal(unsetenv("RELEASE_VSN"), 0);
	make("_build/prod/bar-1.1.0.tar.gz", "");
	make("_build/prod/rel/bar/releases/start_erl.data", "13.1.5 1.1.0");
	check("release_name = bar\n", "_build/prod/bar-1.1.0.tar.gz", "1.1.0");
	assert_int_equal(setenv("RELEASE_NAME", "bar", 1), 0);
	check("", "_build/prod/bar-1.1.0.tar.gz", "1.1.0");
	assert_int_equal(unsetenv("RELEASE_NAME"), 0);
	make("_build/prod/rel/foo/releases/1.1.0/foo.tar.gz", "");
	check("release_system = distillery\n",
	      "_build/prod/rel/foo/releases/1.1.0/foo.tar.gz", "1.1.0");
	make("_build/prod/rel/foo/releases/start_erl.data", "torn");
	check("", NULL, NULL);
}

static int enter(void **state)
{
	static char dir[] = "/tmp/test_scripts.XXXXXX";

	*state = mkdtemp(dir);
	return *state ? chdir(dir) : -1;
}

static int leave(void **state)
{
	char command[64];

	/* Relative names only, made by this test. */
	(void)snprintf(command, sizeof(command), "rm -r '%s'", (char *)*state);
	return chdir("/") == 0 ? system(command) : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_one_behind_either_prefix),
		cmocka_unit_test(only_a_script_takes_deployctl_over),
		cmocka_unit_test(every_script_is_a_verb_or_says_what_to_do),
		cmocka_unit_test(the_directory_of_a_path),
		cmocka_unit_test_setup_teardown(the_archive_is_that_of_the_last_build,
						enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
