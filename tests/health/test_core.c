/* The pure parts: command lines, what a unit's state means, what a verification is. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/health_judge.h"
#include "core/verification.h"
#include "deploy/command_line.h"

/* --- command lines ------------------------------------------------------------------
 */

static void assert_words(const char *text, const char *const *words)
{
	const char *fault = NULL;
	char **argv = command_line_split(text, &fault);
	size_t n = 0;

	assert_non_null(argv);
	for (; words[n]; n++)
		assert_string_equal(argv[n], words[n]);
	assert_null(argv[n]);
	free(argv);
}

#define ASSERT_WORDS(text, ...)                                                        \
	assert_words(text, (const char *const[]){__VA_ARGS__, NULL})

static void assert_fault(const char *text, const char *words)
{
	const char *fault = NULL;

	assert_null(command_line_split(text, &fault));
	assert_non_null(strstr(fault, words));
}

static void words_are_split_as_systemd_does(void **state)
{
	(void)state;
	ASSERT_WORDS("/bin/true", "/bin/true");
	ASSERT_WORDS("  /bin/echo  a\tb ", "/bin/echo", "a", "b");
	ASSERT_WORDS("/bin/echo \"a b\" 'c \"d'", "/bin/echo", "a b", "c \"d");
	ASSERT_WORDS("/bin/echo a\"b c\"d ''", "/bin/echo", "ab cd", "");
	ASSERT_WORDS("/bin/echo \\x41\\102\\n\\s\\\\ \\;", "/bin/echo", "AB\n \\", ";");
	ASSERT_WORDS("/bin/echo $HOME ${A}x %n *", "/bin/echo", "$HOME", "${A}x", "%n",
		     "*");
	ASSERT_WORDS("/bin/echo a;b", "/bin/echo", "a;b");
}

static void a_line_that_cannot_be_split_says_why(void **state)
{
	(void)state;
	assert_fault("", "empty");
	assert_fault(" \t", "empty");
	assert_fault("'' a", "empty");
	assert_fault("/bin/echo 'a", "quote");
	assert_fault("/bin/echo \"a'", "quote");
	assert_fault("/bin/echo a\\", "escape");
	assert_fault("/bin/echo \\q", "escape");
	assert_fault("/bin/echo \\x4", "escape");
	assert_fault("/bin/echo \\x00", "escape");
	assert_fault("/bin/echo \\000", "escape");
	assert_fault("/bin/echo \\777", "escape");
	assert_fault("/bin/echo a ; /bin/false", "';'");
}

static void the_number_of_words_is_bounded(void **state)
{
	char text[2 * COMMAND_LINE_WORDS_MAX + 8];
	const char *fault = NULL;
	char **argv;

	(void)state;
	for (size_t i = 0; i < COMMAND_LINE_WORDS_MAX; i++)
		memcpy(text + 2 * i, "a ", 3);
	argv = command_line_split(text, &fault);
	assert_non_null(argv);
	assert_string_equal(argv[COMMAND_LINE_WORDS_MAX - 1], "a");
	assert_null(argv[COMMAND_LINE_WORDS_MAX]);
	free(argv);
	strcat(text, "b");
	assert_fault(text, "too many");
}

/* --- a unit's state -----------------------------------------------------------------
 */

static struct health_facts running(void)
{
	return (struct health_facts){
		.unit = "hello.service",
		.load_state = "loaded",
		.active_state = "active",
		.sub_state = "running",
		.result = "success",
		.n_restarts = 3,
		.restarts_before = 3,
		.oom_kills = 2,
		.oom_kills_before = 2,
	};
}

static enum health_verdict judge(const struct health_facts *facts)
{
	char why[512] = "";

	return health_judge(facts, why, sizeof(why));
}

static void assert_failed(const struct health_facts *facts, const char *words)
{
	char why[512] = "";

	assert_int_equal(health_judge(facts, why, sizeof(why)), HEALTH_VERDICT_FAILED);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_non_null(strstr(why, "hello.service"));
}

