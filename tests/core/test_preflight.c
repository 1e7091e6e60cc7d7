/* What a preflight refuses, whose fault it says that is, and the words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/preflight.h"

static struct preflight_path path;
static struct preflight_unit unit;
static struct preflight_question question;
static struct errinfo why;

static int setup(void **context)
{
	(void)context;
	path = (struct preflight_path){
		.use = PREFLIGHT_USE_COMMAND,
		.setting = "ExecStart",
		.path = (char *)"/srv/hello/current/bin/hello",
		.in_release = true,
	};
	unit = (struct preflight_unit){
		.load_state = "loaded",
		.user = (char *)"hello",
		.group = (char *)"hello",
		.paths = &path,
		.n_paths = 1,
	};
	question = (struct preflight_question){
		.app = "hello",
		.unit = "hello.service",
		.release = "20261129T000000Z-0001",
		.releases_dir = "/srv/hello/releases",
		.current_dir = "/srv/hello/current",
		.app_user = "hello",
		.app_group = "hello",
		.facts = &unit,
		.top = "",
		.closed = "",
	};
	memset(&why, 0, sizeof(why));
	return 0;
}

static void permitted(void)
{
	if (!preflight_permits(&question, &why))
		fail_msg("refused: %s", why.what);
}

static void refused(enum deploy_result result, const char *text)
{
	assert_false(preflight_permits(&question, &why));
	if (!strstr(why.what, text))
		fail_msg("no '%s' in: %s", text, why.what);
	assert_int_equal(why.result, result);
}

static void outside(const char *file)
{
	path.path = (char *)file;
	path.in_release = false;
}

static void names_are_read_back(void **context)
{
	(void)context;
	for (unsigned int i = 0; i < PREFLIGHT_VERDICT_COUNT; i++)
		assert_int_equal(preflight_verdict_from_name(preflight_verdict_name(
					 (enum preflight_verdict)i)),
				 i);
	for (unsigned int i = 0; i < PREFLIGHT_USE_COUNT; i++)
		assert_int_equal(preflight_use_from_name(
					 preflight_use_name((enum preflight_use)i)),
				 i);
	assert_int_equal(preflight_verdict_from_name("bad"), PREFLIGHT_VERDICT_COUNT);
	assert_int_equal(preflight_use_from_name(""), PREFLIGHT_USE_COUNT);
}

static void what_is_fine_or_unknown_is_permitted(void **context)
{
	(void)context;
	permitted();
	path.verdict = PREFLIGHT_UNCHECKED;
	permitted();
}

static void faults_of_the_archive_are_rejected(void **context)
{
	static const struct {
		enum preflight_verdict verdict;
		const char *detail, *text;
	} cases[] = {
		{PREFLIGHT_MISSING, "",
		 "hello.service could not start: '/srv/hello/current/bin/hello' does "
		 "not "
		 "exist in the release; add 'bin/hello' to the archive, or change "
		 "ExecStart= in the unit"},
		{PREFLIGHT_NOT_A_FILE, "", "is not a regular file"},
		{PREFLIGHT_NOT_EXECUTABLE, "", "run `chmod +x bin/hello`"},
		{PREFLIGHT_CRLF, "", "run `sed -i 's/\\r$//' bin/hello`"},
		{PREFLIGHT_NO_INTERPRETER, "/bin/nope",
		 "needs '/bin/nope', which does not exist"},
		{PREFLIGHT_WRONG_MACHINE, "ARM64", "another machine (ARM64)"},
		{PREFLIGHT_BAD_FORMAT, "empty", "cannot be executed: it is empty"},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		path.verdict = cases[i].verdict;
		(void)snprintf(path.detail, sizeof(path.detail), "%s", cases[i].detail);
		refused(RESULT_REJECTED, cases[i].text);
	}
}

static void faults_of_the_machine_are_not_the_archives(void **context)
{
	(void)context;
	path.verdict = PREFLIGHT_NOEXEC;
	refused(RESULT_FAILED, "mounted with noexec");
	path.verdict = PREFLIGHT_MISSING;
	outside("/usr/local/bin/absent");
	refused(RESULT_FAILED, "does not exist on this machine");
	path.use = PREFLIGHT_USE_DIRECTORY;
	refused(RESULT_FAILED, "its working directory '/usr/local/bin/absent'");
	path.verdict = PREFLIGHT_NOT_A_DIRECTORY;
	refused(RESULT_FAILED, "is not a directory");
	path.use = PREFLIGHT_USE_FILE;
	path.verdict = PREFLIGHT_MISSING;
	refused(RESULT_FAILED, "EnvironmentFile=-/usr/local/bin/absent");
}

/* An interpreter in the release has the fault itself. */
static void the_file_at_fault_is_named(void **context)
{
	(void)context;
	path.verdict = PREFLIGHT_NOT_EXECUTABLE;
	(void)snprintf(path.file, sizeof(path.file), "/srv/hello/current/bin/vm");
	refused(RESULT_REJECTED, "'/srv/hello/current/bin/vm' is not executable");
}

