#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Varlink messages (https://varlink.org/Protocol): JSON objects that end in a NUL.
 * This module frames, decodes and encodes; it has no sockets.
 */

#define VARLINK_MESSAGE_BYTES_MAX (1u << 20)
#define VARLINK_DEPTH_MAX	  32 /* levels of nesting accepted in a message */

/*
 * Bytes received and not yet taken as messages. Zero-initialise, except for a limit
 * other than the default; owned by the caller.
 */
struct varlink_buffer {
	size_t message_bytes_max; /* 0: VARLINK_MESSAGE_BYTES_MAX */
	char *data;
	size_t length;	/* bytes of data in use, those already taken included */
	size_t taken;	/* bytes at the start that belong to messages taken */
	size_t scanned; /* bytes behind those, known to hold no NUL */
	size_t capacity;
};

/*
 * Appends received bytes. -EMSGSIZE when a message would pass
 * the limit, -ENOMEM; the buffer is unchanged then.
 */
int varlink_buffer_add(struct varlink_buffer *buffer, const void *data, size_t length)
	__attribute__((warn_unused_result, nonnull));

/*
 * Takes the first complete message: 1 and *ret_message (caller decrefs), 0 when there
 * is none yet, -EBADMSG when it is not one JSON object without duplicate keys.
 */
int varlink_buffer_take(struct varlink_buffer *buffer, json_t **ret_message)
	__attribute__((warn_unused_result, nonnull));

void varlink_buffer_deinit(struct varlink_buffer *buffer) __attribute__((nonnull));

/* A call, decoded. Strings and parameters live as long as message. */
struct varlink_call {
	json_t *message;
	const char *method;    /* "io.deployd.Deploy" */
	const char *interface; /* "io.deployd", in interface_buf */
	const char *member;    /* "Deploy" */
	json_t *parameters;    /* an object, never NULL */
	bool more;
	bool oneway;
	bool upgrade;
	char interface_buf[256];
};

/* Decodes a call; takes the reference on message. -EBADMSG when it is not a call. */
int varlink_call_init(struct varlink_call *call, json_t *message)
	__attribute__((warn_unused_result, nonnull));

void varlink_call_deinit(struct varlink_call *call) __attribute__((nonnull));

/*
 * Messages ready to send: compact JSON, *ret_length counts the final NUL. The reference
 * on parameters is taken, also on failure; parameters may be NULL. NULL when out of
 * memory. The caller frees.
 */
char *varlink_encode_call(const char *method, json_t *parameters, bool more,
			  size_t *ret_length) __attribute__((nonnull(1, 4)));
char *varlink_encode_reply(json_t *parameters, bool continues, size_t *ret_length)
	__attribute__((nonnull(3)));
char *varlink_encode_error(const char *error, json_t *parameters, size_t *ret_length)
	__attribute__((nonnull(1, 3)));

/* The text of io.deployd, as compiled in. */
extern const char varlink_interface_io_deployd[];

/* The text of org.varlink.service. */
extern const char varlink_interface_service[];
