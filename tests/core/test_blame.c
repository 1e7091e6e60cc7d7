#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/blame.h"
#include "core/job_verdict.h"
#include "core/service_result.h"
#include "core/switch_rules.h"

#define RELEASE "/srv/hello/releases/20261123T101500Z-0002"

static struct blame_facts facts_of(const char *result, int32_t status)
{
	return (struct blame_facts){.load_state = "loaded",
				    .result = result,
				    .exec_main_code = status ? CLD_EXITED : 0,
				    .exec_main_status = status,
				    .working_dir = "",
				    .current_dir = "/srv/hello/current",
				    .release_dir = RELEASE};
}

static struct failure judge_with(struct blame_facts facts, struct blame_line line)
{
	facts.lines = &line;
	facts.n_lines = 1;
	return blame_judge(&facts);
}

static const struct blame_line spawn = {
	.from_root = true,
	.is_spawn = true,
	.errnum = 2,
	.path = "/usr/bin/x",
	.message = "Failed at step EXEC spawning /usr/bin/x"};

static void check(struct failure failure, enum failure_kind kind, int32_t step,
		  int errnum)
{
	assert_int_equal(failure.kind, kind);
	assert_int_equal(failure.step, step);
	assert_int_equal(failure.errnum, errnum);
}

static void what_ran_is_told_from_what_could_not(void **state)
{
	struct blame_facts facts = facts_of("signal", 9);

	(void)state;
	check(blame_judge(&facts), FAILURE_RAN, 0, 0);
	facts = facts_of("resources", 0);
	check(blame_judge(&facts), FAILURE_MACHINE, 0, 0);
	facts = facts_of("exit-code", 3);
	facts.never_started = true;
	check(blame_judge(&facts), FAILURE_MACHINE, 0, 0);
	facts = facts_of("exit-code", 3);
	facts.load_state = "masked";
	check(blame_judge(&facts), FAILURE_MACHINE, 0, 0);
}

static void a_status_of_systemds_needs_its_entry(void **state)
{
	static const int32_t steps[] = {200, 203, 216, 217, 226, 245};

	(void)state;
	assert_false(blame_needs_journal("exit-code", CLD_EXITED, 199));
	assert_true(blame_needs_journal("exit-code", CLD_EXITED, 200));
	assert_true(blame_needs_journal("exit-code", CLD_EXITED, 245));
	assert_false(blame_needs_journal("exit-code", CLD_EXITED, 246));
	assert_false(blame_needs_journal("exit-code", CLD_KILLED, 203));
	assert_true(blame_needs_journal("exit-code", 0, 0));
	assert_false(blame_needs_journal("signal", 0, 0));
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct blame_facts facts = facts_of("exit-code", steps[i]);
		struct blame_line other = spawn;

		check(blame_judge(&facts), FAILURE_RAN, 0, 0);
		check(judge_with(facts, spawn), FAILURE_SETUP, steps[i], 2);
		other.is_spawn = false;
		check(judge_with(facts, other), FAILURE_RAN, 0, 0);
	}
}

static void only_late_steps_are_believed_of_the_apps_user(void **state)
{
	static const struct {
		int32_t step;
		enum failure_kind kind;
	} cases[] = {{200, FAILURE_SETUP}, {203, FAILURE_SETUP}, {227, FAILURE_SETUP},
		     {228, FAILURE_SETUP}, {216, FAILURE_RAN},	 {217, FAILURE_RAN},
		     {226, FAILURE_RAN}};
	struct blame_line line = spawn;

	(void)state;
	line.from_root = false;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
			judge_with(facts_of("exit-code", cases[i].step), line).kind,
			cases[i].kind);
}

static void a_path_of_the_release_blames_it(void **state)
{
	struct blame_facts facts = facts_of("exit-code", 203);
	struct blame_line line = spawn, lines[2];

	(void)state;
	line.path = "/srv/hello/current/bin/hello";
	check(judge_with(facts, line), FAILURE_OWN, 203, 2);
	line.path = RELEASE "/bin/hello";
	check(judge_with(facts, line), FAILURE_OWN, 203, 2);
	line.path = "/srv/hello/current-of-another/bin/hello";
	check(judge_with(facts, line), FAILURE_SETUP, 203, 2);
	line.path = NULL;
	check(judge_with(facts, line), FAILURE_SETUP, 203, 2);

	/* Of the directory, not of the program in it. */
	facts = facts_of("exit-code", 200);
	line.path = "/srv/hello/current/bin/hello";
	facts.working_dir = "/var/lib/missing";
	check(judge_with(facts, line), FAILURE_SETUP, 200, 2);
	facts.working_dir = "!/srv/hello/current";
	check(judge_with(facts, line), FAILURE_OWN, 200, 2);

	facts = facts_of("exit-code", 226);
	lines[0] = line;
	lines[1] = (struct blame_line){.from_root = true,
				       .message = "Failed to set up mount namespacing: "
						  "/run/systemd/unit-root/srv/hello/"
						  "current/tmp: No such file"};
	check(judge_with(facts, line), FAILURE_SETUP, 226, 2);
	facts.lines = lines;
	facts.n_lines = 2;
	check(blame_judge(&facts), FAILURE_OWN, 226, 2);
	lines[1].message = "namespacing: /srv/hello/currently: No";
	check(blame_judge(&facts), FAILURE_SETUP, 226, 2);
	lines[1].message = "namespacing: " RELEASE ": No";
	check(blame_judge(&facts), FAILURE_OWN, 226, 2);
	lines[1].from_root = false;
	check(blame_judge(&facts), FAILURE_SETUP, 226, 2);
	lines[1] = (struct blame_line){.from_root = true};
	check(blame_judge(&facts), FAILURE_SETUP, 226, 2);
}

