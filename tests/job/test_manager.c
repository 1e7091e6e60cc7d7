/* Jobs from their submission to their end: the order of phases, results, the queue. */
#include "job_world.h"

#define LIVE " restarting RestartUnit checking baking verifying finishing finish"
#define DEPLOY                                                                         \
	"preparing prepare unpacking unpack intake sealing seal preflight switching "  \
	"switch" LIVE

#define DIED                                                                           \
	"hello.service could not start: its main process exited with status 3; "       \
	"see `journalctl -u hello.service`"
#define UNTIL_SWITCHED                                                                 \
	"preparing prepare unpacking unpack intake sealing seal preflight switching "  \
	"switch "                                                                      \
	"restarting RestartUnit"
#define GOES_BACK                                                                      \
	" switching switch restarting RestartUnit checking verifying finishing finish"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *live(void)
{
	return text_of(fake_store_view("hello"), "current");
}

static struct told *submit(struct world *world, const struct job_request *request)
{
	struct errinfo error = {0};
	struct told *told = world_submit(world, "hello", request, 0, &error);

	assert_string_equal(error.what, "");
	assert_non_null(told);
	return told;
}

static bool manager_waits(struct world *world, const struct told *told,
			  const char *what)
{
	const struct job *job = manager_find(&world->manager, told->id);
	char text[160];

	assert_non_null(job);
	return manager_waits_for(job, text, sizeof(text)) && strcmp(text, what) == 0;
}

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

static void assert_evidence(const char *key, const char *value)
{
	const json_t *evidence =
		json_object_get(fake_store_request("finish"), "evidence");

	assert_string_equal(text_of(evidence, key), value);
}

/* --- one job
 * ----------------------------------------------------------------------------- */

static void a_deploy_goes_through_its_phases(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world_assert_log(world, "recover");
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, DEPLOY " deploy=ok");
	world_assert_ended(deploy, RESULT_OK, "live, verified (restart gap 3 ms)");
	assert_string_equal(fake_store_state("hello", NEW), "good");
	assert_false(fake_store_has_pending("hello"));
	assert_history("result", "ok");
	assert_history("from", OLD);
	assert_history("to", NEW);
	assert_int_equal(world_reader(world, 1)->n_pumped, 1);
	assert_int_equal(world_reader(world, 1)->n_dropped, 1);
	assert_int_equal(world->n_idle, 2); /* recovered; the last job has ended */
}

/* The reason of a failed start is systemd's, the lines are the unit's. */
static void a_failed_start_goes_back(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_up_again};
	struct world *world = *state;
	const json_t *lines;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, UNTIL_SWITCHED GOES_BACK " deploy=rolled-back");
	world_assert_ended(deploy, RESULT_ROLLED_BACK, DIED "; rolled back to " OLD);
	lines = json_object_get(deploy->reply, "unitLog");
	assert_int_equal(json_array_size(lines), 2);
	assert_non_null(strstr(json_string_value(json_array_get(lines, 1)),
			       " web1 hello[7]: bang"));
	assert_string_equal(fake_store_state("hello", NEW), "bad");
	assert_string_equal(fake_store_state("hello", OLD), "good");
	assert_string_equal(live(), OLD);
	assert_history("result", "rolled-back");
	assert_history("from", OLD);
	assert_history("to", NEW);
	assert_history("message", deploy->message);
	assert_evidence("unit_result", "exit-code");
}

static void a_failed_check_goes_back(void **state)
{
	static const enum job_state states[] = {JOB_STATE_CHECKING, JOB_STATE_BAKING};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, "[health]\nbake_sec = 1\n", NULL);
	for (size_t i = 0; i < 2; i++) {
		world->fails_in = states[i];
		deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
							     .archive_reader = 1,
							     .force = true});
		world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
		world_until_ended(world, deploy);
		assert_int_equal(deploy->result, RESULT_ROLLED_BACK);
		assert_string_equal(live(), OLD);
		assert_string_equal(text_of(fake_store_request("finish"), "mark"),
				    "bad");
	}
}

