#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the state of an app's unit says about its health. Pure. */

enum health_verdict {
	HEALTH_VERDICT_ACTIVE,
	HEALTH_VERDICT_WAITING, /* between two states */
	HEALTH_VERDICT_FAILED,
};

struct health_facts {
	const char *unit;
	const char *load_state, *active_state, *sub_state, *result; /* as systemd's */
	int32_t exec_main_code, exec_main_status;
	uint32_t n_restarts, restarts_before;
	uint64_t oom_kills, oom_kills_before;
	bool oneshot; /* ran to its end, and that is all it is there for */
};

/* When failed: why, in words, in ret_why. */
enum health_verdict health_judge(const struct health_facts *facts, char *ret_why,
				 size_t size) __attribute__((nonnull));