static void one_that_runs_is_active(void **state)
{
	struct health_facts facts = running();

	(void)state;
	assert_int_equal(judge(&facts), HEALTH_VERDICT_ACTIVE);
	facts.active_state = "reloading";
	assert_int_equal(judge(&facts), HEALTH_VERDICT_ACTIVE);
	facts.active_state = "activating";
	facts.sub_state = "start";
	assert_int_equal(judge(&facts), HEALTH_VERDICT_WAITING);
	facts.active_state = "deactivating";
	assert_int_equal(judge(&facts), HEALTH_VERDICT_WAITING);
}

static void every_failure_has_its_words(void **state)
{
	static const char *const results[][2] = {
		{"oom-kill", "memory"},
		{"watchdog", "watchdog"},
		{"start-limit-hit", "often"},
		{"timeout", "time limit"},
		{"protocol", "Type="},
		{"resources", "set it up"},
		{"exec-condition", "ExecCondition"},
		{"something-new", "'something-new'"},
	};
	struct health_facts facts = running();

	(void)state;
	facts.active_state = "failed";
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		facts.result = results[i][0];
		assert_failed(&facts, results[i][1]);
	}
	facts.result = "exit-code";
	facts.exec_main_code = CLD_EXITED;
	facts.exec_main_status = 7;
	assert_failed(&facts, "exited with status 7");
	facts.result = "signal";
	facts.exec_main_code = CLD_KILLED;
	facts.exec_main_status = SIGKILL;
	assert_failed(&facts, "killed by signal 9 (Killed)");
	facts.result = "core-dump";
	facts.exec_main_code = CLD_DUMPED;
	facts.exec_main_status = SIGSEGV;
	assert_failed(&facts, "dumped core");
}

static void a_result_other_than_success_fails_though_active(void **state)
{
	struct health_facts facts = running();

	(void)state;
	facts.result = "watchdog";
	assert_failed(&facts, "watchdog");
}

static void a_restart_fails(void **state)
{
	struct health_facts facts = running();

	(void)state;
	facts.n_restarts = 4;
	assert_failed(&facts, "systemd restarted it");
	facts = running();
	facts.active_state = "activating";
	facts.sub_state = "auto-restart";
	facts.result = "exit-code";
	facts.exec_main_code = CLD_EXITED;
	facts.exec_main_status = 1;
	assert_failed(&facts, "exited with status 1");
}

static void an_oom_kill_fails(void **state)
{
	struct health_facts facts = running();

	(void)state;
	facts.oom_kills = 3;
	assert_failed(&facts, "killed 1 of its processes");
}

static void what_is_not_there_fails(void **state)
{
	struct health_facts facts = running();

	(void)state;
	facts.load_state = "masked";
	assert_failed(&facts, "masked");
	facts.load_state = "not-found";
	assert_failed(&facts, "not-found");
	facts = running();
	facts.active_state = "inactive";
	assert_failed(&facts, "not running");
}

static void one_that_is_there_to_end_may_end(void **state)
{
	struct health_facts facts = running();

	(void)state;
	facts.oneshot = true;
	facts.active_state = "inactive";
	assert_int_equal(judge(&facts), HEALTH_VERDICT_ACTIVE);
	facts.active_state = "failed";
	facts.result = "exit-code";
	assert_failed(&facts, "failed");
}

/* --- verifications
 * -------------------------------------------------------------------------
 */

#define NEW "20261124T101500Z-0002"
#define OLD "20261123T101500Z-0001"
#define DIR "/srv/hello/releases"

static const char *lib_old[] = {DIR "/" OLD "/lib/x.so"};
static const char *lib_new[] = {DIR "/" NEW "/lib/x.so"};

static struct verification_process process(int64_t pid, const char *cwd,
					   const char *exe)
{
	return (struct verification_process){
		.pid = pid, .comm = "hello", .cwd = cwd, .exe = exe, .readable = true};
}

