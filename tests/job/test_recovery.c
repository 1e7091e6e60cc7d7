/* What a crash left undone, and what comes first. */
#include "job_world.h"

#define BY_BOB "{\"uid\":1001,\"user\":\"bob\"}"

static const char *live(void)
{
	return json_string_value(json_object_get(fake_store_view("hello"), "current"));
}

static void set_live(const char *id)
{
	(void)json_object_set_new(fake_store_view("hello"), "current", json_string(id));
}

/* As deployd-store finds it: the link points at `to`, unless the phase says otherwise.
 */
static void leave_pending(const char *op, const char *from, const char *to,
			  const char *phase)
{
	fake_store_set_pending(
		"hello",
		json_pack("{s:s, s:s?, s:s, s:s, s:o, s:s, s:b}", "kind", op, "from",
			  from, "to", to, "job", "0123456789abcdef", "by",
			  json_loads(BY_BOB, 0, NULL), "phase", phase, "same_boot", 1));
}

/* What the way back noted of the release that it is from. */
static void leave_way_back(const char *from, const char *to, const char *phase,
			   json_t *way_back)
{
	json_t *pending =
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:b, s:o}", "kind", "revert",
			  "from", from, "to", to, "job", "0123456789abcdef", "by",
			  json_loads(BY_BOB, 0, NULL), "phase", phase, "same_boot", 1,
			  "way_back", way_back);

	fake_store_set_pending("hello", pending);
}

static struct told *only_job(struct world *world)
{
	world_until_idle(world);
	assert_int_equal(world->n_told, 1);
	return &world->told[0];
}

/* --- a switch that was made ----------------------------------------------------------
 */

static void a_switch_that_was_made_is_checked_to_its_end(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("deploy", OLD, NEW, "switched");
	world_start(world, NULL, NULL);
	told = only_job(world);
	world_assert_log(world,
			 "recover restarting RestartUnit checking baking verifying "
			 "finishing finish recover=ok");
	assert_string_equal(told->id, "0123456789abcdef"); /* it is the same job */
	assert_string_equal(fake_store_state("hello", NEW), "good");
	assert_string_equal(live(), NEW);
	assert_false(fake_store_has_pending("hello"));
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_array_get(fake_store_history("hello"), 0),
					"by"),
			"user")),
		"bob");
}

static void one_that_fails_goes_back(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_up_again};
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("deploy", OLD, NEW, "switched");
	world->afters = afters;
	world->n_afters = 2;
	world_start(world, NULL, NULL);
	told = only_job(world);
	world_assert_log(world, "recover restarting RestartUnit switching switch "
				"restarting RestartUnit checking verifying finishing "
				"finish recover=rolled-back");
	assert_int_equal(told->result, RESULT_ROLLED_BACK);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "bad");
}

static void a_first_release_that_fails_is_stopped(void **state)
{
	const struct fake_unit dead = {.active_state = "inactive", .sub_state = "dead"};
	const struct fake_unit afters[] = {unit_failed, dead};
	struct world *world = *state;

	leave_pending("deploy", NULL, OLD, "switched");
	world->afters = afters;
	world->n_afters = 2;
	world_start(world, NULL, NULL);
	(void)only_job(world);
	world_assert_log(world, "recover restarting RestartUnit stopping StopUnit "
				"finishing finish recover=rollback-failed");
}

static void without_auto_rollback_it_stays(void **state)
{
	struct world *world = *state;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("deploy", OLD, NEW, "switched");
	world->afters = &unit_failed;
	world->n_afters = 1;
	world_start(world, "[health]\nauto_rollback = no\n", NULL);
	(void)only_job(world);
	world_assert_log(world, "recover restarting RestartUnit verifying finishing "
				"finish recover=failed");
	assert_string_equal(live(), NEW);
}

/* After a reboot PID 1 has started it, or will: it is not restarted once more. */
static void after_a_reboot_the_unit_is_only_started(void **state)
{
	struct world *world = *state;

	fake_store_set_pending("hello", json_pack("{s:s, s:n, s:s, s:s, s:b}", "kind",
						  "deploy", "from", "to", OLD, "phase",
						  "switched", "same_boot", 0));
	world_start(world, NULL, NULL);
	(void)only_job(world);
	world_assert_log(world,
			 "recover restarting StartUnit checking baking verifying "
			 "finishing finish recover=ok");
}

/* --- a rollback that was begun
 * --------------------------------------------------------- */

static void a_rollback_that_was_begun_is_finished(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("revert", NEW, OLD, "intended");
	world_start(world, NULL, NULL);
	told = only_job(world);
	world_assert_log(world,
			 "recover switching switch restarting RestartUnit checking "
			 "verifying finishing finish revert=rolled-back");
	world_assert_ended(told, RESULT_ROLLED_BACK,
			   "deployd was killed while it went back from this release; "
			   "rolled back to " OLD);
	assert_string_equal(live(), OLD);
	/* Nothing on the disk says why deployd went back. */
	assert_string_equal(fake_store_state("hello", NEW), "staged");
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(fake_store_history("hello"), 0), "to")),
		OLD);
}

