/* deployd-users as deployd starts it: by root, with its report on fd 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

static char *dir, file[128];

static int setup(void **state)
{
	(void)state;
	require_root();
	dir = scratch_make();
	(void)snprintf(file, sizeof(file), "%s/subuid", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(dir);
	return 0;
}

static void put(const char *text, unsigned int times)
{
	FILE *out = fopen(file, "we");

	assert_non_null(out);
	for (unsigned int i = 0; i < times; i++)
		assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(file, 0600), 0);
}

static struct outcome run(const char *selector, const char *more)
{
	const char *argv[] = {"deployd-users", "--uid=61234", "--gid=61235",
			      selector,	       more,	      NULL};

	return helper_finish(helper_start(DEPLOYD_USERS, argv, -1, -1));
}

static struct outcome read_ranges(void)
{
	char selector[160];

	(void)snprintf(selector, sizeof(selector), "--ranges=%s", file);
	return run(selector, NULL);
}

static char *dump(const struct outcome *outcome, const char *key)
{
	return json_dumps(json_object_get(outcome->result, key),
			  JSON_COMPACT | JSON_ENCODE_ANY);
}

static void assert_field(const struct outcome *outcome, const char *key,
			 const char *want)
{
	char *text = dump(outcome, key);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void reads_what_only_root_may(void **state)
{
	struct outcome outcome;

	(void)state;
	put("root:100000:65536\n0:5:2\nnobody-has-this-name:1:1\nbad\n", 1);
	outcome = read_ranges();
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_field(&outcome, "ranges",
		     "[[100000,65536,0,\"root\"],[5,2,0,\"root\"]]");
	assert_int_equal(json_array_size(json_object_get(outcome.result, "warnings")),
			 2);
	outcome_deinit(&outcome);
}

static void no_file_is_no_range(void **state)
{
	struct outcome outcome;

	(void)state;
	outcome = read_ranges();
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_field(&outcome, "ranges", "[]");
	assert_field(&outcome, "warnings", "[]");
	outcome_deinit(&outcome);
}

static void refuses(const char *words)
{
	struct outcome outcome = read_ranges();

	assert_string_equal(outcome_result(&outcome), "failed");
	if (!strstr(outcome_message(&outcome), words))
		fail_msg("it says: %s", outcome_message(&outcome));
	outcome_deinit(&outcome);
}

/* Never a part of the file: what is left out would have more rights. */
static void refuses_what_is_too_much(void **state)
{
	(void)state;
	put("root:1:1\n", 16385);
	refuses("has more than 16384 ranges");
	put("# a comment that makes the file long\n", 40000);
	refuses("has more than 1048576 bytes");
}

static void complains_of_some_lines_only(void **state)
{
	struct outcome outcome;

	(void)state;
	put("nonsense\n", 1000);
	outcome = read_ranges();
	assert_int_equal(json_array_size(json_object_get(outcome.result, "warnings")),
			 16);
	outcome_deinit(&outcome);
}

static void does_not_wait_for_a_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(file, 0600), 0);
	refuses("is not a regular file");
}

static void knows_who_is_there(void **state)
{
	struct outcome outcome;

	(void)state;
	outcome = run("--of=0", NULL);
	assert_field(&outcome, "known", "true");
	assert_field(&outcome, "name", "\"root\"");
	outcome_deinit(&outcome);
	outcome = run("--name=root", "--groups=1");
	assert_field(&outcome, "uid", "0");
	assert_true(json_array_size(json_object_get(outcome.result, "gids")) >= 1);
	outcome_deinit(&outcome);
	outcome = run("--of=61234", NULL);
	assert_string_equal(outcome_result(&outcome), "ok");
	assert_field(&outcome, "known", "false");
	outcome_deinit(&outcome);
	outcome = run("--name=nobody-has-this-name", "--groups=1");
	assert_field(&outcome, "known", "false");
	outcome_deinit(&outcome);
}

static void does_nothing_without_a_question(void **state)
{
	struct outcome outcome;

	(void)state;
	outcome = run(NULL, NULL);
	assert_string_equal(outcome_result(&outcome), "failed");
	outcome_deinit(&outcome);
	outcome = run("--of=4294967295", NULL);
	assert_string_not_equal(outcome_result(&outcome), "ok");
	outcome_deinit(&outcome);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reads_what_only_root_may),
		TEST(no_file_is_no_range),
		TEST(refuses_what_is_too_much),
		TEST(complains_of_some_lines_only),
		TEST(does_not_wait_for_a_fifo),
		TEST(knows_who_is_there),
		TEST(does_nothing_without_a_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
