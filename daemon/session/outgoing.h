#pragma once

#include <jansson.h>
#include <stddef.h>

/* Bytes on their way out of the process. Zero-initialise. */
struct outgoing {
	char *data;
	size_t length;	 /* bytes of data in use, including those already sent */
	size_t sent;	 /* bytes at the start that were sent */
	size_t capacity; /* grows as needed; the caller keeps to a bound */
};

size_t outgoing_left(const struct outgoing *queue) __attribute__((nonnull));

/* Appends; -ENOMEM, with the queue unchanged. */
int outgoing_add(struct outgoing *queue, const char *data, size_t length)
	__attribute__((warn_unused_result, nonnull));

/*
 * Appends an object as JSON and a NUL. Takes the reference, even on failure. Fails when
 * object is NULL, which means that there was no memory.
 */
int outgoing_add_json(struct outgoing *queue, json_t *object)
	__attribute__((warn_unused_result, nonnull(1)));

/* The next n bytes have been sent. */
void outgoing_advance(struct outgoing *queue, size_t n) __attribute__((nonnull));

/* The next byte to send; meaningless when none is left. */
const char *outgoing_data(const struct outgoing *queue) __attribute__((nonnull));

void outgoing_deinit(struct outgoing *queue) __attribute__((nonnull));
