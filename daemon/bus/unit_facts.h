#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/units.h"

/* Where a unit's processes are, as systemd knows it. */

struct unit_facts {
	char load_state[32];
	char control_group[1024]; /* below /sys/fs/cgroup, "" = has none now */
	uint32_t main_pid;	  /* 0 = none */
};

struct unit_facts_query;

/*
 * Reads them once; done is called once, never from within, with error -ENOTCONN when
 * there is no bus, -ETIMEDOUT after 5 s. NULL only without memory.
 */
struct unit_facts_query *unit_facts_query(struct units *units, const char *unit,
					  void (*done)(void *userdata, int error,
						       const struct unit_facts *facts),
					  void *userdata)
	__attribute__((nonnull(1, 2, 3)));

/* done is not called. */
void unit_facts_query_cancel(struct unit_facts_query *query);
