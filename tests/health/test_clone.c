/*
 * Copies of units on the machine's own systemd: run by tests/system/089-clone.sh, which
 * makes the units.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "bus/capture.h"
#include "bus/clone.h"
#include "bus/clone_table.h"
#include "bus/units.h"
#include "deploy/cleanup.h"

#define SYSTEMD	       "org.freedesktop.systemd1"
#define PROPERTIES_MAX 1000
#define COPY	       "deployd-live-copy"

struct world {
	uv_loop_t loop;
	uv_timer_t tick; /* the loop is left to read the bus */
	struct units *units;
	sd_bus *bus; /* of the test itself */
	bool done;
	struct transient_outcome unit;
	struct errinfo error;
	char text[4096];
};

/* What a unit has, as text: "Name" and "type value". */
struct properties {
	size_t n;
	struct {
		char *name, *type, *text;
	} list[PROPERTIES_MAX];
};

#define TICK_MSEC 20

static void on_tick(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static int setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_int_equal(uv_loop_init(&world->loop), 0);
	assert_int_equal(uv_timer_init(&world->loop, &world->tick), 0);
	assert_int_equal(uv_timer_start(&world->tick, on_tick, TICK_MSEC, TICK_MSEC),
			 0);
	assert_int_equal(units_new(&world->loop, NULL, NULL, NULL, &world->units), 0);
	while (!units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_true(sd_bus_open_system(&world->bus) >= 0);
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;

	sd_bus_flush_close_unref(world->bus);
	uv_close((uv_handle_t *)&world->tick, NULL);
	units_close(world->units, NULL, NULL);
	(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	free(world);
	return 0;
}

/* --- reading ------------------------------------------------------------------------
 */

static void print_values(sd_bus_message *message, FILE *to)
{
	const char *contents;
	char kind;
	int r;

	while ((r = sd_bus_message_peek_type(message, &kind, &contents)) > 0) {
		union {
			uint8_t y;
			int i;
			uint16_t q;
			uint32_t u;
			uint64_t t;
			const char *s;
		} v = {.t = 0};

		if (contents) {
			assert_true(sd_bus_message_enter_container(message, kind,
								   contents) > 0);
			(void)fputs("(", to);
			print_values(message, to);
			(void)fputs(")", to);
			assert_true(sd_bus_message_exit_container(message) >= 0);
			continue;
		}
		assert_true(sd_bus_message_read_basic(message, kind, &v) > 0);
		if (strchr("sog", kind))
			(void)fprintf(to, "\"%s\" ", v.s);
		else if (strchr("bi", kind))
			(void)fprintf(to, "%d ", v.i);
		else if (kind == 't')
			(void)fprintf(to, "%llu ", (unsigned long long)v.t);
		else
			(void)fprintf(to, "%u ",
				      kind == 'y'   ? v.y
				      : kind == 'q' ? v.q
						    : v.u);
	}
	assert_true(r >= 0);
}

static void read_unit(struct world *world, const char *unit, struct properties *ret)
{
	cleanup_free char *path = NULL;
	sd_bus_message *reply = NULL;

	ret->n = 0;
	assert_true(sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >=
		    0);
	assert_true(sd_bus_call_method(world->bus, SYSTEMD, path,
				       "org.freedesktop.DBus.Properties", "GetAll",
				       NULL, &reply, "s", "") >= 0);
	assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
	while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
		const char *name, *type;
		char kind;
		size_t size;
		char *text;
		FILE *to = open_memstream(&text, &size);

		assert_non_null(to);
		assert_true(ret->n < PROPERTIES_MAX);
		assert_true(sd_bus_message_read(reply, "s", &name) > 0);
		assert_true(sd_bus_message_peek_type(reply, &kind, &type) > 0);
		ret->list[ret->n].name = strdup(name);
		ret->list[ret->n].type = strdup(type);
		assert_true(sd_bus_message_enter_container(reply, 'v', type) > 0);
		print_values(reply, to);
		assert_true(sd_bus_message_exit_container(reply) > 0);
		(void)fclose(to);
		ret->list[ret->n++].text = text;
		assert_true(sd_bus_message_exit_container(reply) > 0);
	}
	sd_bus_message_unref(reply);
}

static const char *value_of(const struct properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n; i++)
		if (strcmp(properties->list[i].name, name) == 0)
			return properties->list[i].text;
	return NULL;
}

static void properties_free(struct properties *properties)
{
	for (size_t i = 0; i < properties->n; i++) {
		free(properties->list[i].name);
		free(properties->list[i].type);
		free(properties->list[i].text);
	}
	free(properties);
}

/* --- the list -----------------------------------------------------------------------
 */