static void what_was_live_may_fail_too(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_failed};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world,
			 UNTIL_SWITCHED " switching switch restarting RestartUnit "
					"verifying finishing finish "
					"deploy=rollback-failed");
	world_assert_ended(deploy, RESULT_ROLLBACK_FAILED,
			   DIED "; the rollback to " OLD " failed in the same way");
	assert_string_equal(live(), OLD);
}

static void what_was_live_may_fail_its_check(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_up_again};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	world->fails_in = JOB_STATE_RECHECKING;
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_ended(deploy, RESULT_ROLLBACK_FAILED,
			   DIED "; and the rollback to " OLD
				" failed: hello.service failed: its main process "
				"exited with status 3");
}

/* It ran and failed, too, so what is older may still be well. */
static void the_next_good_one_is_gone_back_to(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_up_again, unit_up_again};
	static const char older[] = "20240101T000000Z-0001";
	struct world *world = *state;
	struct told *deploy;

	fake_store_add("hello", older, "good");
	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 3;
	world->fails_in = JOB_STATE_RECHECKING;
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_ROLLED_BACK);
	assert_string_equal(live(), older);
	assert_string_equal(fake_store_state("hello", NEW), "bad");
}

static void a_first_release_that_fails_is_stopped(void **state)
{
	const struct fake_unit dead = {.active_state = "inactive", .sub_state = "dead"};
	const struct fake_unit afters[] = {unit_failed, dead};
	struct world *world = *state;
	struct told *deploy;

	(void)json_object_set_new(fake_store_view("hello"), "current", json_null());
	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, UNTIL_SWITCHED " stopping StopUnit finishing finish "
					       "deploy=rollback-failed");
	world_assert_ended(
		deploy, RESULT_ROLLBACK_FAILED,
		DIED
		"; there is no earlier release to go back to, so the unit was stopped");
	assert_string_equal(fake_store_state("hello", NEW), "bad");
}

static void without_auto_rollback_it_stays(void **state)
{
	const struct fake_unit afters[] = {unit_failed};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, "[health]\nauto_rollback = no\n", NULL);
	world->afters = afters;
	world->n_afters = 1;
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, UNTIL_SWITCHED " verifying finishing finish "
					       "deploy=failed");
	assert_string_equal(live(), NEW);
	assert_string_equal(fake_store_state("hello", NEW), "bad");
}

static void each_kind_does_what_it_is_for(void **state)
{
	static const struct {
		enum job_kind kind;
		const char *log, *message;
	} cases[] = {
		{JOB_KIND_RESTART,
		 "restarting RestartUnit checking finishing record restart=ok",
		 "restart done"},
		{JOB_KIND_START,
		 "starting StartUnit checking finishing record start=ok", "start done"},
		{JOB_KIND_RELOAD, "reloading ReloadUnit finishing record reload=ok",
		 "reload done"},
		{JOB_KIND_ENABLE,
		 "enabling EnableUnitFiles Reload finishing record enable=ok",
		 "enable done"},
		{JOB_KIND_DISABLE,
		 "disabling DisableUnitFiles Reload finishing record disable=ok",
		 "disable done"},
		{JOB_KIND_HOLD, "finishing hold finishing record hold=ok", "hold done"},
		{JOB_KIND_UNHOLD, "finishing unhold finishing record unhold=ok",
		 "unhold done"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct told *told = world_do(world, cases[i].kind);

		world_until_ended(world, told);
		world_assert_log(world, cases[i].log);
		world_assert_ended(told, RESULT_OK, cases[i].message);
		assert_history("kind", job_kind_name(cases[i].kind));
		assert_string_equal(live(), OLD);
	}
}

static void a_stop_stops(void **state)
{
	const struct fake_unit dead = {.active_state = "inactive", .sub_state = "dead"};
	struct world *world = *state;
	struct told *stop;

	world_start(world, NULL, NULL);
	world->afters = &dead;
	world->n_afters = 1;
	world->log[0] = '\0';
	stop = world_do(world, JOB_KIND_STOP);
	world_until_ended(world, stop);
	world_assert_log(world, "stopping StopUnit finishing record stop=ok");
}

static void a_restart_that_fails_says_why(void **state)
{
	const struct fake_unit afters[] = {unit_failed};
	struct world *world = *state;
	struct told *restart;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 1;
	world->log[0] = '\0';
	restart = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, restart);
	world_assert_log(world, "restarting RestartUnit finishing record "
				"restart=failed");
	assert_non_null(json_object_get(restart->reply, "unitLog"));
	assert_string_equal(json_string_value(json_object_get(
				    fake_store_request("record"), "failed")),
			    restart->message);
}

