/*
 * Any bytes from a client: taken whole, byte by byte, and cut in two at every place (up
 * to CUTS_MAX of them), the same messages come out. What decodes as a call keeps its
 * promises and can be written and read again.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/varlink.h"

#define CUTS_MAX     64
#define MESSAGES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out: the messages, NULL for one that is none. */
struct taken {
	json_t *messages[MESSAGES_MAX];
	size_t n;
};

static void take_all(struct varlink_buffer *buffer, struct taken *taken)
{
	json_t *message = NULL;
	int r;

	while ((r = varlink_buffer_take(buffer, &message)) != 0) {
		assert(r == 1 || r == -EBADMSG);
		if (taken->n == MESSAGES_MAX) {
			if (r == 1)
				json_decref(message);
			continue;
		}
		taken->messages[taken->n++] = r == 1 ? message : NULL;
	}
}

static void add(struct varlink_buffer *buffer, const uint8_t *data, size_t size,
		struct taken *taken)
{
	if (size > 0)
		assert(varlink_buffer_add(buffer, data, size) == 0);
	take_all(buffer, taken);
}

static void clear(struct taken *taken)
{
	for (size_t i = 0; i < taken->n; i++)
		json_decref(taken->messages[i]);
	taken->n = 0;
}

/* Once fed in pieces: the first byte-wise up to cut, the rest in one. */
static void compare(const struct taken *whole, const uint8_t *data, size_t size,
		    size_t cut, bool bytewise)
{
	struct varlink_buffer buffer = {0};
	struct taken taken = {0};

	if (bytewise)
		for (size_t i = 0; i < cut; i++)
			add(&buffer, data + i, 1, &taken);
	else
		add(&buffer, data, cut, &taken);
	add(&buffer, data + cut, size - cut, &taken);
	assert(taken.n == whole->n);
	for (size_t i = 0; i < taken.n; i++)
		assert(!taken.messages[i]
			       ? !whole->messages[i]
			       : json_equal(taken.messages[i], whole->messages[i]));
	clear(&taken);
	varlink_buffer_deinit(&buffer);
}

static void check_call(json_t *message)
{
	struct varlink_call call, again;
	struct varlink_buffer buffer = {0};
	json_t *read = NULL;
	size_t length = 0;
	char *text;

	if (varlink_call_init(&call, json_incref(message)) < 0)
		return;
	assert(json_is_object(call.parameters));
	assert(strlen(call.interface) + 1 + strlen(call.member) == strlen(call.method));
	assert(!strchr(call.member, '.') && call.interface[0] && call.member[0]);
	assert(!(call.more && call.oneway));

	text = varlink_encode_call(call.method, json_incref(call.parameters), call.more,
				   &length);
	assert(text && text[length - 1] == '\0' && strlen(text) == length - 1);
	if (length <= VARLINK_MESSAGE_BYTES_MAX) {
		assert(varlink_buffer_add(&buffer, text, length) == 0);
		assert(varlink_buffer_take(&buffer, &read) == 1);
		assert(varlink_call_init(&again, read) == 0);
		assert(strcmp(again.method, call.method) == 0);
		assert(again.more == call.more);
		assert(json_equal(again.parameters, call.parameters));
		varlink_call_deinit(&again);
	}
	free(text);
	varlink_buffer_deinit(&buffer);
	varlink_call_deinit(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_buffer buffer = {0};
	struct taken whole = {0};
	size_t step = size / CUTS_MAX + 1;

	if (size > VARLINK_MESSAGE_BYTES_MAX)
		return 0;
	add(&buffer, data, size, &whole);
	compare(&whole, data, size, size < 4096 ? size : 4096, true);
	for (size_t cut = 0; cut <= size; cut += step)
		compare(&whole, data, size, cut, false);
	/* Last: a call gets the parameters it lacks. */
	for (size_t i = 0; i < whole.n; i++)
		if (whole.messages[i])
			check_call(whole.messages[i]);
	clear(&whole);
	varlink_buffer_deinit(&buffer);
	return 0;
}