static void every_property_of_a_service_is_decided(void **state)
{
	struct world *world = *state;
	struct properties *unit = calloc(1, sizeof(*unit));
	unsigned int n_copied = 0, n_bad = 0;

	read_unit(world, "clone-plain.service", unit);
	for (size_t i = 0; i < unit->n; i++) {
		const char *name = unit->list[i].name, *type = unit->list[i].type;
		const struct clone_property *property = clone_table_find(name);

		if (!property) {
			print_error("%s (%s) is neither copied nor left out with a "
				    "reason: add it to clone_table.c\n",
				    name, type);
			n_bad++;
		} else if (property->kind != CLONE_LEAVE) {
			n_copied++;
			if (strcmp(property->type, type) == 0)
				continue;
			print_error("%s is of type %s, not %s\n", name, type,
				    property->type);
			n_bad++;
		} else {
			assert_true(strlen(property->why) > 10);
		}
	}
	assert_int_equal(n_bad, 0);
	assert_true(n_copied > 150);
	assert_null(clone_table_find("Private"));
	assert_null(clone_table_find("Tmp"));
	assert_null(clone_table_find(""));
	properties_free(unit);
}

/* --- copies -------------------------------------------------------------------------
 */

static void on_captured(void *userdata, const struct capture_outcome *outcome)
{
	struct world *world = userdata;

	world->unit = *outcome->unit;
	(void)snprintf(world->text, sizeof(world->text), "%s", outcome->text);
	world->done = true;
	uv_stop(&world->loop);
}

static unsigned int n_copies; /* the only transient units of this process */

/* Of the copy that was started last, as transient.c names it. */
static const char *copy_name(void)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), COPY "-%d-%u.service", (int)getpid(),
		       n_copies - 1);
	return name;
}

static struct capture *copy(struct world *world, const char *unit,
			    const char *const *argv)
{
	const struct capture_options options = {
		.bytes_max = 2048,
		.with_stderr = true,
		.unit = {.name = COPY,
			 .argv = argv,
			 .clone_of = unit,
			 .user = "hello",
			 .timeout_ms = 20000},
	};
	struct capture *capture;

	world->done = false;
	capture = capture_start(world->units, &options, on_captured, world);
	assert_non_null(capture);
	n_copies++;
	return capture;
}

static const char *const directories[] = {"RuntimeDirectory", "StateDirectory",
					  "CacheDirectory", "LogsDirectory",
					  "ConfigurationDirectory"};

static bool has_directories(const struct properties *unit)
{
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (strcmp(value_of(unit, directories[i]), "()") != 0)
			return true;
	return false;
}

/* What is to differ, see clone_table.h and clone.c. */
static bool may_differ(const struct properties *unit, const char *name)
{
	if (strcmp(name, "JoinsNamespaceOf") == 0)
		return true;
	if (!has_directories(unit))
		return false;
	if (strcmp(name, "Environment") == 0 || strcmp(name, "BindPaths") == 0 ||
	    strcmp(name, "RuntimeDirectoryPreserve") == 0)
		return true;
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		if (strncmp(name, directories[i], strlen(directories[i])) == 0)
			return !strstr(name, "Mode");
	return false;
}

/* A list that stays the same in another order, or with a line twice. */
static bool is_part(const char *part, const char *whole)
{
	char entry[256];

	for (const char *p = part + 1; *p == '('; p += strlen(entry)) {
		size_t length = strcspn(p, ")") + 1;

		assert_true(length < sizeof(entry));
		(void)snprintf(entry, sizeof(entry), "%.*s", (int)length, p);
		if (!strstr(whole, entry))
			return false;
	}
	return true;
}

static bool are_same(const char *name, const char *a, const char *b)
{
	/* ProtectClock= adds to it, in the copy once more. */
	if (strcmp(name, "DeviceAllow") == 0)
		return is_part(a, b) && is_part(b, a);
	return strcmp(a, b) == 0;
}

static unsigned int compare(const struct properties *unit,
			    const struct properties *copy)
{
	unsigned int n_bad = 0;

	for (size_t i = 0; i < unit->n; i++) {
		const char *name = unit->list[i].name;
		const struct clone_property *property = clone_table_find(name);
		const char *is = value_of(copy, name);

		if (!property || property->kind == CLONE_LEAVE ||
		    may_differ(unit, name) || are_same(name, unit->list[i].text, is))
			continue;
		print_error("%s:\n  unit %s\n  copy %s\n", name, unit->list[i].text,
			    is);
		n_bad++;
	}
	return n_bad;
}