static void a_staged_release_is_activated_and_left_again(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	told = submit(world, &(struct job_request){.kind = JOB_KIND_STAGE,
						   .archive_reader = 1});
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world,
			 "preparing prepare unpacking unpack intake sealing seal "
			 "finishing record stage=ok");
	world_assert_ended(told, RESULT_OK, "staged");
	assert_string_equal(live(), OLD);
	told = submit(world, &(struct job_request){.kind = JOB_KIND_ACTIVATE,
						   .release = NEW,
						   .if_current = OLD});
	world_until_ended(world, told);
	world_assert_log(world, "preflight switching switch" LIVE " activate=ok");
	assert_string_equal(text_of(fake_store_request("switch"), "if_current"), OLD);
	assert_string_equal(live(), NEW);
	told = world_do(world, JOB_KIND_ROLLBACK);
	world_until_ended(world, told);
	world_assert_log(world,
			 "preflight switching switch restarting RestartUnit checking "
			 "verifying finishing finish rollback=ok");
	assert_string_equal(live(), OLD);
	/* Back to what was never there. */
	told = submit(world, &(struct job_request){.kind = JOB_KIND_ROLLBACK,
						   .release = "20250101T000000Z-0099"});
	world_until_ended(world, told);
	world_assert_log(world, "preflight finishing record rollback=not-found");
	world_assert_ended(told, RESULT_NOT_FOUND,
			   "no release 20250101T000000Z-0099; `deployctl "
			   "releases hello` lists them");
}

static void a_held_app_is_not_switched(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	told = submit(world, &(struct job_request){.kind = JOB_KIND_HOLD,
						   .message = "freeze"});
	world_until_ended(world, told);
	world->log[0] = '\0';
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world, "preparing finishing record deploy=busy");
	world_assert_ended(told, RESULT_BUSY,
			   "hello is held by alice: freeze; `deployctl unhold hello` "
			   "lifts that");
	assert_int_equal(world_reader(world, 1)->n_pumped, 0);
	assert_int_equal(world_reader(world, 1)->n_dropped, 1);
	told = world_do(world, JOB_KIND_UNHOLD);
	world_until_ended(world, told);
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_OK);
}

static void a_missing_unit_is_found_before_the_switch(void **state)
{
	static const struct {
		const char *load_state, *message;
	} cases[] = {
		{"not-found",
		 "unit hello.service does not exist; install it below "
		 "/etc/systemd/system and run `systemctl daemon-reload` (a "
		 "unit of `systemctl --user` cannot be deployed); nothing "
		 "was changed"},
		{"masked", "unit hello.service is masked; root unmasks it: `systemctl "
			   "unmask hello.service`; nothing was changed"},
		{"bad-setting",
		 "unit hello.service cannot be loaded; this shows why: "
		 "`systemd-analyze verify hello.service`; nothing was changed"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct told *deploy;

		world->fake.unit.load_state = cases[i].load_state;
		world->log[0] = '\0';
		deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
		world_until_ended(world, deploy);
		world_assert_log(world, "preparing finishing record deploy=failed");
		world_assert_ended(deploy, RESULT_FAILED, cases[i].message);
	}
}

static void a_changed_unit_file_is_read_first(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, "[restart]\ndaemon_reload = yes\n", NULL);
	world->log[0] = '\0';
	world->fake.unit.need_daemon_reload = true;
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world,
			 "preparing Reload prepare unpacking unpack intake sealing "
			 "seal preflight switching switch" LIVE " deploy=ok");
	world->fake.unit.need_daemon_reload = true;
	told = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, told);
	world_assert_log(world,
			 "restarting Reload RestartUnit checking finishing record "
			 "restart=ok");
	/* One that cannot be read changes nothing. */
	world->fake.unit.need_daemon_reload = true;
	world->fake.plan = FAKE_REFUSE;
	world->fake.refusal = "org.freedesktop.DBus.Error.AccessDenied";
	told = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, told);
	assert_int_equal(told->result, RESULT_FAILED);
	assert_non_null(strstr(told->message, "; nothing was changed"));
}

