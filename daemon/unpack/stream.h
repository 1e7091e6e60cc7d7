#pragma once

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "unpack/limits.h"

#define STREAM_BLOCK_BYTES (128u << 10)

/*
 * The bytes of the tar: the pipe from deployd-intake, decompressed by at most one
 * filter. It is a libarchive reader of its own, apart from the one that parses tar,
 * because only so every byte can be accounted for: what comes after the end of the
 * archive, in the tar and behind the compressed data, has to be zero.
 */
struct stream {
	int fd; /* borrowed */
	const struct unpack_limits *limits;
	struct archive *decoder;
	bool refused;	      /* ei says why; else it was libarchive that failed */
	struct errinfo *ei;   /* borrowed, as long as the stream is */
	uint64_t in_bytes;    /* read from fd */
	uint64_t out_bytes;   /* handed to the parser of tar */
	uint64_t zeros_bytes; /* of these, zeros at the end */
	unsigned int block;   /* the one filled last */
	size_t block_bytes[2];
	unsigned char blocks[2][STREAM_BLOCK_BYTES];
};

/* Opens the stream and learns its compression. ei is kept. */
int stream_init(struct stream *stream, int fd, const struct unpack_limits *limits,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* archive_read_callback of the parser; userdata is the stream. */
la_ssize_t stream_read(struct archive *parser, void *userdata, const void **ret_block)
	__attribute__((nonnull));

/*
 * After the parser's end of archive: reads everything that is left, down to the end of
 * fd, and refuses unless at least the two blocks of the end mark, and nothing but
 * zeros, come from tar offset end_bytes on.
 */
int stream_finish(struct stream *stream, uint64_t end_bytes)
	__attribute__((nonnull, warn_unused_result));

/*
 * Puts the failure of reader, which is the stream's decoder or a parser reading from
 * it, into the stream's ei. Returns -EINVAL.
 */
int stream_set_error(struct stream *stream, struct archive *reader, const char *what)
	__attribute__((nonnull));

void stream_deinit(struct stream *stream) __attribute__((nonnull));
