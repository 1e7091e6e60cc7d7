#pragma once

#include "options.h"

/*
 * What somebody most likely meant who named an app or a release that there is not: asks
 * deployd, briefly, which there are. NULL: what was named exists, nothing is near, or
 * deployd does not answer. The caller frees.
 */
char *meant_word(const struct options *options)
	__attribute__((warn_unused_result, nonnull));
