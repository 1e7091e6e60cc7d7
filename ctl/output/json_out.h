#pragma once

#include <jansson.h>

#include "options.h"

/* The JSON that people script against: snake_case, "schema": 1, one object a line. */

#define JSON_SCHEMA 1

/*
 * A copy with every key in snake_case, at every depth. NULL without memory; value may
 * be NULL. The caller decrefs.
 */
json_t *json_out_snake(const json_t *value);

/* Puts "schema" first, unless it is there; takes the reference on object. */
json_t *json_out_with_schema(json_t *object);

/* A value on stdout as the user wants it. */
void json_out_print(const json_t *value, enum json_mode mode) __attribute__((nonnull));

/* A line of a stream, at once. */
void json_out_line(const json_t *value) __attribute__((nonnull));

/* The string; NULL when it is none, or the object none. */
const char *json_out_text(const json_t *object, const char *key)
	__attribute__((nonnull(2)));

/* The number; other when it is none. */
json_int_t json_out_int(const json_t *object, const char *key, json_int_t other)
	__attribute__((nonnull(2)));