/* Known to fail: refused before the switch, staged, and not the archive's fault. */
static void a_refused_preflight_switches_nothing(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	world->fake.unit.need_daemon_reload = true;
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world,
			 "preparing prepare unpacking unpack intake sealing seal "
			 "preflight finishing record deploy=failed");
	assert_int_equal(told->result, RESULT_FAILED);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "staged");
	told = submit(world, &(struct job_request){.kind = JOB_KIND_ACTIVATE,
						   .release = NEW,
						   .force = true});
	world_until_ended(world, told);
	world_assert_log(world, "preflight switching switch" LIVE " activate=ok");
	assert_string_equal(live(), NEW);
}

static void describe_a_program(sd_bus_message *reply)
{
	assert_true(sd_bus_message_append(reply, "{sv}", "WorkingDirectory", "s",
					  "/srv/hello/current") >= 0);
}

/* What examines the release may hang: the cancel does not wait for it. */
static void a_cancel_ends_the_preflight(void **state)
{
	struct world *world = *state;
	struct told *told;
	struct job *job;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	world->fake.more_properties = describe_a_program;
	world->fake.log_stays = true;
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	while (!strstr(world->fake.calls, "StartTransientUnit"))
		world_turn(world);
	job = manager_find(&world->manager, told->id);
	assert_non_null(job);
	assert_non_null(job->preflight);
	job_abandon(job, RESULT_CANCELLED, "cancelled; nothing was switched");
	assert_int_equal(told->state, JOB_STATE_RECORDING);
	world_until_ended(world, told);
	world_assert_log(world,
			 "preparing prepare unpacking unpack intake sealing seal "
			 "preflight finishing record deploy=cancelled");
	assert_int_equal(told->result, RESULT_CANCELLED);
	assert_string_equal(live(), OLD);
	assert_string_equal(fake_store_state("hello", NEW), "staged");
}

static void a_unit_of_somebody_else_is_left_alone(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, "[restart]\nactivate_method = none\n", NULL);
	world->log[0] = '\0';
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(
		world,
		"preparing prepare unpacking unpack intake sealing seal "
		"preflight switching switch restarting checking baking verifying "
		"finishing finish deploy=ok");
	world_assert_ended(told, RESULT_OK, "live, verified");
}

static void activate_by_reload_starts_what_does_not_run(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, "[restart]\nactivate_method = reload\n", NULL);
	world->log[0] = '\0';
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(
		world,
		"preparing prepare unpacking unpack intake sealing seal preflight "
		"switching switch restarting ReloadUnit checking baking "
		"verifying finishing finish deploy=ok");
	world->fake.unit.active_state = "inactive";
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_log(world, DEPLOY " deploy=ok");
}

/* A socket that systemd gave up has to listen again first. */
static void a_failed_socket_is_started_before_its_service(void **state)
{
	static const struct fake_unit given_up = {.active_state = "failed",
						  .sub_state = "failed"};
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	world->fake.socket = &given_up;
	told = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, told);
	world_assert_log(world, "restarting StartUnit RestartUnit checking finishing "
				"record restart=ok");
}

/* --- the archive
 * ---------------------------------------------------------------------- */