static void a_top_directory_is_told(void **context)
{
	(void)context;
	path.verdict = PREFLIGHT_MISSING;
	path.in_top = true;
	question.top = "hello-1.0";
	refused(RESULT_REJECTED, "in a directory 'hello-1.0'");
	refused(RESULT_REJECTED, "set strip_components = 1 in the app's file (or "
				 "deploy with --strip-components=1)");
	refused(RESULT_REJECTED, "tar -xf ARCHIVE -C new --strip-components=1 && "
				 "tar -czf NEW.tar.gz -C new .");
}

static void what_the_user_may_not_do(void **context)
{
	(void)context;
	path.verdict = PREFLIGHT_DENIED;
	(void)snprintf(path.detail, sizeof(path.detail), "/srv/hello");
	refused(RESULT_FAILED, "its user 'hello' may not enter or read '/srv/hello'");
	path.verdict = PREFLIGHT_FINE;
	question.closed = "/srv/hello/releases";
	refused(RESULT_FAILED, "may not enter or read '/srv/hello/releases'");
	/* Root may, by whatever name. */
	path.verdict = PREFLIGHT_DENIED;
	unit.user = (char *)"0";
	permitted();
	unit.user = (char *)"root";
	permitted();
	unit.user = NULL;
	permitted();
	path.verdict = PREFLIGHT_MISSING;
	refused(RESULT_REJECTED, "does not exist");
}

static void users_and_groups_must_exist(void **context)
{
	(void)context;
	question.identity_status = PREFLIGHT_EXIT_OF_USER;
	refused(RESULT_FAILED, "User=hello does not exist");
	question.identity_status = PREFLIGHT_EXIT_OF_GROUP;
	refused(RESULT_FAILED, "Group=hello");
}

static void a_stale_unit_file_is_refused_first(void **context)
{
	(void)context;
	unit.need_daemon_reload = true;
	path.verdict = PREFLIGHT_MISSING;
	refused(RESULT_FAILED, "run `systemctl daemon-reload`");
	assert_false(preflight_needs_files(&unit));
}

static void other_units_may_make_files(void **context)
{
	(void)context;
	unit.pulls_in_services = true;
	path.verdict = PREFLIGHT_MISSING;
	refused(RESULT_REJECTED, "does not exist in the release");
	outside("/run/hello.env");
	path.use = PREFLIGHT_USE_FILE;
	permitted();
	path.use = PREFLIGHT_USE_DIRECTORY;
	permitted();
}

static void exec_paths_end_a_noexec(void **context)
{
	(void)context;
	unit.exec_paths = true;
	path.verdict = PREFLIGHT_NOEXEC;
	permitted();
}

static void what_cannot_be_seen_is_not_examined(void **context)
{
	(void)context;
	path.verdict = PREFLIGHT_MISSING;
	unit.why_not = "RootImage=";
	assert_false(preflight_needs_files(&unit));
	permitted();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names_are_read_back, setup),
		cmocka_unit_test_setup(what_is_fine_or_unknown_is_permitted, setup),
		cmocka_unit_test_setup(faults_of_the_archive_are_rejected, setup),
		cmocka_unit_test_setup(faults_of_the_machine_are_not_the_archives,
				       setup),
		cmocka_unit_test_setup(the_file_at_fault_is_named, setup),
		cmocka_unit_test_setup(a_top_directory_is_told, setup),
		cmocka_unit_test_setup(what_the_user_may_not_do, setup),
		cmocka_unit_test_setup(users_and_groups_must_exist, setup),
		cmocka_unit_test_setup(a_stale_unit_file_is_refused_first, setup),
		cmocka_unit_test_setup(other_units_may_make_files, setup),
		cmocka_unit_test_setup(exec_paths_end_a_noexec, setup),
		cmocka_unit_test_setup(what_cannot_be_seen_is_not_examined, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
