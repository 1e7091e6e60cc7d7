#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "deploy/errinfo.h"

/*
 * A gzip decoder, because libarchive's (3.6) does not check the CRC of what it
 * decompresses, nor does it look at what follows: a flipped bit would be deployed.
 * Several members in a row are one stream; only zeros may follow the last one.
 */
struct gunzip {
	z_stream z;
	/* The next compressed bytes: their number, 0 at the end, negative: ei is set.
	 */
	ssize_t (*fill)(void *userdata, const void **ret_block);
	void *userdata;
	struct errinfo *ei; /* borrowed */
	bool in_member;
	bool padding; /* behind the last member */
	unsigned char out[128u << 10];
};

int gunzip_init(struct gunzip *gunzip,
		ssize_t (*fill)(void *userdata, const void **ret_block), void *userdata,
		struct errinfo *ei)
	__attribute__((nonnull(1, 2, 4), warn_unused_result));

/*
 * The next decompressed bytes, valid until the next call. Their number, 0 when the
 * compressed bytes were read and found good to their end, -EINVAL with ei set.
 */
ssize_t gunzip_read(struct gunzip *gunzip, const void **ret_block)
	__attribute__((nonnull, warn_unused_result));

void gunzip_deinit(struct gunzip *gunzip) __attribute__((nonnull));