static void an_archive_that_fails_ends_its_job(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	/* While it waits. */
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_AWAITED);
	world_settle(world);
	world_assert_log(world, "");
	assert_true(manager_waits(world, deploy, "its archive"));
	world_archive(world, 1, ARCHIVE_STATE_FAILED);
	world_assert_log(world, "deploy=failed");
	world_assert_ended(deploy, RESULT_FAILED,
			   "the archive is incomplete: the client hung up");
	/* While it is unpacked. */
	fake_helpers_hold("intake");
	deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
	world_until_held(world, "intake");
	world_archive(world, 1, ARCHIVE_STATE_FAILED);
	world_until_ended(world, deploy);
	world_assert_log(world, "preparing prepare unpacking unpack intake finishing "
				"discard finishing record deploy=failed");
	world_assert_ended(deploy, RESULT_FAILED,
			   "the archive is incomplete: the client hung up");
	/* Before it is. */
	fake_helpers_hold("prepare");
	deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
	world_until_held(world, "prepare");
	world_archive(world, 1, ARCHIVE_STATE_FAILED);
	fake_helpers_let_go();
	world_until_ended(world, deploy);
	world_assert_log(world,
			 "preparing prepare unpacking finishing discard finishing "
			 "record deploy=failed");
	assert_int_equal(world_reader(world, 1)->n_dropped, 3);
	assert_string_equal(live(), OLD);
}

/* The session's word comes through another pipe than the archive. */
static void the_reader_has_the_last_word(void **state)
{
	static const struct {
		enum archive_state state;
		const char *log;
	} cases[] = {
		{ARCHIVE_STATE_COMPLETE,
		 " sealing seal preflight switching switch" LIVE " deploy=ok"},
		{ARCHIVE_STATE_FAILED,
		 " finishing discard finishing record deploy=failed"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct told *deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);

		while (world_reader(world, 1)->n_due == i)
			world_turn(world);
		world->log[0] = '\0';
		world_settle(world);
		assert_int_equal(deploy->n_ended, 0);
		world_archive(world, 1, ARCHIVE_STATE_FLOWS); /* says nothing */
		assert_int_equal(deploy->n_ended, 0);
		world_archive(world, 1, cases[i].state);
		world_until_ended(world, deploy);
		assert_string_equal(world->log + (*world->log ? 0 : 1),
				    cases[i].log + 1);
	}
	assert_int_equal(world_reader(world, 1)->n_due, 2);
}

static void a_reader_that_has_gone_is_not_waited_for(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	world_reader(world, 1)->gone = true;
	deploy = world_deploy(world, ARCHIVE_STATE_FLOWS);
	world_until_ended(world, deploy);
	world_assert_log(world, "preparing prepare unpacking unpack intake finishing "
				"discard finishing record deploy=failed");
	world_assert_ended(
		deploy, RESULT_FAILED,
		"the archive is incomplete: the connection of its sender has "
		"ended");
}

static void what_the_helpers_say_decides(void **state)
{
	static const struct {
		const char *name;
		enum fake_failure failure;
		const char *message;
	} cases[] = {
		{"intake", FAKE_FAILURE_REFUSED, "intake was refused by the test"},
		{"unpack", FAKE_FAILURE_REFUSED, "unpack was refused by the test"},
		{"unpack", FAKE_FAILURE_DIED, "deployd-unpack died: signal 9 (Killed)"},
		{"seal", FAKE_FAILURE_REFUSED, "seal was refused by the test"},
		{"seal", FAKE_FAILURE_DIED, "deployd-store died: signal 9 (Killed)"},
		{"prepare", FAKE_FAILURE_REFUSED, "prepare was refused by the test"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct told *deploy;

		fake_helpers_fail(cases[i].name, cases[i].failure);
		deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
		world_until_ended(world, deploy);
		world_assert_ended(deploy, RESULT_FAILED, cases[i].message);
		assert_string_equal(live(), OLD);
		assert_history("result", "failed");
	}
}

static void what_cannot_be_started_fails_the_step(void **state)
{
	static const struct {
		const char *name, *message;
	} cases[] = {
		{"prepare", "cannot start deployd-store: Too many open files"},
		{"unpack", "cannot start deployd-unpack: Too many open files"},
		{"intake", "cannot start deployd-intake: Too many open files"},
	};
	struct world *world = *state;

	world_start(world, NULL, NULL);
	for (size_t i = 0; i < 3; i++) {
		struct told *deploy;

		fake_helpers_no_start(cases[i].name);
		deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
		world_until_ended(world, deploy);
		world_assert_ended(deploy, RESULT_FAILED, cases[i].message);
	}
}

static void another_archive_than_was_meant_is_rejected(void **state)
{
	static const char other[] =
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
						     .archive_reader = 1,
						     .sha256 = other});
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_REJECTED);
	assert_non_null(strstr(deploy->message,
			       "sha256 of the archive is " FAKE_SHA256 ", not "));
	/* Fewer bytes than were sent. */
	deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
						     .archive_reader = 2});
	world_reader(world, 2)->archive.state = ARCHIVE_STATE_COMPLETE;
	world_reader(world, 2)->archive.bytes = FAKE_BYTES + 1;
	manager_archive_changed(&world->manager, 2, &world_reader(world, 2)->archive);
	world_until_ended(world, deploy);
	world_assert_ended(deploy, RESULT_FAILED,
			   "the archive is incomplete: 1001 bytes were sent, 1000 "
			   "arrived; send it again");
	/* More than there may be. */
	deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
						     .archive_reader = 3});
	world_reader(world, 3)->archive.state = ARCHIVE_STATE_COMPLETE;
	world_reader(world, 3)->archive.total = UINT64_MAX;
	manager_archive_changed(&world->manager, 3, &world_reader(world, 3)->archive);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_REJECTED);
	assert_int_equal(world_reader(world, 3)->n_pumped, 0);
	assert_string_equal(live(), OLD);
}

