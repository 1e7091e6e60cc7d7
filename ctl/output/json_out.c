#include "output/json_out.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/terminal.h"

/* restartGapMs -> restart_gap_ms */
static char *snake_key(const char *key)
{
	char *snake = malloc(2 * strlen(key) + 1), *to = snake;

	if (!snake)
		return NULL;
	for (const char *from = key; *from; from++) {
		if (isupper((unsigned char)*from)) {
			if (from != key)
				*to++ = '_';
			*to++ = (char)tolower((unsigned char)*from);
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return snake;
}

static json_t *snake_object(const json_t *value)
{
	json_t *copy = json_object(), *member;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
		char *name = snake_key(key);
		int r = name ? json_object_set_new(copy, name, json_out_snake(member))
			     : -1;

		free(name);
		if (r < 0) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

/* Replies are at most VARLINK_DEPTH_MAX deep, which bounds the recursion. */
json_t *json_out_snake(const json_t *value)
{
	json_t *copy;

	if (json_is_object(value))
		return snake_object(value);
	if (!json_is_array(value))
		return json_copy((json_t *)(uintptr_t)value);
	copy = json_array();
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (json_array_append_new(
			    copy, json_out_snake(json_array_get(value, i))) < 0) {
			json_decref(copy);
			return NULL;
		}
	}
	return copy;
}

json_t *json_out_with_schema(json_t *object)
{
	json_t *with;

	if (!json_is_object(object) || json_object_get(object, "schema"))
		return object;
	with = json_pack("{s:i}", "schema", JSON_SCHEMA);
	if (with && json_object_update(with, object) < 0) {
		json_decref(with);
		with = NULL;
	}
	json_decref(object);
	return with;
}

/*
 * JSON does not escape DEL, the C1 control characters and those that reorder a line,
 * but some terminals obey them. DEL is ASCII, and can only be in a string.
 */
static int put_on_terminal(const char *text, size_t size, void *data)
{
	(void)data;
	for (size_t i = 0; i < size; i++) {
		if (text[i] == 0x7f)
			(void)fputs("\\u007f", stdout);
		else
			(void)putchar(text[i]);
	}
	return 0;
}

static void print(const json_t *value, size_t flags)
{
	flags |= JSON_ENCODE_ANY;
	if (terminal_stdout())
		(void)json_dump_callback(value, put_on_terminal, NULL,
					 flags | JSON_ENSURE_ASCII);
	else
		(void)json_dumpf(value, stdout, flags);
	(void)putchar('\n');
}

void json_out_print(const json_t *value, enum json_mode mode)
{
	print(value, mode == JSON_MODE_PRETTY ? JSON_INDENT(2) : JSON_COMPACT);
}

void json_out_line(const json_t *value)
{
	print(value, JSON_COMPACT);
	(void)fflush(stdout);
}

const char *json_out_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

json_int_t json_out_int(const json_t *object, const char *key, json_int_t other)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : other;
}
