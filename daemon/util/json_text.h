#pragma once

#include <jansson.h>

/*
 * The text as a JSON string, up to where it is not UTF-8: an errinfo may cut a
 * character, and jansson refuses such text.
 */
json_t *json_text(const char *text) __attribute__((warn_unused_result, nonnull));