static void a_commands_step_is_in_the_entry(void **state)
{
	struct blame_facts facts = facts_of("exit-code", 0);
	struct blame_line line = spawn;

	(void)state;
	check(blame_judge(&facts), FAILURE_RAN, 0, 0);
	check(judge_with(facts, line), FAILURE_SETUP, 203, 2);
	line.path = "/srv/hello/current/bin/migrate";
	check(judge_with(facts, line), FAILURE_OWN, 203, 2);
	line.message = "Failed at step GROUP spawning x";
	check(judge_with(facts, line), FAILURE_SETUP, 0, 2);
	line.message = NULL;
	check(judge_with(facts, line), FAILURE_SETUP, 0, 2);
}

static void memory_of_the_machine_is_nobodys(void **state)
{
	struct blame_facts facts = facts_of("oom-kill", 9);

	(void)state;
	assert_int_equal(blame_judge(&facts).kind, FAILURE_MACHINE);
	facts.has_memory_limit = true;
	assert_int_equal(blame_judge(&facts).kind, FAILURE_RAN); /* not known */
	facts.have_memory_events = true;
	assert_int_equal(blame_judge(&facts).kind, FAILURE_MACHINE);
	facts.memory_limit_is_hit = true;
	assert_int_equal(blame_judge(&facts).kind, FAILURE_RAN);
}

static void the_same_failure_of_both_is_nobodys(void **state)
{
	const struct failure ran = {.kind = FAILURE_RAN}, own = {FAILURE_OWN, 203, 2},
			     own_else = {FAILURE_OWN, 203, 13},
			     step_else = {FAILURE_OWN, 200, 2},
			     setup = {FAILURE_SETUP, 216, 3},
			     machine = {.kind = FAILURE_MACHINE};

	(void)state;
	assert_true(blame_is_release(&ran, NULL));
	assert_true(blame_is_release(&ran, &ran));
	assert_true(blame_is_release(&own, NULL));
	assert_false(blame_is_release(&own, &own));
	assert_true(blame_is_release(&own, &own_else));
	assert_true(blame_is_release(&own, &step_else));
	assert_true(blame_is_release(&own, &ran));
	assert_false(blame_is_release(&setup, NULL));
	assert_false(blame_is_release(&machine, &ran));
	assert_false(blame_is_alike(&ran, &own));
	assert_true(blame_is_alike(&machine, &machine));
}

/* Kept over a crash by its name. */
static void every_kind_has_a_name(void **state)
{
	(void)state;
	for (enum failure_kind kind = 0; kind < FAILURE_KIND_COUNT; kind++)
		assert_int_equal(failure_kind_from_name(failure_kind_name(kind)), kind);
	assert_int_equal(failure_kind_from_name("a later version's"), FAILURE_MACHINE);
}

/* --- the verdict of the job ------------------------------------------------------- */

static enum deploy_result verdict(struct job_end end, const char *words)
{
	struct errinfo error = {.result = RESULT_FAILED, .what = "it broke"};
	enum deploy_result result;

	end.result = RESULT_FAILED;
	end.back = "OLD";
	result = job_verdict(&end, &error);
	if (!strstr(error.what, words))
		fail_msg("'%s' has no '%s'", error.what, words);
	return result;
}

static void an_unblamed_failure_is_the_machines(void **state)
{
	struct job_machine machine = {.failed = true,
				      .switched = true,
				      .fallback = JOB_FALLBACK_BACK,
				      .reverted = true,
				      .restored = true};
	struct job_end end = {.machine = &machine,
			      .release_failed = true,
			      .failure = {FAILURE_SETUP, 216, 3},
			      .revert_error = "so is it"};

	(void)state;
	assert_int_equal(verdict(end, "OLD is live again"), RESULT_MACHINE);
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_GOOD); /* result was ok */
	end.result = RESULT_MACHINE;
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_NONE);
	end.failure.kind = FAILURE_RAN;
	assert_int_equal(verdict(end, "rolled back to OLD"), RESULT_ROLLED_BACK);
	end.result = RESULT_ROLLED_BACK;
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_BAD);

	/* Neither the new one nor the old one can be started. */
	machine.restored = false;
	end.failure = (struct failure){FAILURE_OWN, 203, 2};
	end.back_failed = true;
	end.back_failure = end.failure;
	assert_int_equal(verdict(end, "does not start either: so is it"),
			 RESULT_MACHINE);
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_NONE);
	end.back_failure = (struct failure){.kind = FAILURE_RAN};
	assert_int_equal(verdict(end, "rollback to OLD failed"),
			 RESULT_ROLLBACK_FAILED);
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_BAD);
	end.failure = (struct failure){FAILURE_SETUP, 216, 3};
	assert_int_equal(verdict(end, "rollback to OLD failed"),
			 RESULT_ROLLBACK_FAILED);
	assert_int_equal(job_verdict_mark(&end), JOB_MARK_NONE);

	machine.fallback = JOB_FALLBACK_STOP;
	end.back_failed = false;
	end.revert_error = "";
	assert_int_equal(verdict(end, "unit was stopped"), RESULT_MACHINE);
	end.failure.kind = FAILURE_RAN;
	assert_int_equal(verdict(end, "no earlier release"), RESULT_ROLLBACK_FAILED);
	machine.fallback = JOB_FALLBACK_NONE;
	assert_int_equal(verdict(end, "it broke"), RESULT_FAILED);
	machine.fallback = JOB_FALLBACK_BACK;
	end.stop_failed = true;
	assert_int_equal(verdict(end, "nothing new was started"), RESULT_MACHINE);
}

