#pragma once

#include "generate/generate.h"
#include "options.h"

/*
 * generate --check: how the units that are installed differ from those generated.
 * Prints it; returns deployctl's exit status, 1 when they do.
 */
int check_installed(const struct options *options, const struct app_config *app,
		    const struct generated *generated) __attribute__((nonnull));