/* Known before it is sent, or when it has come. */
static void an_archive_that_was_bad_is_not_deployed_again(void **state)
{
	static const char *const said[] = {FAKE_SHA256, NULL};
	const struct fake_unit afters[] = {unit_failed, unit_up_again};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	world_until_ended(world, world_deploy(world, ARCHIVE_STATE_COMPLETE));
	for (size_t i = 0; i < 2; i++) {
		deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
							     .archive_reader = 1,
							     .sha256 = said[i]});
		world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
		world_until_ended(world, deploy);
		world_assert_ended(deploy, RESULT_REJECTED,
				   "this archive was release " NEW ", which is bad (no "
				   "word why); --force deploys it anyway");
		assert_int_equal(world_reader(world, 1)->n_pumped, 1 + i);
	}
	deploy = submit(world, &(struct job_request){.kind = JOB_KIND_DEPLOY,
						     .archive_reader = 1,
						     .force = true});
	world_archive(world, 1, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_OK);
}

/* --- deployd-store fails
 * -------------------------------------------------------------- */

/* What is live is never guessed: it is asked for. */
static void a_switch_that_died_is_looked_up(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->log[0] = '\0';
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(
		world,
		"preparing prepare unpacking unpack intake sealing seal preflight "
		"switching switch recover finishing record deploy=failed");
	world_assert_ended(deploy, RESULT_FAILED,
			   "deployd-store died: signal 9 (Killed)");
	assert_string_equal(live(), OLD);
	fake_helpers_fail("switch", FAKE_FAILURE_TOO_LATE);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world,
			 "preparing prepare unpacking unpack intake sealing seal "
			 "preflight switching switch recover" LIVE " deploy=ok");
	assert_history("from", OLD);
}

static void a_switch_back_that_died_is_looked_up(void **state)
{
	const struct fake_unit afters[] = {unit_failed, unit_up_again};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 2;
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_state(world, deploy, JOB_STATE_RESTARTING);
	fake_helpers_fail("switch", FAKE_FAILURE_TOO_LATE);
	world_until_ended(world, deploy);
	assert_int_equal(deploy->result, RESULT_ROLLED_BACK);
	assert_string_equal(live(), OLD);
}

/* The switch that deployd-store knows of is still the one to the failed release. */
static void a_switch_back_that_was_not_begun_is_no_rollback(void **state)
{
	const struct fake_unit afters[] = {unit_failed};
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	world->afters = afters;
	world->n_afters = 1;
	world->log[0] = '\0';
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_state(world, deploy, JOB_STATE_RESTARTING);
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	world_until_ended(world, deploy);
	world_assert_log(world, UNTIL_SWITCHED " switching switch recover verifying "
					       "finishing finish "
					       "deploy=rollback-failed");
	world_assert_ended(deploy, RESULT_ROLLBACK_FAILED,
			   DIED "; and the rollback to " OLD " failed: deployd-store "
				"died: signal 9 (Killed)");
	assert_string_equal(live(), NEW);
}

