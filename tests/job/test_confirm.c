/* Deadlines of releases that were deployed with --confirm. */
#include "job_world.h"

#include <time.h>

static const char *live(void)
{
	return json_string_value(json_object_get(fake_store_view("hello"), "current"));
}

/* NEW is live and was to be confirmed long ago. */
static void leave_unconfirmed(const char *from)
{
	fake_store_add("hello", NEW, "staged");
	(void)json_object_set_new(fake_store_view("hello"), "current",
				  json_string(NEW));
	(void)json_object_set_new(fake_store_view("hello"), "confirm",
				  json_pack("{s:s, s:s?, s:i, s:{s:i, s:s}}", "release",
					    NEW, "from", from, "deadline_sec", 1, "by",
					    "uid", 1001, "user", "bob"));
}

static void a_deadline_that_has_passed_goes_back(void **state)
{
	struct world *world = *state;
	struct told *told;

	leave_unconfirmed(OLD);
	world_start(world, NULL, NULL);
	told = world_until_told(world, JOB_KIND_REVERT, 1);
	world_until_ended(world, told);
	world_assert_log(world,
			 "recover switching switch restarting RestartUnit checking "
			 "verifying finishing finish revert=rolled-back");
	world_assert_ended(told, RESULT_ROLLED_BACK,
			   "release " NEW
			   " was not confirmed in time; rolled back to " OLD);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "bad");
	world_settle(world);
	assert_int_equal(world->n_told, 1);
}

static void a_first_release_is_stopped_at_its_deadline(void **state)
{
	const struct fake_unit dead = {.active_state = "inactive", .sub_state = "dead"};
	struct world *world = *state;
	struct told *told;

	leave_unconfirmed(NULL);
	world->afters = &dead;
	world->n_afters = 1;
	world_start(world, NULL, NULL);
	told = world_until_told(world, JOB_KIND_REVERT, 1);
	world_until_ended(world, told);
	world_assert_log(world, "recover stopping StopUnit finishing finish "
				"revert=rollback-failed");
	/* It is bad now, and not stopped again and again. */
	world_settle(world);
	confirm_update(&world->confirm);
	assert_int_equal(world->n_told, 1);
}

/* The deploy that asks the question: good only when it is answered. */
static void a_deploy_waits_for_its_confirmation(void **state)
{
	struct world *world = *state;
	struct errinfo error = {0};
	struct told *told;

	world_start(world, NULL, NULL);
	told = world_submit(world, "hello",
			    &(struct job_request){.kind = JOB_KIND_DEPLOY,
						  .archive_reader = 1,
						  .confirm_sec = 600},
			    0, &error);
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_OK);
	assert_non_null(strstr(told->message, "unless `deployctl confirm` comes"));
	assert_string_equal(fake_store_state("hello", NEW), "staged");
	world->log[0] = '\0';
	told = world_do(world, JOB_KIND_CONFIRM);
	world_until_ended(world, told);
	world_assert_log(world, "finishing mark confirm finishing record confirm=ok");
	assert_string_equal(fake_store_state("hello", NEW), "good");
	told = world_do(world, JOB_KIND_CONFIRM);
	world_until_ended(world, told);
	world_assert_ended(told, RESULT_NOT_FOUND,
			   "no release of hello awaits its confirmation");
	assert_int_equal(world_count(world, JOB_KIND_REVERT), 0);
}

static void a_deadline_comes_by_itself(void **state)
{
	struct world *world = *state;
	struct errinfo error = {0};
	struct told *deploy, *revert;

	world_start(world, NULL, NULL);
	deploy = world_submit(world, "hello",
			      &(struct job_request){.kind = JOB_KIND_DEPLOY,
						    .archive_reader = 1,
						    .confirm_sec = 1},
			      0, &error);
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	revert = world_until_told(world, JOB_KIND_REVERT, 1);
	assert_int_equal(deploy->n_ended, 1);
	world_until_ended(world, revert);
	assert_int_equal(revert->result, RESULT_ROLLED_BACK);
	assert_string_equal(live(), OLD);
}

/* Who answers in time is not too late because deployd is. */
static void an_answer_under_way_is_waited_for(void **state)
{
	static const enum job_kind answers[] = {JOB_KIND_CONFIRM, JOB_KIND_ROLLBACK};
	struct world *world = *state;

	leave_unconfirmed(OLD);
	(void)json_object_set_new(fake_store_view("hello"), "previous",
				  json_string(OLD));
	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct told *told = world_do(world, answers[i]);

		fake_helpers_let_go();
		while (!world->ready)
			world_turn(world);
		world_until_ended(world, told);
		world_settle(world);
		assert_int_equal(told->result, RESULT_OK);
		assert_int_equal(world_count(world, JOB_KIND_REVERT), 0);
		if (i == 0)
			assert_string_equal(fake_store_state("hello", NEW), "good");
	}
	assert_string_equal(live(), OLD);
}

static void an_answer_that_fails_is_none(void **state)
{
	struct world *world = *state;
	struct told *told;

	leave_unconfirmed(OLD);
	fake_helpers_hold("recover mark");
	world_start(world, NULL, NULL);
	told = world_do(world, JOB_KIND_CONFIRM);
	fake_helpers_let_go();
	fake_helpers_hold("mark");
	world_until_held(world, "mark");
	world_settle(world);
	assert_int_equal(world_count(world, JOB_KIND_REVERT), 0);
	fake_helpers_fail("mark", FAKE_FAILURE_REFUSED);
	fake_helpers_let_go();
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_FAILED);
	world_until_ended(world, world_until_told(world, JOB_KIND_REVERT, 1));
	assert_string_equal(live(), OLD);
}

/* A deploy that waits will be refused: it is no answer. */
static void a_waiting_deploy_puts_nothing_off(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	leave_unconfirmed(OLD);
	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	deploy = world_deploy(world, ARCHIVE_STATE_AWAITED);
	fake_helpers_let_go();
	world_until_ended(world, world_until_told(world, JOB_KIND_REVERT, 1));
	assert_string_equal(live(), OLD);
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_OK);
}

/* Tried again later, not at once and for ever. */
static void a_going_back_that_fails_is_not_repeated_at_once(void **state)
{
	struct world *world = *state;
	struct told *told;

	leave_unconfirmed(OLD);
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	world_start(world, NULL, NULL);
	told = world_until_told(world, JOB_KIND_REVERT, 1);
	world_until_ended(world, told);
	world_settle(world);
	confirm_update(&world->confirm);
	assert_int_equal(world->n_told, 1);
	assert_string_equal(live(), NEW);
}

static void without_a_question_nothing_is_asked(void **state)
{
	struct world *world = *state;

	world_start(world, NULL, NULL);
	world->confirm.enabled = false;
	confirm_update(&world->confirm);
	confirm_enable(&world->confirm);
	world_settle(world);
	assert_int_equal(world->n_told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deadline_that_has_passed_goes_back),
		TEST(a_first_release_is_stopped_at_its_deadline),
		TEST(a_deploy_waits_for_its_confirmation),
		TEST(a_deadline_comes_by_itself),
		TEST(an_answer_under_way_is_waited_for),
		TEST(an_answer_that_fails_is_none),
		TEST(a_waiting_deploy_puts_nothing_off),
		TEST(a_going_back_that_fails_is_not_repeated_at_once),
		TEST(without_a_question_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
