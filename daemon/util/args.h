#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"

/*
 * Command line of a helper program: only --name=value, every option at most once. The
 * caller is deployd, so anything unexpected is a bug and an error.
 */
struct args_option {
	const char *name;  /* without the dashes */
	uint64_t *number;  /* either number ... */
	const char **text; /* ... or text */
	uint64_t min, max; /* inclusive, of number */
	bool optional;	   /* the slot keeps what the caller put there */
	bool seen;
};

/* Fills the slots of options. Texts point into argv. 0 or -EINVAL. */
int args_parse(int argc, char **argv, struct args_option *options, size_t n_options,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
