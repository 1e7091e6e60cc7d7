#pragma once

#include <signal.h>
#include <stdint.h>

#include "deploy/errinfo.h"

/* What an archive may cost; all inclusive, all at least 1. */
struct unpack_limits {
	uint64_t max_bytes;   /* of all files, holes of sparse files counted */
	uint64_t max_entries; /* files, links and directories made */
	uint64_t max_file_bytes;
	uint64_t max_ratio; /* unpacked bytes per archive byte, above 64 MiB */
	uint64_t max_depth;
	uint64_t strip_components;	 /* of names, in front; may be 0 */
	const char *const *link_targets; /* see struct entryname_links */
	uint64_t cpu_sec; /* for the message only: RLIMIT_CPU watches it */
	const volatile sig_atomic_t *cpu_used_up; /* set by SIGXCPU; may be NULL */
};

/* Refuses when out bytes came from in bytes of archive and that is too many. */
int limits_check_ratio(const struct unpack_limits *limits, uint64_t in, uint64_t out,
		       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* Refuses when the CPU time is used up. */
int limits_check_cpu(const struct unpack_limits *limits, struct errinfo *ei)
	__attribute__((nonnull, warn_unused_result));