static void drift_fails_where_all_was_restarted(void **state)
{
	(void)state;
	assert_true(job_verdict_drift_fails(REQUIRE_VERIFIED_AUTO, true));
	assert_false(job_verdict_drift_fails(REQUIRE_VERIFIED_AUTO, false));
	assert_true(job_verdict_drift_fails(REQUIRE_VERIFIED_YES, false));
	assert_false(job_verdict_drift_fails(REQUIRE_VERIFIED_NO, true));
}

/* --- where to go back to ---------------------------------------------------------- */

#define A "20261101T000000Z-0001"
#define B "20261102T000000Z-0002"
#define C "20261103T000000Z-0003"
#define D "20261104T000000Z-0004"

/* "": none. The failed one is D, the one that was live C. */
static const char *back(struct app_view *view, const char *tried,
			char ret[RELEASE_ID_SIZE])
{
	char list[1][RELEASE_ID_SIZE] = {""};

	(void)strcpy(list[0], tried);
	ret[0] = '\0';
	if (!switch_choose_back(view, D, C, (const char(*)[RELEASE_ID_SIZE])list, 1,
				ret))
		assert_string_equal(ret, "");
	return ret;
}

static void the_next_good_one_is_taken(void **state)
{
	struct release releases[] = {{.id = D, .state = RELEASE_STATE_STAGED},
				     {.id = C, .state = RELEASE_STATE_GOOD},
				     {.id = B, .state = RELEASE_STATE_GOOD},
				     {.id = A, .state = RELEASE_STATE_GOOD}};
	struct app_view view = {.releases = releases, .n_releases = 4, .previous = A};
	char id[RELEASE_ID_SIZE];

	(void)state;
	assert_string_equal(back(&view, "", id), C);
	assert_string_equal(back(&view, C, id), A); /* where a rollback would go */
	assert_string_equal(back(&view, A, id), C);
	releases[1].state = RELEASE_STATE_BAD;
	assert_string_equal(back(&view, "", id), A);
	view.previous[0] = '\0';
	assert_string_equal(back(&view, "", id), B);
	releases[2].state = RELEASE_STATE_BAD;
	assert_string_equal(back(&view, A, id), C); /* bad, but it was live */
	assert_string_equal(back(&view, C, id), A);
	releases[3].state = RELEASE_STATE_STAGED;
	assert_string_equal(back(&view, "", id), C);
	assert_string_equal(back(&view, C, id), "");
	releases[1].state = RELEASE_STATE_UNKNOWN;
	assert_string_equal(back(&view, "", id), C);
	/* Its directory is gone. */
	(void)strcpy(releases[1].id, B);
	assert_string_equal(back(&view, "", id), "");
	assert_string_equal(back(NULL, "", id), "");
}

static void a_status_of_its_own_is_said_as_such(void **state)
{
	char text[256] = "it failed: ", why[160];

	(void)state;
	service_result_text("exit-code", CLD_EXITED, 217, why, sizeof(why));
	(void)strcat(strcat(text, why), "; see it");
	service_result_disown(text, sizeof(text), 217);
	assert_string_equal(text,
			    "it failed: its main process exited with status 217; see "
			    "it");
	service_result_disown(text, sizeof(text), 216); /* not in it */
	assert_non_null(strstr(text, "217"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ran_is_told_from_what_could_not),
		cmocka_unit_test(a_status_of_systemds_needs_its_entry),
		cmocka_unit_test(only_late_steps_are_believed_of_the_apps_user),
		cmocka_unit_test(a_path_of_the_release_blames_it),
		cmocka_unit_test(a_commands_step_is_in_the_entry),
		cmocka_unit_test(memory_of_the_machine_is_nobodys),
		cmocka_unit_test(the_same_failure_of_both_is_nobodys),
		cmocka_unit_test(every_kind_has_a_name),
		cmocka_unit_test(an_unblamed_failure_is_the_machines),
		cmocka_unit_test(drift_fails_where_all_was_restarted),
		cmocka_unit_test(the_next_good_one_is_taken),
		cmocka_unit_test(a_status_of_its_own_is_said_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
