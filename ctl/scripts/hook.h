#pragma once

#include "verb.h"

/* The verb `hook [FILE]`. */
int verb_hook(const struct verb *verb, const struct options *options);