static enum verification_verdict verify(const struct verification_process *processes,
					size_t n, char reason[VERIFICATION_REASON_SIZE])
{
	struct verification_report report = {.releases_dir = DIR,
					     .main_pid = 10,
					     .processes = processes,
					     .n_processes = n};

	reason[0] = '\0';
	return verification_judge(&report, NEW, reason);
}

static void one_path_in_the_release_is_verification(void **state)
{
	char reason[VERIFICATION_REASON_SIZE];
	struct verification_process p[] = {process(10, DIR "/" NEW, "/usr/bin/node"),
					   process(11, "/", "/usr/bin/node")};

	(void)state;
	assert_int_equal(verify(p, 2, reason), VERIFICATION_VERIFIED);
	p[0] = process(10, "/", DIR "/" NEW "/bin/hello");
	assert_int_equal(verify(p, 2, reason), VERIFICATION_VERIFIED);
	p[0] = process(10, "/", "/usr/bin/node");
	p[0].mapped = lib_new;
	p[0].n_mapped = 1;
	assert_int_equal(verify(p, 2, reason), VERIFICATION_VERIFIED);
	assert_string_equal(reason, "");
}

static void a_child_of_the_release_does_not_verify_the_main_process(void **state)
{
	char reason[VERIFICATION_REASON_SIZE];
	struct verification_process p[] = {process(10, "/", "/usr/bin/node"),
					   process(11, DIR "/" NEW, "/usr/bin/node")};

	(void)state;
	assert_int_equal(verify(p, 2, reason), VERIFICATION_UNKNOWN);
	assert_non_null(strstr(reason, "pid 10"));
	assert_int_equal(verify(p + 1, 1, reason), VERIFICATION_UNKNOWN);
	assert_non_null(strstr(reason, "no main process"));
	assert_int_equal(verify(p, 0, reason), VERIFICATION_UNKNOWN);
}

static void another_release_is_drift(void **state)
{
	char reason[VERIFICATION_REASON_SIZE];
	struct verification_process p[] = {
		process(10, DIR "/" NEW, DIR "/" NEW "/bin/hello"),
		process(11, DIR "/" OLD, "/usr/bin/node")};

	(void)state;
	assert_int_equal(verify(p, 2, reason), VERIFICATION_DRIFT);
	assert_string_equal(reason, "pid 11 (hello) runs from " DIR "/" OLD);
	p[1] = process(11, "/", DIR "/" OLD "/bin/x");
	assert_int_equal(verify(p, 2, reason), VERIFICATION_DRIFT);
	p[1] = process(11, "/", "/usr/bin/node");
	p[1].mapped = lib_old;
	p[1].n_mapped = 1;
	assert_int_equal(verify(p, 2, reason), VERIFICATION_DRIFT);
	/* A longer name is another name. */
	p[1] = process(11, DIR "/" NEW "9", "/usr/bin/node");
	assert_int_equal(verify(p, 2, reason), VERIFICATION_DRIFT);
	p[1] = process(11, DIR "/.staging/x", "/usr/bin/node");
	assert_int_equal(verify(p, 2, reason), VERIFICATION_DRIFT);
	/* But not what only looks like the directory of releases. */
	p[1] = process(11, DIR "2/" OLD, "/usr/bin/node");
	assert_int_equal(verify(p, 2, reason), VERIFICATION_VERIFIED);
}

static void drift_is_said_even_when_another_cannot_be_read(void **state)
{
	char reason[VERIFICATION_REASON_SIZE];
	struct verification_process p[] = {process(10, DIR "/" NEW, "/usr/bin/node"),
					   process(11, "", ""),
					   process(12, DIR "/" OLD, "")};

	(void)state;
	p[1].readable = false;
	assert_int_equal(verify(p, 3, reason), VERIFICATION_DRIFT);
	assert_int_equal(verify(p, 2, reason), VERIFICATION_UNKNOWN);
	assert_non_null(strstr(reason, "pid 11"));
}

