/* Whose turn it is, who watches, and what a rollback ends. */
#include "job_world.h"

#include <stdio.h>

static const char *live(void)
{
	return json_string_value(json_object_get(fake_store_view("hello"), "current"));
}

static struct told *submit(struct world *world, const char *app,
			   const struct job_request *request, uint64_t watcher)
{
	struct errinfo error = {0};
	struct told *told = world_submit(world, app, request, watcher, &error);

	assert_string_equal(error.what, "");
	assert_non_null(told);
	return told;
}

static void assert_waits_for(struct world *world, const struct told *told,
			     const char *want)
{
	const struct job *job = manager_find(&world->manager, told->id);
	json_t *json = manager_job(job);
	const char *text = json_string_value(json_object_get(json, "waitsFor"));

	assert_string_equal(text ? text : "(nothing)", want);
	json_decref(json);
}

static void two_jobs_of_an_app_run_in_turn(void **state)
{
	struct world *world = *state;
	struct told *first, *second;
	char waits[160];

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	fake_helpers_hold("record");
	first = world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	second = world_do(world, JOB_KIND_RELOAD);
	world_settle(world);
	assert_int_equal(second->state, JOB_STATE_QUEUED);
	(void)snprintf(waits, sizeof(waits), "job %s of alice (restart)", first->id);
	assert_waits_for(world, second, waits);
	assert_waits_for(world, first, "(nothing)");
	fake_helpers_let_go();
	world_until_ended(world, second);
	world_assert_log(world, "restarting RestartUnit checking finishing record "
				"restart=ok reloading ReloadUnit finishing record "
				"reload=ok");
}

static void apps_share_the_slots(void **state)
{
	struct world *world = *state;
	struct told *first, *second;

	world_start_two(world, "[deployd]\njobs_max = 1\n");
	fake_helpers_hold("prepare");
	first = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_held(world, "prepare");
	second = submit(
		world, "other",
		&(struct job_request){.kind = JOB_KIND_DEPLOY, .archive_reader = 2}, 0);
	world_archive(world, 2, ARCHIVE_STATE_COMPLETE);
	world_settle(world);
	assert_int_equal(second->state, JOB_STATE_QUEUED);
	assert_waits_for(world, second, "jobs of other apps");
	fake_helpers_let_go();
	world_until_ended(world, second);
	assert_int_equal(first->n_ended, 1);
	assert_int_equal(first->result, RESULT_OK);
	assert_int_equal(second->result, RESULT_OK);
}

/* Each has a unit job under way at the same time. */
static void apps_run_side_by_side(void **state)
{
	struct world *world = *state;
	struct told *first, *second;

	world_start_two(world, NULL);
	fake_helpers_hold("prepare");
	first = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	second = submit(
		world, "other",
		&(struct job_request){.kind = JOB_KIND_DEPLOY, .archive_reader = 2}, 0);
	world_archive(world, 2, ARCHIVE_STATE_COMPLETE);
	world_settle(world);
	assert_int_equal(first->state, JOB_STATE_PREPARING);
	assert_int_equal(second->state, JOB_STATE_PREPARING);
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(first->result, RESULT_OK);
	assert_int_equal(second->result, RESULT_OK);
}

/* --- what a rollback ends
 * ------------------------------------------------------------- */

static void a_rollback_cancels_a_deploy_before_the_switch(void **state)
{
	static const char *const held[] = {"prepare", "intake", "seal"};
	struct world *world = *state;

	fake_store_add("hello", "20250102T000000Z-0002", "good");
	(void)json_object_set_new(fake_store_view("hello"), "current",
				  json_string("20250102T000000Z-0002"));
	(void)json_object_set_new(fake_store_view("hello"), "previous",
				  json_string(OLD));
	world_start(world, NULL, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct told *deploy, *rollback;

		fake_helpers_hold(held[i]);
		deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
		world_until_held(world, held[i]);
		rollback = world_do(world, JOB_KIND_ROLLBACK);
		fake_helpers_let_go();
		world_until_ended(world, rollback);
		world_assert_ended(deploy, RESULT_CANCELLED,
				   "alice's deploy was cancelled by a rollback of "
				   "alice; nothing was switched");
		assert_int_equal(rollback->result, RESULT_OK);
		assert_non_null(strstr(rollback->message, "cancelled the deploy of "
							  "alice (job "));
		assert_non_null(strstr(rollback->message, deploy->id));
	}
}

