#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/unit_job.h"
#include "bus/unit_log.h"
#include "bus/unit_properties.h"
#include "fake_manager.h"

/* A connection to the fake manager, and what came of the one request under test. */
struct world {
	uv_loop_t loop;
	struct fake_manager fake;
	struct units *units;
	struct unit_job *op;
	struct unit_log *log;
	unsigned int n_done, n_closed, n_connected;
	struct unit_outcome outcome;
	struct unit_state state;
	int error;
	bool closing;
};

int world_setup(void **state);
int world_teardown(void **state);

/* Closes the connection, so that what runs has to end. */
void world_close(struct world *world);

/* Runs the action to its end. */
void world_act(struct world *world, enum unit_action action);
void world_act_within(struct world *world, enum unit_action action,
		      uint64_t timeout_ms);
void world_begin(struct world *world, enum unit_action action, uint64_t timeout_ms);
void world_wait_done(struct world *world);
void world_wait_connected(struct world *world);

void world_assert_failed(const struct world *world, const char *words);

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
