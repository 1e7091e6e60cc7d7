/*
 * Every archive of tests/archives through the real deployd-unpack: the hostile ones are
 * refused for the reason they were made for, the good ones are unpacked, and nothing
 * outside of the staging directory changes.
 */
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
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "util/sandbox.h"

struct fixture {
	char *scratch;
	FILE *expect;
	unsigned int n_hostile, n_good;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	char text[4096];

	fixture.scratch = scratch_make();
	(void)snprintf(text, sizeof(text), "%s '%s'", MAKE_ARCHIVES, fixture.scratch);
	if (system(text) != 0)
		return -1;
	(void)snprintf(text, sizeof(text), "%s/expect.tsv", fixture.scratch);
	fixture.expect = fopen(text, "r");
	*state = &fixture;
	return fixture.expect ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	(void)fclose(fixture->expect);
	scratch_remove(fixture->scratch);
	return 0;
}

/* Beside and above the staging directory, where "../moo" would land. */
static void assert_no_escape(const struct fixture *fixture)
{
	static const char *const names[] = {"moo", "victim", "x", "link"};
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", fixture->scratch, names[i]);
		assert_int_equal(access(path, F_OK), -1);
		(void)snprintf(path, sizeof(path), "/tmp/%s", names[i]);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void check_good(const struct outcome *outcome, const char *staging,
		       const char *n_files)
{
	char path[4096];
	struct stat st;

	assert_string_equal(outcome_result(outcome), "ok");
	assert_int_equal(json_integer_value(json_object_get(outcome->result, "files")),
			 atoi(n_files));
	(void)snprintf(path, sizeof(path), "%s/bin/hello", staging);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(st.st_uid, HELPER_UID);
}

static void check(struct fixture *fixture, const char *name, const char *expected)
{
	char *staging = staging_make(fixture->scratch);
	struct outcome outcome;
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", fixture->scratch, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	outcome = helper_finish(unpack_start(UNPACK, staging, fd));
	(void)close(fd);
	(void)printf("%s: %s\n", name, outcome_message(&outcome));
	assert_true(WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 0);
	if (strncmp(name, "good/", 5) == 0) {
		check_good(&outcome, staging, expected);
		fixture->n_good++;
	} else {
		assert_string_equal(outcome_result(&outcome), "rejected");
		assert_non_null(strstr(outcome_message(&outcome), expected));
		fixture->n_hostile++;
	}
	assert_no_escape(fixture);
	outcome_deinit(&outcome);
	free(staging);
}

static void archives_are_judged_as_expected(void **state)
{
	struct fixture *fixture = *state;
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, fixture->expect) > 0) {
		char *tab = strchr(line, '\t');

		assert_non_null(tab);
		*tab = '\0';
		tab[strcspn(tab + 1, "\n") + 1] = '\0';
		/* Without a limit of memory there is nothing wrong with it. */
		if (SANDBOX_SANITIZED && strstr(line, "bomb-xz-dictionary"))
			continue;
		check(fixture, line, tab + 1);
	}
	free(line);
	assert_true(fixture->n_hostile >= 90 && fixture->n_good >= 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(archives_are_judged_as_expected),
	};

	require_root();
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