#define MIDDLE	 "20250601T000000Z-0001"
#define WAY_BACK "{s:s, s:s, s:[s], s:s, s:s, s:i, s:i, s:b}"

/* It went back to MIDDLE first, which is not up either, and which nobody blames. */
static void what_was_gone_back_from_is_on_the_disk(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", MIDDLE, "good");
	fake_store_add("hello", NEW, "staged");
	set_live(MIDDLE);
	leave_way_back(MIDDLE, OLD, "intended",
		       json_pack(WAY_BACK, "release", NEW, "live", MIDDLE, "tried",
				 MIDDLE, "reason", "it exited with status 3", "failure",
				 "ran", "step", 0, "errnum", 0, "stop_failed", 0));
	world_start(world, NULL, NULL);
	told = only_job(world);
	world_assert_log(world,
			 "recover switching switch restarting RestartUnit checking "
			 "verifying finishing finish revert=rolled-back");
	world_assert_ended(told, RESULT_ROLLED_BACK,
			   "it exited with status 3; rolled back to " OLD);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "bad");
	assert_string_equal(fake_store_state("hello", MIDDLE), "good");
}

static void what_was_nobodys_fault_stays_so(void **state)
{
	struct world *world = *state;

	fake_store_add("hello", NEW, "staged");
	leave_way_back(NEW, OLD, "switched",
		       json_pack(WAY_BACK, "release", NEW, "live", OLD, "tried", "",
				 "reason", "Group= does not exist", "failure", "set-up",
				 "step", 216, "errnum", 3, "stop_failed", 0));
	world_start(world, NULL, NULL);
	world_assert_ended(only_job(world), RESULT_MACHINE,
			   "Group= does not exist; no release is at fault, and " OLD
			   " is live again");
	assert_string_equal(fake_store_state("hello", NEW), "staged");
}

/* The link is back already: only what follows is done. */
static void a_rollback_that_was_made_is_not_made_again(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", NEW, "staged");
	leave_pending("revert", NEW, OLD, "switched");
	world_start(world, "[health]\nauto_rollback = no\n", NULL);
	told = only_job(world);
	world_assert_log(world, "recover switching restarting RestartUnit checking "
				"verifying finishing finish revert=rolled-back");
	assert_int_equal(told->result, RESULT_ROLLED_BACK);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "staged");
}

static void a_switch_to_nowhere_is_left_alone(void **state)
{
	struct world *world = *state;

	fake_store_set_pending("hello", json_pack("{s:s, s:n, s:s}", "kind", "deploy",
						  "to", "phase", "switched"));
	world_start(world, NULL, NULL);
	world_until_idle(world);
	assert_int_equal(world->n_told, 0);
}

/* --- deployd-store fails
 * --------------------------------------------------------------- */

static void what_cannot_be_recovered_is_tried_by_the_next_job(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_helpers_fail("recover", FAKE_FAILURE_REFUSED);
	world_start(world, NULL, NULL);
	world_assert_log(world, "recover");
	assert_string_equal(app_problem(manager_app(&world->manager, "hello")),
			    "recover was refused by the test");
	/* Once more in vain: the deploy is told why. */
	fake_helpers_fail("recover", FAKE_FAILURE_REFUSED);
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world, "recover preparing finishing record deploy=failed");
	world_assert_ended(told, RESULT_FAILED,
			   "the releases of hello are not known, nothing was changed: "
			   "recover was refused by the test");
	/* A job of the unit waits for no disk. */
	told = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_OK);
	world->log[0] = '\0';
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_OK);
	assert_int_equal(strncmp(world->log, "recover preparing ", 18), 0);
}

static void a_store_that_cannot_be_started_is_said(void **state)
{
	struct world *world = *state;
	struct told *told;

	fake_helpers_no_start("recover");
	world_start(world, NULL, NULL);
	assert_string_equal(app_problem(manager_app(&world->manager, "hello")),
			    "cannot start deployd-store: Too many open files");
	fake_helpers_no_start("recover");
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_ended(told, RESULT_FAILED,
			   "the releases of hello are not known, nothing was changed: "
			   "cannot start deployd-store: Too many open files");
}

static void a_resumed_switch_whose_store_fails_ends_once(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_failed, unit_failed};
	struct world *world = *state;
	struct told *told;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("deploy", OLD, NEW, "switched");
	world->afters = afters;
	world->n_afters = 3;
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	world_start(world, NULL, NULL);
	told = only_job(world);
	world_assert_log(world,
			 "recover restarting RestartUnit switching switch recover "
			 "verifying finishing finish recover=rollback-failed");
	assert_int_equal(told->result, RESULT_ROLLBACK_FAILED);
	assert_string_equal(live(), NEW);
}

