#pragma once

#include "deploy/errinfo.h"

/* Texts point into argv. */
struct proc_options {
	const char *releases;
	const char *cgroup; /* NULL: the unit has no process */
};

/*
 * Reads --releases=/srv/hello/releases [--cgroup=/system.slice/hello.service]. argv is
 * reordered. Returns 0, or -EINVAL with the reason in *ei.
 */
int proc_options_parse(int argc, char **argv, struct proc_options *ret_options,
		       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
