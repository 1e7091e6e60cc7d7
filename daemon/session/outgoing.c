#include "session/outgoing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"

size_t outgoing_left(const struct outgoing *queue)
{
	return queue->length - queue->sent;
}

const char *outgoing_data(const struct outgoing *queue)
{
	return queue->data + queue->sent;
}

/* What was sent makes room first, once it is the larger half. */
static void compact(struct outgoing *queue)
{
	size_t left = outgoing_left(queue);

	if (left > queue->sent)
		return;
	if (left > 0)
		memmove(queue->data, queue->data + queue->sent, left);
	queue->length = left;
	queue->sent = 0;
}

int outgoing_add(struct outgoing *queue, const char *data, size_t length)
{
	compact(queue);
	if (length > queue->capacity - queue->length) {
		size_t capacity = queue->length + length;
		char *grown = realloc(queue->data, capacity);

		if (!grown)
			return -ENOMEM;
		queue->data = grown;
		queue->capacity = capacity;
	}
	memcpy(queue->data + queue->length, data, length);
	queue->length += length;
	return 0;
}

int outgoing_add_json(struct outgoing *queue, json_t *object)
{
	cleanup_free char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	return text ? outgoing_add(queue, text, strlen(text) + 1) : -ENOMEM;
}

void outgoing_advance(struct outgoing *queue, size_t n)
{
	assert(n <= outgoing_left(queue));
	queue->sent += n;
	if (outgoing_left(queue) == 0)
		outgoing_deinit(queue); /* a large answer is not kept */
}

void outgoing_deinit(struct outgoing *queue)
{
	free(queue->data);
	*queue = (struct outgoing){0};
}
