#pragma once

#include "verb.h"

/* --help and the verb `help`, from the tables. */

/* The program's help on stdout, or a verb's. */
void help_program(const struct verb_table *verbs) __attribute__((nonnull));
void help_verb(const struct verb *verb) __attribute__((nonnull));

int verb_help(const struct verb *verb, const struct options *options);