/* Starts a copy and compares it with the unit. */
static unsigned int differences(struct world *world, const char *unit)
{
	static const char *const argv[] = {"/bin/sleep", "infinity", NULL};
	struct properties *of_unit = calloc(1, sizeof(*of_unit));
	struct properties *of_copy = calloc(1, sizeof(*of_copy));
	struct capture *capture = copy(world, unit, argv);
	unsigned int n_bad;

	/* Without a wait: one that cannot be executed is gone as soon as that is seen.
	 */
	for (;;) {
		(void)uv_run(&world->loop, UV_RUN_NOWAIT);
		if (world->done)
			fail_msg("%s: %s", unit, world->unit.error.what);
		read_unit(world, copy_name(), of_copy);
		if (strcmp(value_of(of_copy, "LoadState"), "\"loaded\" ") == 0)
			break;
		for (size_t i = 0; i < of_copy->n; i++) {
			free(of_copy->list[i].name);
			free(of_copy->list[i].type);
			free(of_copy->list[i].text);
		}
	}
	read_unit(world, unit, of_unit);
	n_bad = compare(of_unit, of_copy);
	assert_non_null(strstr(value_of(of_copy, "JoinsNamespaceOf"), unit));
	properties_free(of_unit);
	properties_free(of_copy);
	capture_cancel(capture);
	/* Until it is gone: systemd lists it among those that share its namespaces. */
	assert_int_equal(system("timeout 20 sh -c 'while [ \"$(systemctl list-units "
				"--all --plain --no-legend " COPY
				"-\\*)\" ]; do :; done'"),
			 0);
	return n_bad;
}

static void a_copy_has_what_the_unit_has(void **state)
{
	const char *units = getenv("CLONE_UNITS");
	cleanup_free char *names = NULL;
	unsigned int n_bad = 0, n_units = 0;
	char *at = NULL;

	assert_non_null(units);
	names = strdup(units);
	for (char *unit = strtok_r(names, " ", &at); unit;
	     unit = strtok_r(NULL, " ", &at), n_units++) {
		print_message("%s\n", unit);
		n_bad += differences(*state, unit);
	}
	assert_true(n_units > 3);
	assert_int_equal(n_bad, 0);
}

/* --- whose it is ---------------------------------------------------------------------
 */

static void a_copy_of_a_dynamic_user_is_that_user(void **state)
{
	static const char *const units[] = {"clone-dynamic", "clone-kept"};
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"id -u; cd \"$RUNTIME_DIRECTORY\" && echo x > check && ls", NULL};
	struct world *world = *state;

	for (size_t i = 0; i < 2; i++) {
		struct properties *unit = calloc(1, sizeof(*unit));
		char name[64], wanted[64];

		(void)snprintf(name, sizeof(name), "%s.service", units[i]);
		read_unit(world, name, unit);
		(void)snprintf(wanted, sizeof(wanted), "%scheck\nmarker\n",
			       value_of(unit, "UID"));
		wanted[strcspn(wanted, " ")] = '\n';
		properties_free(unit);
		(void)copy(world, name, argv);
		while (!world->done)
			(void)uv_run(&world->loop, UV_RUN_DEFAULT);
		assert_string_equal(world->unit.error.what, "");
		assert_string_equal(world->text, wanted);
	}
}

/* --- what cannot be copied ----------------------------------------------------------
 */

static void on_answer(void *userdata, const struct errinfo *error)
{
	struct world *world = userdata;

	world->error = *error;
	world->done = true;
	uv_stop(&world->loop);
}

static const struct errinfo *ask(struct world *world, const char *unit)
{
	world->done = false;
	assert_non_null(clone_query(world->units, unit, on_answer, world));
	while (!world->done)
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	return &world->error;
}

static void what_cannot_be_copied_is_refused_by_name(void **state)
{
	static const char *const argv[] = {"/bin/echo", "it ran", NULL};
	struct world *world = *state;

	assert_int_equal(ask(world, "clone-none.service")->result, RESULT_FAILED);
	assert_non_null(strstr(world->error.what, "SystemCallFilter="));
	assert_non_null(strstr(world->error.what, "clone-none.service"));
	(void)copy(world, "clone-none.service", argv);
	while (!world->done)
		(void)uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(world->unit.error.result, RESULT_FAILED);
	assert_non_null(strstr(world->unit.error.what, "SystemCallFilter="));
	assert_string_equal(world->text, "");

	assert_int_equal(ask(world, "clone-plain.service")->result, RESULT_OK);
	assert_int_equal(ask(world, "no-such.service")->result, RESULT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_property_of_a_service_is_decided,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_copy_has_what_the_unit_has, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_copy_of_a_dynamic_user_is_that_user,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_cannot_be_copied_is_refused_by_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
