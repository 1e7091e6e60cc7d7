#pragma once

#include "verb.h"

/* The verb `completion SHELL`. */
int verb_completion(const struct verb *verb, const struct options *options);
