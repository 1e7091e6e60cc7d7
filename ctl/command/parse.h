#pragma once

#include "verb.h"

/* Reads a command line by the tables of verbs and options. */

/*
 * Parses the command line. Returns the verb; NULL when there is nothing to run, with
 * *ret_status the exit status (help was shown, or an error was told).
 */
const struct verb *options_parse(const struct verb_table *verbs, int argc, char *argv[],
				 struct options *ret_options, int *ret_status)
	__attribute__((warn_unused_result, nonnull));
