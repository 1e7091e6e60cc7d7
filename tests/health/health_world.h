#pragma once

#include "deploy/app_config.h"
#include "units_world.h"

#define LONG_MSEC   30000
#define MOMENTS_MAX 40 /* turns of the loop: more than any request takes */

/* The app hello with more lines in its file. */
struct app_config *parse(const char *more);

/* Until something has happened. */
void turn(struct world *world);

/* PropertiesChanged of a unit, by the last part of its path. */
void emit_changed(struct world *world, const char *unit);
unsigned int count_calls(const struct world *world, const char *member);

/* The fake shows one unit for all: as it is once the command has ended. */
void command_ends(struct world *world, int32_t status);
