/*
 * Copies of an app's unit, against a manager of our own making: what a copy has, what
 * cannot be copied, and what the review at load says of it.
 */
#include "health_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_set.h"
#include "bus/clone.h"
#include "bus/clone_review.h"
#include "bus/transient.h"

static void append(sd_bus_message *reply, const char *name, const char *type, ...)
{
	va_list ap;

	assert_true(sd_bus_message_open_container(reply, 'e', "sv") >= 0);
	assert_true(sd_bus_message_append(reply, "s", name) >= 0);
	assert_true(sd_bus_message_open_container(reply, 'v', type) >= 0);
	va_start(ap, type);
	assert_true(sd_bus_message_appendv(reply, type, ap) >= 0);
	va_end(ap);
	assert_true(sd_bus_message_close_container(reply) >= 0);
	assert_true(sd_bus_message_close_container(reply) >= 0);
}

static void assert_copied(const struct world *world, const char *property)
{
	if (!strstr(world->fake.transient_properties, property))
		fail_msg("'%s' is not in\n%s", property,
			 world->fake.transient_properties);
}

static void assert_not_copied(const struct world *world, const char *property)
{
	if (strstr(world->fake.transient_properties, property))
		fail_msg("'%s' is in\n%s", property, world->fake.transient_properties);
}

/* --- what a copy has ---------------------------------------------------------------
 */

static void on_ran(void *userdata, const struct transient_outcome *outcome)
{
	struct world *world = userdata;

	assert_string_equal(outcome->error.what, "");
	world->n_done++;
	uv_stop(&world->loop);
}

static void run_copy_for(struct world *world, void (*properties)(sd_bus_message *reply),
			 const char *release_dir)
{
	static const char *const argv[] = {"/bin/check", "$HOME", "/srv/hello/current",
					   NULL};
	const struct transient_options options = {
		.name = "deployd-check-hello",
		.argv = argv,
		.clone_of = "hello.service",
		.current_dir = "/srv/hello/current",
		.release_dir = release_dir,
		.user = "deployer",
		.stdout_path = "/dev/null",
		.timeout_ms = LONG_MSEC,
	};

	world_wait_connected(world);
	command_ends(world, 0);
	world->n_done = 0;
	world->fake.more_properties = properties;
	assert_non_null(transient_start(world->units, &options, on_ran, world));
	while (world->n_done == 0)
		turn(world);
}

static void run_copy(struct world *world, void (*properties)(sd_bus_message *reply))
{
	run_copy_for(world, properties, NULL);
}

static void plain_unit(sd_bus_message *reply)
{
	append(reply, "User", "s", "app");
	append(reply, "DynamicUser", "b", false);
	append(reply, "WorkingDirectory", "s", "!/srv/hello");
	append(reply, "RuntimeDirectory", "as", 2, "hello", "hello/x");
	append(reply, "Environment", "as", 1, "COLOR=green");
	append(reply, "ReadWritePaths", "as", 0);
	append(reply, "AppArmorProfile", "(bs)", true, "hello");
	append(reply, "SELinuxContext", "(bs)", false, "system_u");
	append(reply, "SystemCallFilter", "(bas)", true, 1, "read");
	append(reply, "JoinsNamespaceOf", "as", 2, "other.service",
	       "deployd-check-hello-1-1.service");
	append(reply, "IOSchedulingClass", "i", 2); /* not set */
	append(reply, "IOSchedulingPriority", "i", 3);
	append(reply, "CPUWeight", "t", UINT64_MAX); /* not set */
}

static void what_the_unit_has_the_copy_has(void **state)
{
	struct world *world = *state;

	run_copy(world, plain_unit);
	assert_copied(world, "\nUser=app,\n");
	assert_not_copied(world, "deployer");
	assert_copied(world, "\nWorkingDirectory=-/srv/hello,\n");
	assert_copied(world, "\nEnvironment=COLOR=green,\n");
	assert_copied(world, "\nAppArmorProfile=1,hello,\n");
	assert_copied(world, "\nSELinuxContext=system_u,\n");
	assert_copied(world, "\nSystemCallFilter=1,read,\n");
	assert_copied(world, "other.service,");
	assert_not_copied(world, "deployd-check-hello-1-1.service");
	assert_copied(world, "\nIOSchedulingPriority=3,\n");
	assert_not_copied(world, "IOSchedulingClass");
	assert_not_copied(world, "CPUWeight");
	assert_not_copied(world, "ReadWritePaths");
	/* No $NAME is expanded. */
	assert_copied(world, "\nExecStart=/bin/check,/bin/check,$$HOME,"
			     "/srv/hello/current,0,\n");
}

