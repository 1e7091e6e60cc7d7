/* The preflight against a manager of our own making. */
#include <stdio.h>
#include <string.h>

#include "health/preflight.h"
#include "health_world.h"

#define RELEASE "20261123T101501Z-0002"

static struct seen {
	unsigned int n;
	struct errinfo error;
	char unchecked[PREFLIGHT_NOTE_SIZE];
} seen;

static void on_examined(void *userdata, const struct preflight_outcome *outcome)
{
	(void)userdata;
	seen.n++;
	seen.error = outcome->error;
	(void)snprintf(seen.unchecked, sizeof(seen.unchecked), "%s",
		       outcome->unchecked);
}

/* --- what the fake says of the unit -------------------------------------------------
 */

static const char *user;
static bool dynamic_user, of_another_type;

static void append_text(sd_bus_message *reply, const char *name, const char *text)
{
	assert_true(sd_bus_message_append(reply, "{sv}", name, "s", text) >= 0);
}

static void append_texts(sd_bus_message *reply, const char *name, const char *text)
{
	assert_true(sd_bus_message_append(reply, "{sv}", name, "as", 1, text) >= 0);
}

static void append_command(sd_bus_message *reply, const char *name, const char *path,
			   const char *flag)
{
	assert_true(sd_bus_message_append(reply, "{sv}", name, "a(sasasttttuii)", 1,
					  path, 1, path, 1, flag, UINT64_C(0),
					  UINT64_C(0), UINT64_C(0), UINT64_C(0),
					  UINT32_C(0), 0, 0) >= 0);
}

/* One of everything that is read. */
static void describe(sd_bus_message *reply)
{
	append_text(reply, "User", user);
	append_text(reply, "Group", "staff");
	append_texts(reply, "SupplementaryGroups", "video");
	assert_true(sd_bus_message_append(reply, "{sv}", "DynamicUser", "b",
					  dynamic_user) >= 0);
	append_text(reply, "RootDirectory", "/");
	append_text(reply, "RootImage", "");
	append_text(reply, "WorkingDirectory", "/srv/hello/current");
	append_command(reply, "ExecStartEx", "/srv/hello/current/bin/hello", "");
	append_command(reply, "ExecStartPreEx", "/usr/bin/pre", "privileged");
	append_command(reply, "ExecStartPostEx", "/usr/bin/post", "ignore-failure");
	append_command(reply, "ExecReloadEx", "/usr/bin/again", "");
	append_command(reply, "ExecConditionEx", "named", "");
	assert_true(sd_bus_message_append(reply, "{sv}", "EnvironmentFiles", "a(sb)", 3,
					  "/etc/must", 0, "/etc/may", 1, "/etc/*.env",
					  0) >= 0);
	assert_true(sd_bus_message_append(reply, "{sv}", "BindPaths", "a(ssbt)", 1,
					  "/from", "/bound", 0, UINT64_C(0)) >= 0);
	assert_true(sd_bus_message_append(reply, "{sv}", "TemporaryFileSystem", "a(ss)",
					  1, "/empty", "ro") >= 0);
	append_texts(reply, "InaccessiblePaths", "-/closed");
	append_text(reply, "ProtectHome", "tmpfs");
	assert_true(sd_bus_message_append(reply, "{sv}", "PrivateTmp", "b", 1) >= 0);
	append_texts(reply, "RuntimeDirectory", "hello");
	append_texts(reply, "Requires", "sysinit.target");
	if (of_another_type)
		append_text(reply, "ExecPaths", "/");
	else
		append_texts(reply, "ExecPaths", "/srv");
}

#define FINE	   "{\"verdict\":\"fine\",\"in_release\":true}"
#define MISSING	   "{\"verdict\":\"missing\",\"in_release\":true}"
#define NOEXEC	   "{\"verdict\":\"noexec\",\"in_release\":true}"
#define OF(paths)  "{\"type\":\"result\",\"result\":\"ok\",\"paths\":[" paths "]}\n"
#define ALL(first) OF(first "," FINE "," FINE "," FINE)