static void a_deploy_that_has_switched_goes_on(void **state)
{
	struct world *world = *state;
	struct told *deploy, *rollback;

	world_start(world, NULL, NULL);
	fake_helpers_hold("finish");
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_held(world, "finish");
	rollback = world_do(world, JOB_KIND_ROLLBACK);
	fake_helpers_let_go();
	world_until_ended(world, rollback);
	assert_int_equal(deploy->result, RESULT_OK);
	assert_int_equal(rollback->result, RESULT_OK);
	assert_string_equal(live(), OLD);
}

/* One that would be refused ends nothing. */
static void a_rollback_to_nowhere_cancels_nothing(void **state)
{
	struct world *world = *state;
	struct told *deploy, *rollback;

	world_start(world, NULL, NULL);
	fake_helpers_hold("prepare");
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_held(world, "prepare");
	rollback = world_do(world, JOB_KIND_ROLLBACK);
	fake_helpers_let_go();
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_OK);
	world_until_ended(world, rollback); /* by its turn there is one to go back to */
	assert_int_equal(rollback->result, RESULT_OK);
	assert_string_equal(live(), OLD);
}

/* --- joining and refusing
 * --------------------------------------------------------------- */

static void a_second_restart_joins_the_one_that_waits(void **state)
{
	struct world *world = *state;
	struct told *first, *second;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	first = world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	second = world_do(world, JOB_KIND_RESTART); /* the first has begun */
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(world_do(world, JOB_KIND_RESTART), second);
	/* Another job in between: the start is not the restart's twin. */
	assert_ptr_not_equal(world_do(world, JOB_KIND_STOP), second);
	assert_ptr_not_equal(world_do(world, JOB_KIND_RESTART), second);
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(world_count(world, JOB_KIND_RESTART), 3);
}

static void rollbacks_to_the_same_release_are_one(void **state)
{
	struct world *world = *state;
	struct job_request to_old = {.kind = JOB_KIND_ROLLBACK, .release = OLD};
	struct job_request if_new = to_old;
	struct told *first, *open;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	first = submit(world, "hello", &to_old, 0);
	assert_ptr_equal(submit(world, "hello", &to_old, 0), first);
	if_new.if_current = NEW;
	assert_ptr_not_equal(submit(world, "hello", &if_new, 0), first);
	open = world_do(world, JOB_KIND_ROLLBACK); /* one further each time */
	assert_ptr_not_equal(world_do(world, JOB_KIND_ROLLBACK), open);
	fake_helpers_let_go();
	world_until_idle(world);
	/* All of them wanted what was live, or what is not there. */
	assert_string_equal(live(), OLD);
}

static void all_who_watch_are_told_once(void **state)
{
	struct world *world = *state;
	struct job_request restart = {.kind = JOB_KIND_RESTART};
	struct told *first, *second, *third;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	first = submit(world, "hello", &restart, 1);
	world_until_held(world, "record");
	second = submit(world, "hello", &restart, 100);
	for (uint64_t i = 1; i < JOB_WATCHERS_MAX; i++)
		assert_ptr_equal(submit(world, "hello", &restart, 100 + i), second);
	/* One more than there may be gets a job of its own. */
	third = submit(world, "hello", &restart, 200);
	assert_ptr_not_equal(third, second);
	/* Nobody waits for an answer: there is always room for that. */
	assert_ptr_equal(submit(world, "hello", &restart, 0), third);
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(first->n_watchers, 1);
	assert_int_equal(second->n_watchers, JOB_WATCHERS_MAX);
	for (uint64_t i = 0; i < JOB_WATCHERS_MAX; i++)
		assert_int_equal(second->watchers[i], 100 + i);
	assert_int_equal(third->n_watchers, 1);
	assert_int_equal(third->watchers[0], 200);
}

static void the_place_of_one_that_has_gone_is_used_again(void **state)
{
	struct world *world = *state;
	struct job_request restart = {.kind = JOB_KIND_RESTART};
	struct told *second;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	for (uint64_t i = 0; i < JOB_WATCHERS_MAX; i++)
		second = submit(world, "hello", &restart, 100 + i);
	world->gone_watcher = 107;
	assert_ptr_equal(submit(world, "hello", &restart, 200), second);
	fake_helpers_let_go();
	world_until_idle(world);
	assert_int_equal(second->n_watchers, JOB_WATCHERS_MAX);
	assert_int_equal(second->watchers[7], 200);
}

