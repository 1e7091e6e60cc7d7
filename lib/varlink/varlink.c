#include "deploy/varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t limit_of(const struct varlink_buffer *buffer)
{
	return buffer->message_bytes_max ? buffer->message_bytes_max
					 : VARLINK_MESSAGE_BYTES_MAX;
}

/*
 * Does the last, unfinished message stay within the limit? Finished ones in front of it
 * may take as much again.
 */
static bool fits(const struct varlink_buffer *buffer, const char *data, size_t length)
{
	size_t held = buffer->length - buffer->taken, unfinished = held;
	const char *held_end, *end;

	if (held + length <= limit_of(buffer))
		return true;
	if (held + length > 2 * limit_of(buffer))
		return false;
	held_end = held > 0 ? memrchr(buffer->data + buffer->taken, '\0', held) : NULL;
	if (held_end)
		unfinished =
			held - (size_t)(held_end + 1 - buffer->data - buffer->taken);
	end = memchr(data, '\0', length);
	return unfinished + (end ? (size_t)(end - data) : length) < limit_of(buffer);
}

/* Moves what is left to the start once it is the smaller half, so that a byte moves at
 * most once on average however small the messages are. */
static void compact(struct varlink_buffer *buffer)
{
	size_t left = buffer->length - buffer->taken;

	if (left > buffer->taken)
		return;
	if (left > 0)
		memmove(buffer->data, buffer->data + buffer->taken, left);
	buffer->length = left;
	buffer->taken = 0;
}

int varlink_buffer_add(struct varlink_buffer *buffer, const void *data, size_t length)
{
	size_t needed;

	if (length == 0)
		return 0;
	if (length > limit_of(buffer) || !fits(buffer, data, length))
		return -EMSGSIZE;
	compact(buffer);
	needed = buffer->length + length;
	if (needed > buffer->capacity) {
		size_t capacity = buffer->capacity ? buffer->capacity : 4096;
		char *grown;

		while (capacity < needed)
			capacity *= 2;
		grown = realloc(buffer->data, capacity);
		if (!grown)
			return -ENOMEM;
		buffer->data = grown;
		buffer->capacity = capacity;
	}
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length = needed;
	return 0;
}

/* jansson has its own limit, far above what a request needs. */
static bool too_deep(const char *text, size_t length)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > VARLINK_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

int varlink_buffer_take(struct varlink_buffer *buffer, json_t **ret_message)
{
	size_t left = buffer->length - buffer->taken, length;
	const char *start, *end = NULL;
	json_t *message = NULL;
	json_error_t error;

	if (left == 0)
		return 0;
	start = buffer->data + buffer->taken;
	if (left > buffer->scanned)
		end = memchr(start + buffer->scanned, '\0', left - buffer->scanned);
	if (!end) {
		buffer->scanned = left;
		return 0;
	}
	length = (size_t)(end - start);
	/* jansson refuses \u0000 unless it is told otherwise. */
	if (!too_deep(start, length))
		message = json_loadb(start, length, JSON_REJECT_DUPLICATES, &error);
	buffer->taken += length + 1;
	buffer->scanned = 0;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret_message = message;
	return 1;
}

void varlink_buffer_deinit(struct varlink_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct varlink_buffer){0};
}

/* Absent, null and false are the same. False: it is something else. */
static bool read_flag(const json_t *message, const char *name, bool *ret_flag)
{
	const json_t *value = json_object_get(message, name);

	*ret_flag = json_is_true(value);
	return !value || json_is_null(value) || json_is_boolean(value);
}

static bool known_key(const char *key)
{
	static const char *const known[] = {"method", "parameters", "more", "oneway",
					    "upgrade"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], key) == 0)
			return true;
	return false;
}

static int decode(struct varlink_call *call)
{
	const char *dot, *key;
	json_t *value;

	json_object_foreach (call->message, key, value) {
		if (!known_key(key))
			return -EBADMSG;
	}
	call->method = json_string_value(json_object_get(call->message, "method"));
	if (!call->method)
		return -EBADMSG;
	dot = strrchr(call->method, '.');
	if (!dot || dot == call->method || dot[1] == '\0' ||
	    (size_t)(dot - call->method) >= sizeof(call->interface_buf))
		return -EBADMSG;
	memcpy(call->interface_buf, call->method, (size_t)(dot - call->method));
	call->interface_buf[dot - call->method] = '\0';
	call->interface = call->interface_buf;
	call->member = dot + 1;

	value = json_object_get(call->message, "parameters");
	if (!value || json_is_null(value)) {
		value = json_object();
		if (!value ||
		    json_object_set_new(call->message, "parameters", value) < 0)
			return -EBADMSG;
	}
	if (!json_is_object(value))
		return -EBADMSG;
	call->parameters = value;
	if (!read_flag(call->message, "more", &call->more) ||
	    !read_flag(call->message, "oneway", &call->oneway) ||
	    !read_flag(call->message, "upgrade", &call->upgrade))
		return -EBADMSG;
	/* Nobody would hear what comes after an upgrade or more of it. */
	return call->upgrade || (call->more && call->oneway) ? -EBADMSG : 0;
}

int varlink_call_init(struct varlink_call *call, json_t *message)
{
	int r;

	*call = (struct varlink_call){.message = message};
	r = decode(call);
	if (r < 0)
		varlink_call_deinit(call);
	return r;
}

void varlink_call_deinit(struct varlink_call *call)
{
	json_decref(call->message);
	*call = (struct varlink_call){0};
}

/* Takes the reference on message. */
static char *encode(json_t *message, size_t *ret_length)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;

	json_decref(message);
	if (text)
		*ret_length = strlen(text) + 1;
	return text;
}

/* Takes the reference on parameters; NULL without memory. */
static json_t *with_parameters(json_t *message, json_t *parameters)
{
	if (parameters && json_object_set_new(message, "parameters", parameters) < 0) {
		json_decref(message);
		return NULL;
	}
	return message;
}

char *varlink_encode_call(const char *method, json_t *parameters, bool more,
			  size_t *ret_length)
{
	json_t *message =
		with_parameters(json_pack("{s:s}", "method", method), parameters);

	if (message && more && json_object_set_new(message, "more", json_true()) < 0) {
		json_decref(message);
		return NULL;
	}
	return encode(message, ret_length);
}

char *varlink_encode_reply(json_t *parameters, bool continues, size_t *ret_length)
{
	json_t *message =
		with_parameters(json_object(), parameters ? parameters : json_object());

	if (message && continues &&
	    json_object_set_new(message, "continues", json_true()) < 0) {
		json_decref(message);
		return NULL;
	}
	return encode(message, ret_length);
}

char *varlink_encode_error(const char *error, json_t *parameters, size_t *ret_length)
{
	return encode(with_parameters(json_pack("{s:s}", "error", error), parameters),
		      ret_length);
}
