#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bus/units.h"

/*
 * How many processes of a unit the kernel has killed for lack of memory since this
 * began: with OOMPolicy=continue systemd does not say, the control group does.
 */

struct oom_count;

#define OOM_COUNT_CGROUP_ROOT "/sys/fs/cgroup"

/* cgroup_root: where the kernel shows control groups; borrowed. NULL only without
 * memory. */
struct oom_count *oom_count_new(struct units *units, const char *unit,
				const char *cgroup_root)
	__attribute__((warn_unused_result, nonnull));

/* Reads the count again. */
void oom_count_refresh(struct oom_count *count) __attribute__((nonnull));

/* 0 while the unit has no control group, or none with a memory controller. */
uint64_t oom_count_kills(const struct oom_count *count) __attribute__((nonnull));

/* Since this began the unit has reached a limit of its own, or of a group below it. */
bool oom_count_limit_is_hit(const struct oom_count *count) __attribute__((nonnull));

struct oom_events {
	uint64_t kills;
	uint64_t limit_hits; /* not counted where the whole machine is out of memory */
};

/* From the text of memory.events; false when it does not tell of kills. */
bool oom_count_parse(const char *text, struct oom_events *ret_events)
	__attribute__((warn_unused_result, nonnull));

/* Accepts NULL. */
void oom_count_free(struct oom_count *count);