static void too_many_deploys_are_refused(void **state)
{
	struct world *world = *state;
	struct job_request deploy = {.kind = JOB_KIND_DEPLOY, .archive_reader = 1};
	struct job_request bobs = deploy;
	struct errinfo error = {0};

	world_start(world, NULL, "[deployd]\nqueue_max = 3\n");
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	(void)submit(world, "hello", &deploy, 0);
	deploy.archive_reader = 2;
	(void)submit(world, "hello", &deploy, 0);
	deploy.archive_reader = 4;
	assert_null(world_submit(world, "hello", &deploy, 0, &error));
	assert_int_equal(error.result, RESULT_BUSY);
	assert_string_equal(error.what,
			    "hello: alice already has half of the places for waiting "
			    "deploys (queue_max = 3): 2 of alice; try again later, or "
			    "see `deployctl jobs`");
	bobs.user = "bob";
	bobs.uid = 1001;
	bobs.archive_reader = 3;
	(void)submit(world, "hello", &bobs, 0);
	bobs.archive_reader = 4;
	assert_null(world_submit(world, "hello", &bobs, 0, &error));
	assert_string_equal(error.what,
			    "hello: there is no room for more waiting deploys "
			    "(queue_max = 3): 2 of alice, 1 of bob; try again later, "
			    "or see `deployctl jobs`");
	/* Those that were refused stay with their sessions. */
	assert_int_equal(world_reader(world, 4)->n_dropped, 0);
	fake_helpers_let_go();
	for (uint64_t reader = 1; reader <= 3; reader++)
		world_archive(world, reader, ARCHIVE_STATE_COMPLETE);
	world_until_idle(world);
}

static void too_many_other_jobs_are_refused(void **state)
{
	static const enum job_kind kinds[] = {JOB_KIND_START, JOB_KIND_STOP};
	struct world *world = *state;
	struct errinfo error = {0};
	size_t n = 0;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	(void)world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	while (world_submit(world, "hello",
			    &(struct job_request){.kind = kinds[n % 2], .user = "root"},
			    0, &error))
		n++;
	assert_int_equal(n, QUEUE_URGENT_WAITING_MAX);
	assert_int_equal(error.result, RESULT_BUSY);
	assert_non_null(strstr(error.what, "no room for more waiting jobs of this kind "
					   "(the limit is "));
	fake_helpers_let_go();
	world_until_idle(world);
}

/* `jobs` and `attach` know the last of those that have ended, and no more. */
static void only_the_last_ended_jobs_are_known(void **state)
{
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i <= MANAGER_FINISHED_MAX; i++)
		world_until_ended(world, world_do(world, JOB_KIND_UNHOLD));
	assert_null(manager_find_finished(&world->manager, world->told[0].id));
	for (size_t i = 1; i <= MANAGER_FINISHED_MAX; i++)
		assert_non_null(
			manager_find_finished(&world->manager, world->told[i].id));
}

static void a_job_says_how_far_it_is(void **state)
{
	struct world *world = *state;
	struct told *deploy;
	struct job *job;
	json_t *json;

	world_start(world, NULL, NULL);
	fake_helpers_hold("intake unpack");
	deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
	world_until_held(world, "intake");
	job = manager_find(&world->manager, deploy->id);
	fake_helpers_progress("intake", json_pack("{s:i}", "bytes", FAKE_BYTES / 4));
	fake_helpers_progress("unpack", json_pack("{s:i}", "entries", 7));
	json = manager_progress(job);
	assert_string_equal(json_string_value(json_object_get(json, "phase")),
			    "unpacking");
	assert_int_equal(json_integer_value(json_object_get(json, "percent")), 25);
	assert_int_equal(json_integer_value(json_object_get(json, "bytes")), 250);
	assert_int_equal(json_integer_value(json_object_get(json, "totalBytes")), 1000);
	assert_int_equal(json_integer_value(json_object_get(json, "entries")), 7);
	json_decref(json);
	json = job_to_json(job);
	assert_string_equal(json_string_value(json_object_get(json, "id")), deploy->id);
	json_decref(json);
	job->bytes = 2 * FAKE_BYTES; /* more than was said */
	assert_int_equal(job_percent(job), 100);
	job->total_bytes = 0;
	assert_int_equal(job_percent(job), -1);
	fake_helpers_let_go();
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_jobs_of_an_app_run_in_turn),
		TEST(apps_share_the_slots),
		TEST(apps_run_side_by_side),
		TEST(a_rollback_cancels_a_deploy_before_the_switch),
		TEST(a_deploy_that_has_switched_goes_on),
		TEST(a_rollback_to_nowhere_cancels_nothing),
		TEST(a_second_restart_joins_the_one_that_waits),
		TEST(rollbacks_to_the_same_release_are_one),
		TEST(all_who_watch_are_told_once),
		TEST(the_place_of_one_that_has_gone_is_used_again),
		TEST(too_many_deploys_are_refused),
		TEST(too_many_other_jobs_are_refused),
		TEST(only_the_last_ended_jobs_are_known),
		TEST(a_job_says_how_far_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
