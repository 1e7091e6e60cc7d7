#pragma once

#include "verb.h"

/* NULL when there is none. */
const struct verb *verb_find(const struct verb_table *verbs, const char *name)
	__attribute__((nonnull));

/* Says that there is no verb of this name, and which one was meant. The exit status. */
int verb_tell_unknown(const struct options *options, const char *name)
	__attribute__((nonnull));
