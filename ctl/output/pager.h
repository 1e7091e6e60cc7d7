#pragma once

#include <stddef.h>

#include "options.h"

/*
 * What is longer than the screen goes through a pager when stdout is a terminal that
 * can show one: SYSTEMD_PAGER, PAGER, less.
 */

/* From here on stdout is kept until it is more than a screen, if a pager is wanted. */
void pager_start(const struct options *options) __attribute__((nonnull));

/* Writes what was kept, or lets the user read to the end. */
void pager_finish(void);

/* The rows of a terminal that text takes. */
size_t pager_rows(const char *text, size_t columns) __attribute__((nonnull));
