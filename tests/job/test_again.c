/* The same archive again, and a request whose answer was lost. */
#include "job_world.h"

#include <string.h>

#define LIVE "already live; nothing was changed"
#define UNCHANGED                                                                      \
	"preparing prepare unpacking unpack intake finishing discard finishing "       \
	"record deploy=ok"

static struct told *deploy(struct world *world, const struct job_request *request)
{
	struct errinfo error = {0};
	struct told *told = world_submit(world, "hello", request, 0, &error);

	assert_string_equal(error.what, "");
	world_archive(world, request->archive_reader, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	return told;
}

static struct told *deploy_keyed(struct world *world, const char *key, uint64_t reader)
{
	return deploy(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
						   .archive_reader = reader,
						   .key = key});
}

static void the_archive_that_is_live_changes_nothing(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	told = deploy_keyed(world, NULL, 1);
	assert_int_equal(told->result, RESULT_OK);
	world->log[0] = '\0';
	told = deploy_keyed(world, NULL, 1);
	world_assert_log(world, UNCHANGED);
	world_assert_ended(told, RESULT_OK, LIVE);
}

static void a_unit_that_does_not_run_is_deployed_again(void **state)
{
	struct world *world = *state;

	world_start(world, NULL, NULL);
	(void)deploy_keyed(world, NULL, 1);
	world->fake.unit.active_state = "inactive";
	world->log[0] = '\0';
	(void)deploy_keyed(world, NULL, 1);
	assert_non_null(strstr(world->log, "switching switch"));
}

static void a_key_gets_the_first_answer(void **state)
{
	struct world *world = *state;
	struct told *first, *second;

	world_start(world, NULL, NULL);
	first = deploy_keyed(world, "run-1", 1);
	assert_int_equal(first->result, RESULT_OK);
	world->log[0] = '\0';
	second = deploy_keyed(world, "run-1", 1);
	assert_null(strstr(world->log, "unpacking"));
	assert_int_equal(second->result, RESULT_OK);
	world->log[0] = '\0';
	(void)deploy_keyed(world, "run-2", 1);
	assert_non_null(strstr(world->log, "unpacking"));
}

static void a_key_gets_the_first_failure_too(void **state)
{
	static const struct fake_unit failed = {.active_state = "failed",
						.sub_state = "failed",
						.result = "exit-code",
						.exec_main_code = 1,
						.exec_main_status = 3,
						.inactive_exit = 5100,
						.active_exit = 5000,
						.active_enter = 1000};
	struct world *world = *state;
	const struct fake_unit afters[] = {failed, world->fake.unit};
	struct told *told;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	told = deploy_keyed(world, "run-1", 1);
	assert_int_equal(told->result, RESULT_ROLLED_BACK);
	world->log[0] = '\0';
	told = deploy_keyed(world, "run-1", 1);
	assert_null(strstr(world->log, "unpacking"));
	assert_int_equal(told->result, RESULT_ROLLED_BACK);
}

static void a_key_of_another_verb_is_refused(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	(void)deploy_keyed(world, "run-1", 1);
	told = deploy(world, &(struct job_request){.kind = JOB_KIND_STAGE,
						   .archive_reader = 1,
						   .key = "run-1"});
	assert_int_not_equal(told->result, RESULT_OK);
}

static void without_an_answer_of_deployd_store_nothing_is_done(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	fake_helpers_fail("lookup", FAKE_FAILURE_REFUSED);
	world->log[0] = '\0';
	told = deploy_keyed(world, "run-1", 1);
	assert_int_not_equal(told->result, RESULT_OK);
	assert_null(strstr(world->log, "unpacking"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_archive_that_is_live_changes_nothing),
		TEST(a_unit_that_does_not_run_is_deployed_again),
		TEST(a_key_gets_the_first_answer),
		TEST(a_key_gets_the_first_failure_too),
		TEST(a_key_of_another_verb_is_refused),
		TEST(without_an_answer_of_deployd_store_nothing_is_done),
	};

	return cmocka_run_group_tests_name("the same again", tests, NULL, NULL);
}