static void unit_below_current(sd_bus_message *reply)
{
	append(reply, "User", "s", "app");
	append(reply, "WorkingDirectory", "s", "!/srv/hello/current");
	append(reply, "RootDirectory", "s", "/srv/hello/current/root");
	append(reply, "Environment", "as", 2, "PATH=/bin:/srv/hello/current/bin",
	       "OLD=/srv/hello/current-old");
	append(reply, "EnvironmentFiles", "a(sb)", 1, "/srv/hello/current/env", true);
	append(reply, "BindReadOnlyPaths", "a(ssbt)", 1, "/srv/hello/current/a",
	       "/srv/hello/current/b", false, UINT64_C(16384));
	append(reply, "LimitNOFILE", "t", UINT64_C(777));
}

static void a_copy_for_a_release_sees_that_release(void **state)
{
	struct world *world = *state;

	run_copy_for(world, unit_below_current, "/srv/hello/releases/1");
	assert_copied(world, "\nWorkingDirectory=-/srv/hello/releases/1,\n");
	assert_copied(world, "\nRootDirectory=/srv/hello/releases/1/root,\n");
	assert_copied(world, "PATH=/bin:/srv/hello/releases/1/bin,");
	assert_copied(world, "OLD=/srv/hello/current-old,\n");
	assert_copied(world, "\nEnvironmentFiles=/srv/hello/releases/1/env,1,\n");
	assert_copied(world, "\nBindReadOnlyPaths=/srv/hello/releases/1/a,"
			     "/srv/hello/releases/1/b,0,16384,\n");
	assert_copied(world, "\nLimitNOFILE=777,\n");
	assert_copied(world, "$$HOME,/srv/hello/releases/1,0,\n");
}

/* It must neither create them nor delete them at its end. */
static void a_copy_mounts_the_directories_of_the_unit(void **state)
{
	struct world *world = *state;

	run_copy(world, plain_unit);
	assert_copied(world,
		      "\nEnvironment=RUNTIME_DIRECTORY=/run/hello:/run/hello/x,\n");
	assert_copied(world, "\nBindPaths=/run/hello,/run/hello,1,");
	assert_not_copied(world, "\nRuntimeDirectory=");
}

static void dynamic_unit(sd_bus_message *reply)
{
	append(reply, "User", "s", "app");
	append(reply, "DynamicUser", "b", true);
	append(reply, "RuntimeDirectoryPreserve", "s", "no");
	append(reply, "RuntimeDirectory", "as", 1, "hello");
	append(reply, "StateDirectory", "as", 1, "hello");
	append(reply, "StateDirectorySymlink", "a(sst)", 0);
}

/* Only systemd lets the user in to /var/lib/private. */
static void a_dynamic_user_keeps_its_private_directories(void **state)
{
	struct world *world = *state;

	run_copy(world, dynamic_unit);
	assert_copied(world, "\nStateDirectory=hello,\n");
	assert_not_copied(world, "STATE_DIRECTORY");
	assert_copied(world, "\nEnvironment=RUNTIME_DIRECTORY=/run/hello,\n");
}

static void nameless_unit(sd_bus_message *reply)
{
	append(reply, "User", "s", "");
}

static void without_a_user_the_apps_own_is_taken(void **state)
{
	struct world *world = *state;

	run_copy(world, nameless_unit);
	assert_copied(world, "\nUser=deployer,\n");
}

/* --- clone_query --------------------------------------------------------------------
 */

static void on_answer(void *userdata, const struct errinfo *error)
{
	struct world *world = userdata;

	world->n_done++;
	world->outcome.result = error->result;
	world->outcome.error = *error;
	uv_stop(&world->loop);
}

