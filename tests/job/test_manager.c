/* Jobs from their submission to their end: the order of phases, results, the queue. */
#include "job_world.h"

#define LIVE " restarting RestartUnit checking baking verifying finishing finish"
#define DEPLOY                                                                         \
	"preparing prepare unpacking unpack intake sealing seal switching switch" LIVE

static const json_t *last_history(void)
{
	const json_t *history = fake_store_history("hello");

	assert_true(json_array_size(history) > 0);
	return json_array_get(history, json_array_size(history) - 1);
}

static void assert_history(const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(last_history(), key));

	assert_string_equal(text ? text : "(none)", value);
}

/* --- one job ----------------------------------------------------------------------------- */

static void a_deploy_goes_through_its_phases(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world_assert_log(world, "recover");
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, DEPLOY " deploy=ok");
	world_assert_ended(deploy, RESULT_OK, "live (restart gap 3 ms)");
	assert_string_equal(fake_store_state("hello", NEW), "good");
	assert_false(fake_store_has_pending("hello"));
	assert_history("result", "ok");
	assert_history("from", OLD);
	assert_history("to", NEW);
	assert_int_equal(world_reader(world, 1)->n_pumped, 1);
	assert_int_equal(world_reader(world, 1)->n_dropped, 1);
	assert_int_equal(world->n_idle, 2); /* recovered; the last job has ended */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deploy_goes_through_its_phases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
