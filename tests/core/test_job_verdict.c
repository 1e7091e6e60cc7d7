/* What a job that has ended is called, in each way in which it can end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/job_verdict.h"

static struct job_machine machine;
static struct job_end end;
static struct errinfo error;

/* A deploy that switched, failed, and went back to what was live before. */
static int set_up(void **state)
{
	(void)state;
	machine = (struct job_machine){.kind = JOB_KIND_DEPLOY,
				       .fallback = JOB_FALLBACK_BACK,
				       .failed = true,
				       .switched = true,
				       .reverted = true,
				       .restored = true};
	end = (struct job_end){.machine = &machine,
			       .result = RESULT_FAILED,
			       .back = "r-old",
			       .revert_error = ""};
	error = (struct errinfo){.result = RESULT_FAILED, .what = "it crashed"};
	return 0;
}

static void assert_verdict(enum deploy_result result, const char *text)
{
	assert_int_equal(job_verdict(&end, &error), result);
	assert_int_equal(error.result, result);
	assert_string_equal(error.what, text);
	(void)set_up(NULL);
}

static void one_that_went_back_is_rolled_back(void **state)
{
	(void)state;
	assert_verdict(RESULT_ROLLED_BACK, "it crashed; rolled back to r-old");
}

static void one_that_could_not_go_back_says_both(void **state)
{
	(void)state;
	machine.restored = false;
	end.revert_error = "it does not start either";
	assert_verdict(RESULT_ROLLBACK_FAILED,
		       "it crashed; and the rollback to r-old failed: it does not "
		       "start either");
	machine.reverted = machine.restored = false;
	end.revert_error = "the disk is full";
	assert_verdict(RESULT_ROLLBACK_FAILED,
		       "it crashed; and the rollback to r-old failed: the disk is "
		       "full");
}

static void a_first_release_is_stopped(void **state)
{
	(void)state;
	machine.fallback = JOB_FALLBACK_STOP;
	machine.reverted = machine.restored = false;
	assert_verdict(RESULT_ROLLBACK_FAILED,
		       "it crashed; there is no earlier release to go back to, so the "
		       "unit was stopped");
	machine.fallback = JOB_FALLBACK_STOP;
	end.revert_error = "could not be stopped";
	assert_verdict(RESULT_ROLLBACK_FAILED,
		       "it crashed; there is no earlier release to go back to, so the "
		       "unit could not be stopped");
}

/* The old process did not end: that is not the new release's fault. */
static void a_stop_that_failed_started_nothing(void **state)
{
	(void)state;
	end.stop_failed = true;
	assert_verdict(RESULT_MACHINE,
		       "it crashed; nothing new was started; what was live before is "
		       "current again, and systemd starts it when that process is "
		       "gone");
	end.stop_failed = true;
	machine.reverted = false;
	assert_verdict(RESULT_MACHINE, "it crashed; nothing new was started");
	end.stop_failed = true;
	machine.fallback = JOB_FALLBACK_STOP;
	machine.reverted = false;
	assert_verdict(RESULT_MACHINE, "it crashed; nothing new was started");
}

/* All combinations in which nothing is concluded: each lacks one reason to. */
static void others_keep_their_result(void **state)
{
	static const enum deploy_result results[] = {RESULT_OK, RESULT_FAILED,
						     RESULT_CANCELLED, RESULT_BUSY};

	(void)state;
	for (unsigned int bits = 0; bits < 8; bits++)
		for (size_t i = 0; i < 4; i++)
			for (int stop_failed = 0; stop_failed < 2; stop_failed++) {
				(void)set_up(NULL);
				machine.failed = bits & 1;
				machine.switched = bits & 2;
				if (!(bits & 4))
					machine.fallback = JOB_FALLBACK_NONE;
				if (bits == 7 && results[i] != RESULT_OK)
					continue;
				end.result = results[i];
				end.stop_failed = stop_failed;
				assert_int_equal(job_verdict(&end, &error), results[i]);
				assert_string_equal(error.what, "it crashed");
			}
}

/* The first failure is cut, never what it led to; and not inside a character. */
static void a_long_reason_leaves_room_for_the_rest(void **state)
{
	size_t length;

	(void)state;
	memset(error.what, 'a', 249);
	(void)strcpy(error.what + 249, "\xc3\xa4 and more");
	assert_int_equal(job_verdict(&end, &error), RESULT_ROLLED_BACK);
	length = strspn(error.what, "a");
	assert_int_equal(length, 249);
	assert_string_equal(error.what + length, "; rolled back to r-old");
}

static void only_a_result_marks_a_release(void **state)
{
	(void)state;
	for (enum deploy_result result = 0; result < RESULT_COUNT; result++)
		for (unsigned int bits = 0; bits < 4; bits++) {
			enum job_mark want = JOB_MARK_NONE;

			end.result = result;
			end.release_failed = bits & 1;
			end.awaits_confirm = bits & 2;
			if (result == RESULT_OK && !end.awaits_confirm)
				want = JOB_MARK_GOOD;
			else if (result != RESULT_OK && end.release_failed)
				want = JOB_MARK_BAD;
			assert_int_equal(job_verdict_mark(&end), want);
		}
	assert_null(job_mark_name(JOB_MARK_NONE));
	assert_string_equal(job_mark_name(JOB_MARK_GOOD), "good");
	assert_string_equal(job_mark_name(JOB_MARK_BAD), "bad");
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_went_back_is_rolled_back),
		TEST(one_that_could_not_go_back_says_both),
		TEST(a_first_release_is_stopped),
		TEST(a_stop_that_failed_started_nothing),
		TEST(others_keep_their_result),
		TEST(a_long_reason_leaves_room_for_the_rest),
		TEST(only_a_result_marks_a_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