static void ask(struct world *world)
{
	world->n_done = 0;
	assert_non_null(clone_query(world->units, "hello.service", on_answer, world));
	assert_int_equal(world->n_done, 0);
	while (world->n_done == 0)
		turn(world);
}

static void new_truth(sd_bus_message *reply)
{
	append(reply, "PrivateMoon", "b", true);
}

static void what_cannot_be_copied_is_said_by_name(void **state)
{
	struct world *world = *state;

	world_wait_connected(world);
	world->fake.more_properties = new_truth;
	ask(world);
	world_assert_failed(world, "PrivateMoon=");
	world_assert_failed(world, "hello.service");
	assert_int_equal(count_calls(world, "StartTransientUnit"), 0);
	world->fake.more_properties = plain_unit;
	ask(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

/* Nothing is known against it. */
static void no_answer_is_no_refusal(void **state)
{
	struct world *world = *state;

	ask(world); /* not connected */
	assert_int_equal(world->outcome.result, RESULT_OK);
	world_wait_connected(world);
	world->fake.unit.load_state = "not-found";
	ask(world);
	assert_int_equal(world->outcome.result, RESULT_OK);
}

/* --- clone_review -------------------------------------------------------------------
 */

struct reviewed {
	struct app_config *apps[3];
	struct config_set config;
	struct diag diag;
};

static void reviewed_init(struct reviewed *reviewed)
{
	memset(reviewed, 0, sizeof(*reviewed));
	reviewed->apps[0] = parse("[health_check run]\ntype = exec\n"
				  "command = /bin/true\n");
	reviewed->apps[1] = parse("[health_check web]\ntype = tcp\n"
				  "address = 127.0.0.1:1\n");
	reviewed->apps[2] = parse("[health_check run]\ntype = exec\n"
				  "command = /bin/true\n[restart]\n"
				  "activate_method = none\n");
	reviewed->config.refs = 1;
	reviewed->config.apps = reviewed->apps;
	reviewed->config.n_apps = 3;
}

static void reviewed_deinit(struct reviewed *reviewed)
{
	/* The review has given its reference back. */
	assert_int_equal(reviewed->config.refs, 1);
	for (size_t i = 0; i < 3; i++)
		app_config_free(reviewed->apps[i]);
	diag_deinit(&reviewed->diag);
}

static void on_reviewed(void *userdata)
{
	struct world *world = userdata;

	world->n_done++;
	uv_stop(&world->loop);
}

static void only_units_of_exec_checks_are_asked_about(void **state)
{
	struct world *world = *state;
	struct reviewed reviewed;

	reviewed_init(&reviewed);
	world_wait_connected(world);
	world->fake.more_properties = new_truth;
	clone_review(world->units, &reviewed.config, &reviewed.diag, on_reviewed,
		     world);
	while (world->n_done == 0)
		turn(world);
	assert_int_equal(world->n_done, 1);
	assert_int_equal(count_calls(world, "GetAll"), 1);
	assert_int_equal(reviewed.diag.n_messages, 1);
	assert_non_null(strstr(reviewed.diag.messages[0], "PrivateMoon="));
	assert_non_null(strstr(reviewed.diag.messages[0], "health_check run"));
	reviewed_deinit(&reviewed);
}

static void a_review_of_nothing_is_done_at_once(void **state)
{
	struct world *world = *state;
	struct reviewed reviewed;

	reviewed_init(&reviewed);
	reviewed.config.apps = reviewed.apps + 1;
	reviewed.config.n_apps = 2;
	clone_review(world->units, &reviewed.config, &reviewed.diag, on_reviewed,
		     world);
	assert_int_equal(world->n_done, 1);
	assert_int_equal(reviewed.diag.n_messages, 0);
	reviewed_deinit(&reviewed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_unit_has_the_copy_has),
		TEST(a_copy_for_a_release_sees_that_release),
		TEST(a_copy_mounts_the_directories_of_the_unit),
		TEST(a_dynamic_user_keeps_its_private_directories),
		TEST(without_a_user_the_apps_own_is_taken),
		TEST(what_cannot_be_copied_is_said_by_name),
		TEST(no_answer_is_no_refusal),
		TEST(only_units_of_exec_checks_are_asked_about),
		TEST(a_review_of_nothing_is_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