static void what_was_deleted_below_the_releases_is_drift(void **state)
{
	char reason[VERIFICATION_REASON_SIZE];
	struct verification_process p[] = {
		process(10, DIR "/" NEW, DIR "/" NEW "/bin/hello (deleted)")};

	(void)state;
	p[0].deleted = true;
	assert_int_equal(verify(p, 1, reason), VERIFICATION_DRIFT);
	assert_non_null(strstr(reason, "deleted"));
	/* An upgrade of the interpreter. */
	p[0] = process(10, "/", "/usr/bin/python3 (deleted)");
	p[0].deleted = true;
	p[0].mapped = lib_new;
	p[0].n_mapped = 1;
	assert_int_equal(verify(p, 1, reason), VERIFICATION_VERIFIED);
}

static void too_many_processes_prove_nothing(void **state)
{
	struct verification_process p = process(10, DIR "/" NEW, "/usr/bin/node");
	struct verification_report report = {.releases_dir = DIR,
					     .main_pid = 10,
					     .processes = &p,
					     .n_processes = 1,
					     .truncated = true};
	char reason[VERIFICATION_REASON_SIZE];

	(void)state;
	assert_int_equal(verification_judge(&report, NEW, reason),
			 VERIFICATION_UNKNOWN);
	assert_false(verification_complete(&report));
	report.truncated = false;
	assert_true(verification_complete(&report));
	p.readable = false;
	assert_false(verification_complete(&report));
}

static void hostile_names_are_escaped(void **state)
{
	struct verification_process p[] = {process(10, DIR "/" OLD "/\x1b[31m\n", "")};
	char reason[VERIFICATION_REASON_SIZE];

	(void)state;
	p[0].comm = "a\nb";
	assert_int_equal(verify(p, 1, reason), VERIFICATION_DRIFT);
	assert_null(strchr(reason, '\n'));
	assert_null(strchr(reason, '\x1b'));
}

static void a_release_is_found_in_a_path(void **state)
{
	char id[RELEASE_ID_SIZE] = "untouched";

	(void)state;
	assert_false(verification_release_of(DIR, "/srv/hello/current", id));
	assert_false(verification_release_of(DIR, DIR "/.staging/" NEW, id));
	assert_false(verification_release_of(DIR, DIR, id));
	assert_false(verification_release_of(DIR, DIR "/" NEW NEW "/x", id));
	assert_string_equal(id, "untouched");
	assert_true(verification_release_of(DIR, DIR "/" NEW "/bin/hello", id));
	assert_string_equal(id, NEW);
	assert_true(verification_release_of(DIR, DIR "/" OLD " (deleted)", id));
	assert_string_equal(id, OLD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_split_as_systemd_does),
		cmocka_unit_test(a_line_that_cannot_be_split_says_why),
		cmocka_unit_test(the_number_of_words_is_bounded),
		cmocka_unit_test(one_that_runs_is_active),
		cmocka_unit_test(every_failure_has_its_words),
		cmocka_unit_test(a_result_other_than_success_fails_though_active),
		cmocka_unit_test(a_restart_fails),
		cmocka_unit_test(an_oom_kill_fails),
		cmocka_unit_test(what_is_not_there_fails),
		cmocka_unit_test(one_that_is_there_to_end_may_end),
		cmocka_unit_test(one_path_in_the_release_is_verification),
		cmocka_unit_test(
			a_child_of_the_release_does_not_verify_the_main_process),
		cmocka_unit_test(another_release_is_drift),
		cmocka_unit_test(drift_is_said_even_when_another_cannot_be_read),
		cmocka_unit_test(what_was_deleted_below_the_releases_is_drift),
		cmocka_unit_test(too_many_processes_prove_nothing),
		cmocka_unit_test(hostile_names_are_escaped),
		cmocka_unit_test(a_release_is_found_in_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
