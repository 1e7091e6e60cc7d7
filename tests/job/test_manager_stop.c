/* deployd stops while a job is in each of its phases: what ends, what goes on. */
#include "job_world.h"

static const char stopping[] = "deployd is stopping; nothing was switched, try again";

static const char *live(void)
{
	return json_string_value(json_object_get(fake_store_view("hello"), "current"));
}

static void stop(struct world *world)
{
	world->stopping = true;
	flags_stop(world->flags);
	manager_stop(&world->manager);
}

static void with_nothing_to_do_it_is_idle_at_once(void **state)
{
	struct world *world = *state;
	unsigned int n_idle;

	world_start(world, NULL, NULL);
	n_idle = world->n_idle;
	stop(world);
	assert_int_equal(world->n_idle, n_idle + 1);
}

/* Nothing is begun any more. */
static void what_waits_ends_at_once(void **state)
{
	struct world *world = *state;
	struct told *running, *restart, *deploy;
	unsigned int n_idle;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	running = world_do(world, JOB_KIND_RELOAD);
	world_until_held(world, "record");
	restart = world_do(world, JOB_KIND_RESTART);
	deploy = world_deploy(world, ARCHIVE_STATE_AWAITED);
	world->log[0] = '\0';
	n_idle = world->n_idle;
	stop(world);
	world_assert_log(world, "restart=failed deploy=failed");
	world_assert_ended(restart, RESULT_FAILED, stopping);
	world_assert_ended(deploy, RESULT_FAILED, stopping);
	assert_int_equal(running->n_ended, 0);
	assert_int_equal(world->n_idle, n_idle);
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(running->result, RESULT_OK);
	assert_int_equal(world->n_idle, n_idle + 1);
}

/* All of the archive is here: there is nothing to wait for but ourselves. */
static void a_deploy_with_its_archive_goes_on_from_every_phase(void **state)
{
	static const char *const held[] = {"prepare", "intake", "unpack",
					   "seal",    "switch", "finish"};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < sizeof(held) / sizeof(*held); i++) {
		struct told *deploy, *next;
		unsigned int n_idle;

		fake_helpers_hold(held[i]);
		deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
		world_until_held(world, held[i]);
		next = world_do(world, JOB_KIND_RESTART);
		n_idle = world->n_idle;
		manager_stop(&world->manager);
		assert_int_equal(deploy->n_ended, 0);
		world_assert_ended(next, RESULT_FAILED, stopping);
		fake_helpers_let_go();
		world_until_idle(world);
		assert_int_equal(deploy->result, RESULT_OK);
		assert_int_equal(world->n_idle, n_idle + 1);
		world->manager.stopping = false; /* another deployd */
	}
}

static void a_deploy_without_its_archive_ends_before_the_switch(void **state)
{
	static const struct {
		const char *held, *log;
	} cases[] = {
		{"prepare", "finishing record deploy=failed"},
		{"intake", "finishing discard finishing record deploy=failed"},
		{"unpack", "finishing discard finishing record deploy=failed"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct told *deploy;

		fake_helpers_hold(cases[i].held);
		deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
		world_until_held(world, cases[i].held);
		world->log[0] = '\0';
		manager_stop(&world->manager);
		fake_helpers_let_go();
		world_until_idle(world);
		world_assert_log(world, cases[i].log);
		world_assert_ended(deploy, RESULT_FAILED, stopping);
		assert_int_equal(world_reader(world, 1)->n_dropped, i + 1);
		assert_string_equal(live(), OLD);
		world->manager.stopping = false;
	}
}

/* Both helpers have ended, and the session alone has not said that it is complete. */
static void a_session_that_says_nothing_is_given_up(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
	while (world_reader(world, 1)->n_due == 0)
		world_turn(world);
	stop(world);
	assert_int_equal(world_reader(world, 1)->n_given_up, 1);
	assert_int_equal(deploy->n_ended, 0);
	world_archive(world, 1, ARCHIVE_STATE_FAILED);
	world_until_idle(world);
	world_assert_ended(deploy, RESULT_FAILED, stopping);
}

/* systemd is at it: what comes of that is waited for, and so is the way back. */
static void a_unit_job_is_waited_for(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->fake.plan = FAKE_NO_END;
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	while (!strstr(world->log, "RestartUnit"))
		world_turn(world);
	stop(world);
	world_settle(world);
	assert_int_equal(deploy->n_ended, 0);
	world->fake.plan = FAKE_REPLY_FIRST;
	world->fake.after = unit_failed;
	world->log[0] = '\0';
	fake_manager_end_job(&world->fake);
	world_until_idle(world);
	world_assert_log(world, "switching switch restarting RestartUnit checking "
				"verifying finishing finish deploy=rolled-back");
	assert_string_equal(live(), OLD);
}

static void a_job_of_an_app_that_is_recovered_never_begins(void **state)
{
	struct world *world = *state;
	struct told *restart;
	unsigned int n_idle;

	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	restart = world_do(world, JOB_KIND_RESTART);
	world->log[0] = '\0';
	n_idle = world->n_idle;
	stop(world);
	world_assert_ended(restart, RESULT_FAILED, stopping);
	assert_int_equal(world->n_idle, n_idle); /* the recovery is under way */
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(world->n_idle, n_idle + 1);
	world_assert_log(world, "restart=failed");
}

/* It frees a slot, for which another app's deploy waits. */
static void nothing_is_begun_in_the_place_of_what_ends(void **state)
{
	struct world *world = *state;
	struct errinfo error = {0};
	struct told *deploy;

	fake_helpers_hold("recover");
	world_start_two(world, "[deployd]\njobs_max = 1\n");
	(void)world_deploy(world, ARCHIVE_STATE_COMPLETE);
	deploy = world_submit(
		world, "other",
		&(struct job_request){.kind = JOB_KIND_DEPLOY, .archive_reader = 2}, 0,
		&error);
	assert_non_null(deploy);
	world_archive(world, 2, ARCHIVE_STATE_COMPLETE);
	world->log[0] = '\0';
	stop(world);
	fake_helpers_let_go();
	world_until_idle(world);
	world_assert_log(world, "deploy=failed other:deploy=failed");
}

/* What a crash left undone is left to the next deployd. */
static void nothing_is_resumed(void **state)
{
	struct world *world = *state;

	fake_store_set_pending("hello",
			       json_pack("{s:s, s:s, s:n, s:s}", "kind", "deploy", "to",
					 OLD, "from", "phase", "switched"));
	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	stop(world);
	fake_helpers_let_go();
	world_until_idle(world);
	world_settle(world);
	assert_int_equal(world->n_told, 0);
	assert_true(fake_store_has_pending("hello"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(with_nothing_to_do_it_is_idle_at_once),
		TEST(what_waits_ends_at_once),
		TEST(a_deploy_with_its_archive_goes_on_from_every_phase),
		TEST(a_deploy_without_its_archive_ends_before_the_switch),
		TEST(a_session_that_says_nothing_is_given_up),
		TEST(a_unit_job_is_waited_for),
		TEST(a_job_of_an_app_that_is_recovered_never_begins),
		TEST(nothing_is_begun_in_the_place_of_what_ends),
		TEST(nothing_is_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
