#pragma once

#include <stddef.h>

/*
 * The word of a NULL-terminated list that somebody who wrote `wrong` most likely meant;
 * NULL when none is near. For "did you mean" in messages.
 */
const char *suggest_word(const char *wrong, const char *const *words)
	__attribute__((nonnull));