static int setup(void **state)
{
	user = "hello";
	dynamic_user = of_another_type = false;
	return world_setup(state);
}

static void examine(struct world *world, const char *lines, const char *report,
		    int32_t status)
{
	struct app_config *settings = parse(lines);

	world_wait_connected(world);
	command_ends(world, status);
	world->fake.more_properties = describe;
	world->fake.log_text = *report ? report : NULL;
	memset(&seen, 0, sizeof(seen));
	assert_non_null(
		preflight_start(world->units, settings, RELEASE, on_examined, NULL));
	while (seen.n == 0)
		turn(world);
	app_config_free(settings);
}

static void has_property(const struct world *world, const char *text)
{
	if (!strstr(world->fake.transient_properties, text))
		fail_msg("no '%s' in:\n%s", text, world->fake.transient_properties);
}

static void lacks(const struct world *world, const char *text)
{
	if (strstr(world->fake.transient_properties, text))
		fail_msg("'%s' is in:\n%s", text, world->fake.transient_properties);
}

static void the_program_is_asked_as_the_units_user(void **state)
{
	struct world *world = *state;

	examine(world, "", ALL(FINE), 0);
	assert_int_equal(seen.error.result, RESULT_OK);
	assert_string_equal(seen.unchecked, "");
	has_property(world, "User=hello");
	has_property(world, "Group=staff");
	has_property(world, "SupplementaryGroups=video");
	has_property(world, "ProtectHome=read-only");
	has_property(world, "CapabilityBoundingSet=0");
	has_property(world, "--current=/srv/hello/current");
	has_property(world, "--release=/srv/hello/releases/" RELEASE);
	has_property(world, "--command=/srv/hello/current/bin/hello");
	has_property(world, "--root=/usr/bin/pre");
	has_property(world, "--directory=/srv/hello/current");
	has_property(world, "--file=/etc/must");
	has_property(world, "--hidden=/bound");
	has_property(world, "--hidden=/empty");
	has_property(world, "--hidden=/closed");
	has_property(world, "--hidden=/home");
	has_property(world, "--hidden=/var/tmp");
	lacks(world, "/usr/bin/post");
	lacks(world, "/usr/bin/again");
	lacks(world, "/etc/may");
	lacks(world, "*.env");
	lacks(world, "named");
}

static void a_unit_of_root_is_examined_by_nobody_else(void **state)
{
	struct world *world = *state;

	user = "";
	examine(world, "", ALL(FINE), 0);
	has_property(world, "User=deployd-preflight");
	has_property(world, "SupplementaryGroups=hello");
	has_property(world, "--root=/srv/hello/current/bin/hello");
}

static void a_reload_needs_its_command(void **state)
{
	struct world *world = *state;

	examine(world, "[restart]\nactivate_method = reload\n",
		OF(FINE "," FINE "," FINE "," FINE "," FINE), 0);
	assert_string_equal(seen.unchecked, "");
	has_property(world, "--command=/usr/bin/again");
}

static void what_is_reported_is_judged(void **state)
{
	struct world *world = *state;

	/* In the order of the properties: the working directory comes first. */
	examine(world, "", OF(FINE "," MISSING "," FINE "," FINE), 0);
	assert_int_equal(seen.error.result, RESULT_REJECTED);
	assert_non_null(strstr(seen.error.what,
			       "'/srv/hello/current/bin/hello' does not exist"));
	/* ExecPaths= may end a noexec, unless it cannot be read. */
	examine(world, "", OF(FINE "," NOEXEC "," FINE "," FINE), 0);
	assert_int_equal(seen.error.result, RESULT_OK);
	of_another_type = true;
	examine(world, "", OF(FINE "," NOEXEC "," FINE "," FINE), 0);
	assert_int_equal(seen.error.result, RESULT_FAILED);
}