/* --- what comes first
 * -------------------------------------------------------------------- */

static void a_job_of_an_app_that_is_being_recovered_begins_afterwards(void **state)
{
	struct world *world = *state;
	struct told *restart, *deploy;

	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	restart = world_do(world, JOB_KIND_RESTART);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_settle(world);
	world_assert_log(world, "recover");
	assert_int_equal(restart->state, JOB_STATE_QUEUED);
	fake_helpers_let_go();
	world_until_ended(world, deploy);
	assert_int_equal(restart->result, RESULT_OK);
	assert_int_equal(deploy->result, RESULT_OK);
	assert_int_equal(world->n_recovered, 1);
}

/* A restart that was submitted meanwhile would hide what the crash left undone. */
static void what_is_resumed_comes_before_what_was_submitted(void **state)
{
	struct world *world = *state;
	struct told *restart;

	fake_store_add("hello", NEW, "staged");
	set_live(NEW);
	leave_pending("deploy", OLD, NEW, "switched");
	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	restart = world_do(world, JOB_KIND_RESTART);
	fake_helpers_let_go();
	world_until_ended(world, restart);
	world_assert_log(world,
			 "recover restarting RestartUnit checking baking verifying "
			 "finishing finish recover=ok restarting RestartUnit "
			 "checking finishing record restart=ok");
}

static void a_rollback_puts_no_recovery_off(void **state)
{
	struct world *world = *state;
	struct told *deploy, *rollback;

	fake_helpers_hold("recover");
	world_start(world, NULL, NULL);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	rollback = world_do(world, JOB_KIND_ROLLBACK); /* goes before the deploy */
	fake_helpers_let_go();
	world_until_ended(world, deploy);
	assert_int_equal(rollback->n_ended, 1);
	assert_int_equal(rollback->result, RESULT_NOT_FOUND);
	assert_int_equal(deploy->result, RESULT_OK);
}

/* --- reload
 * ------------------------------------------------------------------------------ */

static void a_reload_recovers_what_has_moved(void **state)
{
	struct world *world = *state;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	world_reload(world, NULL);
	world_until_idle(world);
	world_assert_log(world, ""); /* as it was */
	assert_int_equal(world->n_recovered, 2);
	world_reload(world, "[directories]\ndeploy_dir = /srv/elsewhere\n");
	world_until_idle(world);
	world_assert_log(world, "recover");
	/* Root may have mended it meanwhile. */
	(void)json_object_set_new(fake_store_view("hello"), "degraded",
				  json_string("current points to nowhere"));
	world_reload(world, NULL);
	world_until_idle(world);
	world_reload(world, NULL);
	world_until_idle(world);
	world_assert_log(world, "recover recover");
}

static void one_that_moved_during_a_job_is_recovered_at_its_end(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	fake_helpers_hold("record");
	told = world_do(world, JOB_KIND_RESTART);
	world_until_held(world, "record");
	world_reload(world, "[directories]\ndeploy_dir = /srv/elsewhere\n");
	world->log[0] = '\0';
	fake_helpers_let_go();
	world_until_ended(world, told);
	world_until_idle(world);
	world_assert_log(world, "restart=ok recover");
}

static void apps_are_recovered_a_few_at_a_time(void **state)
{
	struct world *world = *state;

	fake_helpers_hold("recover");
	world_start_two(world, "[deployd]\njobs_max = 1\n");
	world_settle(world);
	world_assert_log(world, "recover");
	fake_helpers_let_go();
	world_until_idle(world);
	world_assert_log(world, "other:recover");
	assert_int_equal(world->n_recovered, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_switch_that_was_made_is_checked_to_its_end),
		TEST(one_that_fails_goes_back),
		TEST(a_first_release_that_fails_is_stopped),
		TEST(without_auto_rollback_it_stays),
		TEST(after_a_reboot_the_unit_is_only_started),
		TEST(a_rollback_that_was_begun_is_finished),
		TEST(what_was_gone_back_from_is_on_the_disk),
		TEST(what_was_nobodys_fault_stays_so),
		TEST(a_rollback_that_was_made_is_not_made_again),
		TEST(a_switch_to_nowhere_is_left_alone),
		TEST(what_cannot_be_recovered_is_tried_by_the_next_job),
		TEST(a_store_that_cannot_be_started_is_said),
		TEST(a_resumed_switch_whose_store_fails_ends_once),
		TEST(a_job_of_an_app_that_is_being_recovered_begins_afterwards),
		TEST(what_is_resumed_comes_before_what_was_submitted),
		TEST(a_rollback_puts_no_recovery_off),
		TEST(a_reload_recovers_what_has_moved),
		TEST(one_that_moved_during_a_job_is_recovered_at_its_end),
		TEST(apps_are_recovered_a_few_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
