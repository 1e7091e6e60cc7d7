#pragma once

#include "verb.h"

/* NULL when there is none. */
const struct verb *verb_find(const struct verb_table *verbs, const char *name)
	__attribute__((nonnull));

/* Says that there is no verb of this name, and which one was meant. */
void verb_tell_unknown(const struct verb_table *verbs, const char *name)
	__attribute__((nonnull));
