#pragma once

#include <stddef.h>

/*
 * Two units as settings: comments, blank lines and how lines are joined do not count.
 * Pure.
 */

struct setting {
	const char *section; /* "[Service]"; "" before the first */
	const char *line;    /* "User=hello" */
};

struct settings {
	char *text; /* in which the settings lie */
	struct setting *list;
	size_t n;
};

#define SETTINGS_MAX 2000 /* of a unit; what follows is not compared */

/* -ENOMEM or 0. */
int settings_parse(const char *text, struct settings *ret_settings)
	__attribute__((nonnull, warn_unused_result));
void settings_free(struct settings *settings) __attribute__((nonnull));

/*
 * Calls on_difference for each setting of one that the other does not have at that
 * place, in order: installed or wanted is NULL. Returns how many there were, or
 * -ENOMEM.
 */
int settings_compare(const struct settings *installed, const struct settings *wanted,
		     void (*on_difference)(const struct setting *installed,
					   const struct setting *wanted,
					   void *userdata),
		     void *userdata)
	__attribute__((nonnull(1, 2, 3), warn_unused_result));
