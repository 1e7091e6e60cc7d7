/* What is owed to an app after a crash, and when nobody has confirmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/resume.h"

#define NEW "r-new"
#define OLD "r-old"

static struct pending_switch pending_to(const char *to, const char *from)
{
	struct pending_switch pending = {.confirm_deadline_sec = 1000};

	(void)strcpy(pending.to, to);
	(void)strcpy(pending.from, from);
	return pending;
}

static void assert_plan(const struct pending_switch *pending, bool auto_rollback,
			const struct resume_plan *want)
{
	struct resume_plan plan = {.kind = JOB_KIND_COUNT};

	assert_true(resume_plan(pending, auto_rollback, &plan));
	assert_int_equal(plan.kind, want->kind);
	assert_string_equal(plan.release, want->release);
	if (want->back)
		assert_string_equal(plan.back, want->back);
	else
		assert_null(plan.back);
	if (want->live)
		assert_string_equal(plan.live, want->live);
	assert_int_equal(plan.fallback, want->fallback);
	assert_int_equal(plan.confirm_deadline_sec, want->confirm_deadline_sec);
}

static void a_switch_that_was_made_is_checked_to_its_end(void **state)
{
	struct pending_switch pending = pending_to(NEW, OLD);
	struct resume_plan want = {.kind = JOB_KIND_RECOVER,
				   .release = NEW,
				   .back = OLD,
				   .fallback = JOB_FALLBACK_BACK,
				   .confirm_deadline_sec = 1000};

	(void)state;
	assert_plan(&pending, true, &want);
	want.fallback = JOB_FALLBACK_NONE;
	assert_plan(&pending, false, &want);
}

static void a_first_release_has_nothing_to_go_back_to(void **state)
{
	struct pending_switch pending = pending_to(NEW, "");
	struct resume_plan want = {.kind = JOB_KIND_RECOVER,
				   .release = NEW,
				   .fallback = JOB_FALLBACK_STOP,
				   .confirm_deadline_sec = 1000};

	(void)state;
	assert_plan(&pending, true, &want);
	want.fallback = JOB_FALLBACK_NONE;
	assert_plan(&pending, false, &want);
}

/* It was going to OLD: never again to the release that had failed. */
static void a_rollback_that_was_begun_is_never_turned_round(void **state)
{
	struct pending_switch pending = pending_to(OLD, NEW);
	struct resume_plan want = {.kind = JOB_KIND_REVERT,
				   .release = NEW,
				   .back = OLD,
				   .fallback = JOB_FALLBACK_BACK};

	(void)state;
	pending.is_revert = true;
	assert_plan(&pending, true, &want);
	assert_plan(&pending, false, &want); /* it was begun when that was on */
	/* On a second way back the link was changed from what was tried first. */
	(void)strcpy(pending.from, "r-tried");
	(void)strcpy(pending.way_back.release, NEW);
	(void)strcpy(pending.way_back.live, "r-tried");
	want.live = "r-tried";
	assert_plan(&pending, true, &want);
}

static void a_switch_to_nowhere_is_refused(void **state)
{
	struct pending_switch pending = pending_to("", OLD);
	struct resume_plan plan = {.kind = JOB_KIND_COUNT};

	(void)state;
	for (int revert = 0; revert < 2; revert++) {
		pending.is_revert = revert;
		assert_false(resume_plan(&pending, true, &plan));
		assert_false(resume_plan(&pending, false, &plan));
	}
	pending = pending_to(NEW, "");
	pending.is_revert = true;
	assert_false(resume_plan(&pending, true, &plan));
	assert_int_equal(plan.kind, JOB_KIND_COUNT); /* untouched */
}

/* Every kind, waiting and running. */
static void the_deadline_waits_for_an_answer_only(void **state)
{
	(void)state;
	for (enum job_kind kind = 0; kind < JOB_KIND_COUNT; kind++) {
		bool running = kind == JOB_KIND_DEPLOY || kind == JOB_KIND_ACTIVATE;
		bool always = kind == JOB_KIND_ROLLBACK || kind == JOB_KIND_CONFIRM ||
			      kind == JOB_KIND_RECOVER || kind == JOB_KIND_REVERT;

		assert_int_equal(resume_answers_confirm(kind, true), running || always);
		assert_int_equal(resume_answers_confirm(kind, false), always);
	}
}

static void no_clock_makes_the_deadline_longer(void **state)
{
	(void)state;
	/* The switch was at 1000, with 60 s to confirm. */
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 1000), 60);
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 1059), 1);
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 1060), 0);
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 5000), 0);
	/* The clock was set back since. */
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 999), 60);
	assert_int_equal(resume_confirm_left_sec(1060, 1000, 0), 60);
	/* What is no time of the switch limits nothing. */
	assert_int_equal(resume_confirm_left_sec(1060, 0, 10), 1050);
	assert_int_equal(resume_confirm_left_sec(1060, 1060, 10), 1050);
	assert_int_equal(resume_confirm_left_sec(1060, 2000, 10), 1050);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_switch_that_was_made_is_checked_to_its_end),
		cmocka_unit_test(a_first_release_has_nothing_to_go_back_to),
		cmocka_unit_test(a_rollback_that_was_begun_is_never_turned_round),
		cmocka_unit_test(a_switch_to_nowhere_is_refused),
		cmocka_unit_test(the_deadline_waits_for_an_answer_only),
		cmocka_unit_test(no_clock_makes_the_deadline_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
