#pragma once

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "deploy/errinfo.h"
#include "unpack/gunzip.h"
#include "unpack/kind.h"
#include "unpack/limits.h"

#define STREAM_BLOCK_BYTES (128u << 10)

/*
 * The bytes of the tar: the pipe from deployd-intake, decompressed at most once, by
 * struct gunzip or a libarchive reader that is not the one parsing tar. Only so every
 * byte can be accounted for: what comes after the end of the archive, in the tar and
 * behind the compressed data, has to be zero.
 */
struct stream {
	int fd; /* borrowed */
	const struct unpack_limits *limits;
	struct errinfo *ei;  /* borrowed, as long as the stream is */
	bool refused;	     /* ei says why; else it was libarchive that failed */
	bool in_ended;	     /* fd is at its end */
	bool out_ended;	     /* so is the tar */
	bool out_compressed; /* the tar begins like something compressed */
	bool peeked;	     /* the first block was read, not yet decoded */
	bool is_gzip;
	unsigned char start[KIND_BYTES]; /* of the tar */
	size_t start_bytes;
	struct archive *decoder; /* of everything but gzip */
	struct gunzip gunzip;
	uint64_t in_bytes;    /* read from fd */
	uint64_t out_bytes;   /* handed to the parser of tar */
	uint64_t zeros_bytes; /* of these, zeros at the end */
	unsigned char *tail;  /* of the tar as handed out, from tail_start on */
	size_t tail_bytes, tail_room;
	uint64_t tail_start;
	bool tail_grows;    /* a header is being read: nothing is forgotten */
	unsigned int block; /* the one filled last */
	size_t block_bytes[2];
	unsigned char blocks[2][STREAM_BLOCK_BYTES];
};

/* Opens the stream, all zero, and learns its compression. ei is kept. */
int stream_init(struct stream *stream, int fd, const struct unpack_limits *limits,
		struct errinfo *ei) __attribute__((nonnull, warn_unused_result));

/* archive_read_callback of the parser; userdata is the stream. */
la_ssize_t stream_read(struct archive *parser, void *userdata, const void **ret_block)
	__attribute__((nonnull));

/*
 * Before the parser reads the next header, and it has skipped all data: the blocks from
 * tar offset start on are kept until stream_header() has been asked for them.
 */
void stream_expect_header(struct stream *stream, uint64_t start)
	__attribute__((nonnull));

/* The bytes from start on that the parser was given; fewer than it used: NULL. */
const unsigned char *stream_header(struct stream *stream, uint64_t start,
				   size_t *ret_length)
	__attribute__((nonnull, warn_unused_result));

/*
 * After the parser's end of archive: reads everything that is left, down to the end of
 * fd, and refuses unless at least the two blocks of the end mark, and nothing but
 * zeros, come from tar offset end_bytes on.
 */
int stream_finish(struct stream *stream, uint64_t end_bytes)
	__attribute__((nonnull, warn_unused_result));

/*
 * Says in ei why parser, which reads from the stream, failed: the stream's own reason,
 * or libarchive's. started: it has read an entry before. Returns -EINVAL.
 */
int stream_explain(struct stream *stream, struct archive *parser, bool started)
	__attribute__((nonnull));

/* Also for a stream that is all zero or failed to open. */
void stream_deinit(struct stream *stream) __attribute__((nonnull));
