#include "units_world.h"

#include <signal.h>
#include <string.h>

#define LONG_MSEC 30000

static void on_connected(void *userdata)
{
	struct world *world = userdata;

	world->n_connected++;
	uv_stop(&world->loop);
}

static void on_closed(void *userdata)
{
	struct world *world = userdata;

	world->n_closed++;
}

static void on_done(void *userdata, const struct unit_outcome *outcome)
{
	struct world *world = userdata;

	world->op = NULL;
	world->n_done++;
	world->outcome = *outcome;
}

int world_setup(void **state)
{
	struct world *world = test_calloc(1, sizeof(*world));

	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	fake_manager_open(&world->fake, &world->loop);
	/* As it is before; after is the same unless the test says otherwise. */
	world->fake.unit = (struct fake_unit){
		.main_pid = 10, .inactive_exit = 900, .active_enter = 1000};
	world->fake.after = (struct fake_unit){.main_pid = 11,
					       .inactive_exit = 5100,
					       .active_exit = 5000,
					       .active_enter = 7500};
	assert_int_equal(units_new(&world->loop, world->fake.address, on_connected,
				   world, &world->units),
			 0);
	*state = world;
	return 0;
}

void world_close(struct world *world)
{
	if (!world->closing)
		units_close(world->units, on_closed, world);
	world->closing = true;
}

int world_teardown(void **state)
{
	struct world *world = *state;
	unsigned int n_done = world->n_done;

	world_close(world);
	fake_manager_close(&world->fake);
	while (uv_run(&world->loop, UV_RUN_DEFAULT) != 0)
		; /* stopped by the fake; a leaked handle ends in the test's time limit
		   */
	assert_int_equal(world->n_closed, 1);
	/* Nothing was reported twice, or after it was forgotten. */
	assert_int_equal(world->n_done, n_done);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	test_free(world);
	return 0;
}

void world_wait_connected(struct world *world)
{
	while (!units_connected(world->units))
		(void)uv_run(&world->loop, UV_RUN_ONCE);
}

void world_begin(struct world *world, enum unit_action action, uint64_t timeout_ms)
{
	world->op = units_act(world->units, action, "hello.service", timeout_ms,
			      on_done, world);
	assert_non_null(world->op);
	assert_int_equal(world->n_done, 0);
}

void world_wait_done(struct world *world)
{
	while (world->n_done == 0)
		(void)uv_run(&world->loop, UV_RUN_ONCE);
	assert_int_equal(world->n_done, 1);
}

void world_act_within(struct world *world, enum unit_action action, uint64_t timeout_ms)
{
	world_begin(world, action, timeout_ms);
	world_wait_done(world);
}

void world_act(struct world *world, enum unit_action action)
{
	world_act_within(world, action, LONG_MSEC);
}

void world_assert_failed(const struct world *world, const char *words)
{
	assert_int_equal(world->outcome.result, RESULT_FAILED);
	if (!strstr(world->outcome.error.what, words))
		fail_msg("'%s' is not in '%s'", words, world->outcome.error.what);
}
