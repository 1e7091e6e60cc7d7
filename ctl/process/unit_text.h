#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What `systemctl show` and `systemctl cat` print, taken apart. Pure. */

#define UNIT_TEXT_MAX 4096

/*
 * The value of the n-th line "NAME=value" (0 is the first), cut to size; false and ""
 * when there are not so many.
 */
bool unit_text_value(const char *show, const char *name, unsigned int n,
		     char *ret_value, size_t size) __attribute__((nonnull));

/* Is the first value of NAME this one? */
bool unit_text_is(const char *show, const char *name, const char *value)
	__attribute__((nonnull));

/*
 * The last "NAME=value" of the [Service] section of unit files, as they are read one
 * after the other; "" when there is none.
 */
void unit_text_setting(const char *files, const char *name, char *ret_value,
		       size_t size) __attribute__((nonnull));

struct unit_command {
	char path[UNIT_TEXT_MAX];
	char argv[UNIT_TEXT_MAX]; /* with blanks between the arguments */
	bool as_root;		  /* "+" or "!": in spite of User= */
};

/* Takes apart the value of ExecStartEx and its like; false: that is none. */
bool unit_text_command(const char *value, struct unit_command *ret_command)
	__attribute__((nonnull));
