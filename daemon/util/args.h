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

/* "--NAME=WORD WORD ..."; the words hold no blanks. malloc'ed, or NULL. */
char *args_words(const char *name, char *const *words)
	__attribute__((nonnull(1), warn_unused_result));

/* The words of such a value, NULL-terminated, to be freed with their text; or NULL. */
char **args_split(const char *value) __attribute__((nonnull, warn_unused_result));

/* Fills the slots of options. Texts point into argv. 0 or -EINVAL. */
int args_parse(int argc, char **argv, struct args_option *options, size_t n_options,
	       struct errinfo *ei) __attribute__((nonnull, warn_unused_result));
