#pragma once

#include "options.h"

/*
 * Long output goes through a pager when stdout is a terminal: SYSTEMD_PAGER, PAGER,
 * less.
 */

/* From here on stdout is the pager's input, if one is wanted. */
void pager_start(const struct options *options) __attribute__((nonnull));

/* Lets the user read to the end. */
void pager_finish(void);