/* ... or that of an earlier job, which could not be recorded. */
static void a_switch_that_was_not_begun_is_not_taken_for_another(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	fake_helpers_fail("finish", FAKE_FAILURE_REFUSED);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	assert_true(fake_store_has_pending("hello"));
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_ended(deploy, RESULT_FAILED,
			   "deployd-store died: signal 9 (Killed)");
	assert_string_equal(live(), NEW);
}

/* Nothing is known any more: the next job asks first. */
static void a_view_that_is_lost_is_recovered_before_the_next_job(void **state)
{
	struct world *world = *state;
	struct told *deploy;

	world_start(world, NULL, NULL);
	fake_helpers_hold("recover");
	fake_helpers_fail("switch", FAKE_FAILURE_DIED);
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_held(world, "recover");
	fake_helpers_fail("recover", FAKE_FAILURE_REFUSED);
	world->log[0] = '\0';
	fake_helpers_let_go();
	world_until_ended(world, deploy);
	world_assert_log(world, "finishing record deploy=failed");
	deploy = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, deploy);
	world_assert_log(world, "recover " DEPLOY " deploy=ok");
}

static void what_cannot_be_recorded_stays_done(void **state)
{
	struct world *world = *state;
	struct told *told;

	world_start(world, NULL, NULL);
	fake_helpers_fail("finish", FAKE_FAILURE_REFUSED);
	told = world_deploy(world, ARCHIVE_STATE_COMPLETE);
	world_until_ended(world, told);
	world_assert_ended(told, RESULT_FAILED,
			   "release " NEW " is live and healthy, but that could not be "
			   "recorded: finish was refused by the test");
	assert_string_equal(live(), NEW);
	fake_helpers_fail("record", FAKE_FAILURE_REFUSED);
	told = world_do(world, JOB_KIND_RESTART);
	world_until_ended(world, told);
	world_assert_ended(
		told, RESULT_FAILED,
		"restart is done, but that could not be recorded: record was "
		"refused by the test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deploy_goes_through_its_phases),
		TEST(a_failed_start_goes_back),
		TEST(a_failed_check_goes_back),
		TEST(what_was_live_may_fail_too),
		TEST(what_was_live_may_fail_its_check),
		TEST(the_next_good_one_is_gone_back_to),
		TEST(a_first_release_that_fails_is_stopped),
		TEST(without_auto_rollback_it_stays),
		TEST(each_kind_does_what_it_is_for),
		TEST(a_stop_stops),
		TEST(a_restart_that_fails_says_why),
		TEST(a_staged_release_is_activated_and_left_again),
		TEST(a_held_app_is_not_switched),
		TEST(a_missing_unit_is_found_before_the_switch),
		TEST(a_changed_unit_file_is_read_first),
		TEST(a_refused_preflight_switches_nothing),
		TEST(a_cancel_ends_the_preflight),
		TEST(a_unit_of_somebody_else_is_left_alone),
		TEST(activate_by_reload_starts_what_does_not_run),
		TEST(a_failed_socket_is_started_before_its_service),
		TEST(an_archive_that_fails_ends_its_job),
		TEST(the_reader_has_the_last_word),
		TEST(a_reader_that_has_gone_is_not_waited_for),
		TEST(what_the_helpers_say_decides),
		TEST(what_cannot_be_started_fails_the_step),
		TEST(another_archive_than_was_meant_is_rejected),
		TEST(an_archive_that_was_bad_is_not_deployed_again),
		TEST(a_switch_that_died_is_looked_up),
		TEST(a_switch_back_that_died_is_looked_up),
		TEST(a_switch_back_that_was_not_begun_is_no_rollback),
		TEST(a_switch_that_was_not_begun_is_not_taken_for_another),
		TEST(a_view_that_is_lost_is_recovered_before_the_next_job),
		TEST(what_cannot_be_recorded_stays_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
