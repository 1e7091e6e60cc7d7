/* What the set-up verbs compute: directories, fragments, the manifest, overrides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "setup/app_file.h"
#include "setup/fragment.h"
#include "setup/manifest.h"
#include "setup/show_config.h"
#include "setup/tree.h"

static struct app_config *parse(const char *text)
{
	struct config_text one = {"hello.conf", text, strlen(text)};
	struct diag diag = {0};
	struct app_config *app = app_config_parse("hello", &one, 1, &diag);

	for (size_t i = 0; i < diag.n_messages; i++)
		print_message("%s\n", diag.messages[i]);
	diag_deinit(&diag);
	assert_non_null(app);
	return app;
}

static void assert_dir(const struct tree *tree, const char *path, const char *user,
		       const char *group, mode_t mode)
{
	const struct tree_dir *dir = tree_find(tree, path);

	assert_non_null(dir);
	assert_string_equal(dir->user, user);
	assert_string_equal(dir->group, group);
	assert_int_equal(dir->mode, mode);
}

static void tree_is_what_deployd_wants(void **state)
{
	struct app_config *app = parse("[users]\ndeploy_user = deploy\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 5);
	assert_dir(&tree, "/srv/hello", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/releases", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/bin", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/etc", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/flags", "deploy", "hello", 0755);
	assert_string_equal(tree.dirs[0].path, "/srv/hello");
	tree_deinit(&tree);
	app_config_free(app);
}

/* Only the leaves are the app's: else it would decide what is linked. */
static void what_is_linked_lies_in_shared(void **state)
{
	struct app_config *app = parse("[users]\ndeploy_user = deploy\n[release]\n"
				       "linked_dirs = log tmp/pids tmp/cache\n"
				       "linked_files = config/master.key\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 11);
	assert_dir(&tree, "/srv/hello/shared", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/shared/log", "hello", "hello", 0750);
	assert_dir(&tree, "/srv/hello/shared/tmp", "root", "hello", 0750);
	assert_dir(&tree, "/srv/hello/shared/tmp/pids", "hello", "hello", 0750);
	assert_dir(&tree, "/srv/hello/shared/tmp/cache", "hello", "hello", 0750);
	assert_dir(&tree, "/srv/hello/shared/config", "root", "hello", 0750);
	assert_true(tree_find(&tree, "/srv/hello/shared/log")->is_linked);
	assert_false(tree_find(&tree, "/srv/hello/shared/tmp")->is_linked);
	tree_deinit(&tree);
	assert_int_equal(tree_of_shared(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 6);
	tree_deinit(&tree);
	app_config_free(app);
}

static void flags_are_the_apps_too_with_touch(void **state)
{
	struct app_config *app = parse("[users]\ndeploy_user = deploy\n"
				       "[restart]\nrestart_method = touch\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_dir(&tree, "/srv/hello/flags", "deploy", "hello", 0775);
	tree_deinit(&tree);
	app_config_free(app);
}

static void kinds_have_their_owner_and_mode(void **state)
{
	struct app_config *app =
		parse("[users]\ndeploy_user = deploy\napp_group = www\n"
		      "[directories]\ndirs = runtime configuration\ndirs = state tmp\n"
		      "state_directory_mode = 700\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 9);
	assert_dir(&tree, "/run/hello", "hello", "www", 0750);
	assert_true(tree_find(&tree, "/run/hello")->is_volatile);
	assert_dir(&tree, "/etc/hello", "root", "www", 0750);
	assert_dir(&tree, "/var/lib/hello", "hello", "www", 0700);
	assert_false(tree_find(&tree, "/var/lib/hello")->is_volatile);
	assert_dir(&tree, "/var/tmp/hello", "hello", "www", 0750);
	tree_deinit(&tree);
	app_config_free(app);
}

/* Bug 1 of mix_deploy: nothing made /etc/foo, into which a file is copied. */
static void directory_of_a_copied_file_is_needed(void **state)
{
	struct app_config *app =
		parse("[users]\ndeploy_user = deploy\n"
		      "[copy_file environment]\nsrc = config/environment\n"
		      "dst = {configuration_dir}/environment\n"
		      "[copy_file off]\nsrc = x\ndst = {state_dir}/x\nenabled = no\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_dir(&tree, "/etc/hello", "root", "hello", 0750);
	assert_null(tree_find(&tree, "/var/lib/hello"));
	tree_deinit(&tree);
	app_config_free(app);
}

static void sections_have_the_last_word(void **state)
{
	struct app_config *app =
		parse("[users]\ndeploy_user = deploy\n[directories]\ndirs = logs\n"
		      "[create_dir logs]\npath = {logs_dir}\nuser = syslog\n"
		      "group = adm\nmode = 770\n"
		      "[create_dir more]\npath = {deploy_dir}/shared\n"
		      "[create_dir off]\npath = /opt/x\nenabled = no\n");
	struct tree tree;

	(void)state;
	assert_int_equal(tree_of(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 7);
	assert_dir(&tree, "/var/log/hello", "syslog", "adm", 0770);
	assert_dir(&tree, "/srv/hello/shared", "deploy", "hello", 0750);
	for (size_t i = 1; i < tree.n_dirs; i++)
		assert_true(strcmp(tree.dirs[i - 1].path, tree.dirs[i].path) < 0);
	tree_deinit(&tree);
	assert_int_equal(tree_of_releases(app, &tree), 0);
	assert_int_equal(tree.n_dirs, 5);
	tree_deinit(&tree);
	app_config_free(app);
}

static void below(void **state)
{
	(void)state;
	assert_true(tree_is_below("/srv/a", "/srv/a"));
	assert_true(tree_is_below("/srv/a/b", "/srv/a"));
	assert_false(tree_is_below("/srv/ab", "/srv/a"));
	assert_false(tree_is_below("/srv", "/srv/a"));
	assert_true(tree_has_word("runtime\nstate", "state"));
	assert_false(tree_has_word("runtime\nstates", "state"));
	assert_false(tree_has_word("stat", "state"));
	assert_false(tree_has_word(NULL, "state"));
}

static void words_are_taken_literally(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"/srv/a", "\"/srv/a\""},     {"", "\"\""},
		{"a b", "\"a b\""},	      {"50%b", "\"50%%b\""},
		{"q\"b\\", "\"q\\\"b\\\\\""}, {"l\nm\x7f", "\"l\\x0am\\x7f\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *word = fragment_word(cases[i].text);

		assert_string_equal(word, cases[i].word);
		free(word);
	}
}

static void accounts_of_two_users(void **state)
{
	struct app_config *app = parse("[users]\ndeploy_user = deploy\n"
				       "app_user = web\napp_group = www\n");
	char *text = fragment_sysusers(app);

	(void)state;
	assert_string_equal(text, "# Accounts of the app hello (deployctl)\n"
				  "g www -\n"
				  "g deploy -\n"
				  "g deployd -\n"
				  "u web -:www \"runs hello\" \"/\" -\n"
				  "u deploy -:deploy \"deploys hello\" /home/deploy "
				  "/bin/bash\n"
				  "m deploy www\n"
				  "m deploy deployd\n");
	free(text);
	app_config_free(app);
}

static void accounts_of_one_user(void **state)
{
	struct app_config *app = parse("[users]\ndeploy_user = web\napp_user = web\n");
	char *text = fragment_sysusers(app);

	(void)state;
	assert_null(strstr(text, "runs hello"));
	assert_non_null(strstr(text, "u web -:web \"deploys hello\" /home/web"));
	free(text);
	app_config_free(app);
}

static void directories_as_a_fragment(void **state)
{
	struct tree_dir dirs[] = {{"/srv/a b", "root", "www", 0750, false, false},
				  {"/run/x", "web", "www", 02770, true, false}};
	struct tree tree = {dirs, 2, NULL};
	struct app_config *app = parse("[users]\ndeploy_user = deploy\n");
	char *text = fragment_tmpfiles(app, &tree);

	(void)state;
	assert_string_equal(text, "# Directories of the app hello (deployctl)\n"
				  "d \"/srv/a b\" 0750 root www\n"
				  "d \"/run/x\" 2770 web www\n");
	free(text);
	app_config_free(app);
}

static int parse_manifest(const char *text, struct manifest **ret_manifest,
			  unsigned int *ret_line)
{
	*ret_manifest = calloc(1, sizeof(**ret_manifest));
	return manifest_parse(text, *ret_manifest, ret_line);
}

static void manifest_is_read_as_written(void **state)
{
	char *a = manifest_line(MANIFEST_FILE, "/etc/a b"),
	     *b = manifest_line(MANIFEST_DIRECTORY, "/srv/x");
	struct manifest *manifest;
	char text[64] = "";
	unsigned int line;

	(void)state;
	(void)strcat(strcat(text, a), b);
	assert_int_equal(parse_manifest(text, &manifest, &line), 0);
	assert_int_equal(manifest->n_entries, 2);
	assert_int_equal(manifest->entries[0].kind, MANIFEST_FILE);
	assert_string_equal(manifest->entries[0].path, "/etc/a b");
	assert_int_equal(manifest->entries[1].kind, MANIFEST_DIRECTORY);
	assert_string_equal(manifest->entries[1].path, "/srv/x");
	assert_false(manifest->is_torn);
	manifest_free(manifest);
	free(a);
	free(b);
}

/* The power went while a line was written: what it was about was not made yet. */
static void torn_line_is_dropped(void **state)
{
	struct manifest *manifest;
	unsigned int line;

	(void)state;
	assert_int_equal(parse_manifest("d /srv/x\nf /et", &manifest, &line), 0);
	assert_int_equal(manifest->n_entries, 1);
	assert_true(manifest->is_torn);
	manifest_free(manifest);
}

static void foreign_manifest_is_refused(void **state)
{
	static const char *const texts[] = {"f /a\nx /b\n", "f /a\nf b\n", "f /a\n\n",
					    "f /a\nf/b\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct manifest *manifest;
		unsigned int line = 0;

		assert_true(parse_manifest(texts[i], &manifest, &line) < 0);
		assert_int_equal(line, 2);
		manifest_free(manifest);
	}
}

static void environment_stands_in_for_an_option(void **state)
{
	char text[APP_FILE_OVERRIDE_SIZE];

	(void)state;
	assert_true(app_file_override("users", "app_user", "web", text));
	assert_string_equal(text, "[users]\napp_user = web\n");
	assert_false(app_file_override("users", "app_user", "", text));
	assert_false(app_file_override("users", "app_user", "a\nbase_dir = /", text));
	assert_false(app_file_override("users", "app_user", "{deploy_user}", text));
	assert_false(app_file_override("users", "app_user", "a b", text));
	assert_false(app_file_override("users", "app_user", "a;b", text));
}

static void values_are_read_back(void **state)
{
	static const char *const values[] = {"x",	  "a b",   "a # b", "a#b",
					     "#a",	  "\"a\"", " a ",   "{x}",
					     "a ; \"b\\", "a\\b"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char *written = show_config_value(values[i]), text[256];
		struct app_config *app;

		(void)snprintf(text, sizeof(text),
			       "[users]\ndeploy_user = deploy\n[commands]\nx = %s\n",
			       written);
		app = parse(text);
		assert_string_equal(app->commands[0].command, values[i]);
		app_config_free(app);
		free(written);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_linked_lies_in_shared),
		cmocka_unit_test(tree_is_what_deployd_wants),
		cmocka_unit_test(flags_are_the_apps_too_with_touch),
		cmocka_unit_test(kinds_have_their_owner_and_mode),
		cmocka_unit_test(directory_of_a_copied_file_is_needed),
		cmocka_unit_test(sections_have_the_last_word),
		cmocka_unit_test(below),
		cmocka_unit_test(words_are_taken_literally),
		cmocka_unit_test(accounts_of_two_users),
		cmocka_unit_test(accounts_of_one_user),
		cmocka_unit_test(directories_as_a_fragment),
		cmocka_unit_test(manifest_is_read_as_written),
		cmocka_unit_test(torn_line_is_dropped),
		cmocka_unit_test(foreign_manifest_is_refused),
		cmocka_unit_test(environment_stands_in_for_an_option),
		cmocka_unit_test(values_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