static void no_user_of_that_name(void **state)
{
	struct world *world = *state;

	user = "ghost";
	examine(world, "", "", 217);
	assert_int_equal(seen.error.result, RESULT_FAILED);
	assert_non_null(strstr(seen.error.what, "User=ghost does not exist"));
	examine(world, "", "", 216);
	assert_non_null(strstr(seen.error.what, "Group=staff"));
}

/* Then nothing is known, and nothing is refused. */
static void a_report_that_is_none(void **state)
{
	static const struct {
		const char *report;
		int32_t status;
		const char *words;
	} cases[] = {
		{"", 0, "without a report"},
		{"", 1, "without a report"},
		{ALL(MISSING), 217, "but said otherwise"},
		{OF(MISSING), 0, "did not report on every path"},
		{OF("1,2,3,4"), 0, "did not report on every path"},
		{ALL("{\"verdict\":\"good\"}"), 0, "did not report on every path"},
		{"{\"type\":\"result\",\"result\":\"ok\"}\n", 0,
		 "did not report on every path"},
		{"{\"type\":\"result\",\"result\":\"failed\",\"message\":\"oh\"}\n", 1,
		 "oh"},
	};
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		examine(world, "", cases[i].report, cases[i].status);
		assert_int_equal(seen.error.result, RESULT_OK);
		if (!strstr(seen.unchecked, cases[i].words))
			fail_msg("no '%s' in: %s", cases[i].words, seen.unchecked);
	}
}

static void what_is_known_without_the_program(void **state)
{
	struct world *world = *state;

	dynamic_user = true;
	examine(world, "", ALL(MISSING), 0);
	assert_int_equal(seen.error.result, RESULT_OK);
	assert_string_equal(seen.unchecked, "it has DynamicUser=");
	world->fake.unit.need_daemon_reload = true;
	examine(world, "", ALL(FINE), 0);
	assert_int_equal(seen.error.result, RESULT_FAILED);
	assert_non_null(strstr(seen.error.what, "systemctl daemon-reload"));
	assert_string_equal(seen.unchecked, "");
	assert_int_equal(count_calls(world, "StartTransientUnit"), 0);
}

static void without_a_bus_nothing_is_known(void **state)
{
	struct world *world = *state;
	struct app_config *settings = parse("");

	memset(&seen, 0, sizeof(seen));
	assert_non_null(
		preflight_start(world->units, settings, RELEASE, on_examined, NULL));
	while (seen.n == 0)
		turn(world);
	assert_int_equal(seen.error.result, RESULT_OK);
	assert_non_null(strstr(seen.unchecked, "systemd did not describe it"));
	app_config_free(settings);
}

static void it_can_be_cancelled_at_any_moment(void **state)
{
	struct world *world = *state;
	struct app_config *settings = parse("");

	world_wait_connected(world);
	world->fake.more_properties = describe;
	world->fake.log_stays = true;
	memset(&seen, 0, sizeof(seen));
	for (unsigned int moment = 0; moment < MOMENTS_MAX; moment++) {
		struct preflight *preflight = preflight_start(
			world->units, settings, RELEASE, on_examined, NULL);

		world->fake.calls[0] = '\0';
		for (unsigned int i = 0; i < moment; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		preflight_cancel(preflight);
		for (unsigned int i = 0; i < MOMENTS_MAX; i++)
			(void)uv_run(&world->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(seen.n, 0);
	app_config_free(settings);
}

#define PREFLIGHT_TEST(name)                                                           \
	cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PREFLIGHT_TEST(the_program_is_asked_as_the_units_user),
		PREFLIGHT_TEST(a_unit_of_root_is_examined_by_nobody_else),
		PREFLIGHT_TEST(a_reload_needs_its_command),
		PREFLIGHT_TEST(what_is_reported_is_judged),
		PREFLIGHT_TEST(no_user_of_that_name),
		PREFLIGHT_TEST(a_report_that_is_none),
		PREFLIGHT_TEST(what_is_known_without_the_program),
		PREFLIGHT_TEST(without_a_bus_nothing_is_known),
		PREFLIGHT_TEST(it_can_be_cancelled_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
