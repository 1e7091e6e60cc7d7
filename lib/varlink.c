#include "deploy/varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* True when the first message, of what is held and of data, ends within the limit. */
static bool ends_in_time(const struct varlink_buffer *buffer, const void *data,
			 size_t length)
{
	size_t held = buffer->length, room;

	if (held + length <= VARLINK_MESSAGE_BYTES_MAX)
		return true;
	if (held > 0 && memchr(buffer->data, '\0', held))
		return held + length <= 2 * VARLINK_MESSAGE_BYTES_MAX;
	room = held < VARLINK_MESSAGE_BYTES_MAX ? VARLINK_MESSAGE_BYTES_MAX - held : 0;
	if (room > length)
		room = length;
	return room > 0 && memchr(data, '\0', room);
}

int varlink_buffer_add(struct varlink_buffer *buffer, const void *data, size_t length)
{
	size_t needed = buffer->length + length;

	if (length > VARLINK_MESSAGE_BYTES_MAX || !ends_in_time(buffer, data, length))
		return -EMSGSIZE;
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
	const char *end = NULL;
	json_t *message = NULL;
	json_error_t error;
	size_t length;

	if (buffer->length > buffer->scanned)
		end = memchr(buffer->data + buffer->scanned, '\0',
			     buffer->length - buffer->scanned);
	if (!end) {
		buffer->scanned = buffer->length;
		return 0;
	}
	length = (size_t)(end - buffer->data);
	if (!too_deep(buffer->data, length))
		message = json_loadb(buffer->data, length, JSON_REJECT_DUPLICATES,
				     &error);
	buffer->length -= length + 1;
	memmove(buffer->data, end + 1, buffer->length);
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
