#pragma once

#include <stddef.h>

/*
 * The word of a NULL-terminated list that somebody who wrote `wrong` most likely meant;
 * NULL when none is near. For "did you mean" in messages.
 */
const char *suggest_word(const char *wrong, const char *const *words)
	__attribute__((nonnull));

/*
 * Bytes to insert, delete or replace, and neighbours to swap: what fingers do. SIZE_MAX
 * when a word is too long for a typing mistake.
 */
size_t suggest_distance(const char *a, const char *b) __attribute__((nonnull));
