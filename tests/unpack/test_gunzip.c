#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unpack/gunzip.h"

#define PLAIN_BYTES 100000

static unsigned char plain[PLAIN_BYTES];

/* Compressed bytes handed out in pieces of a given size. */
struct feed {
	unsigned char bytes[3 * PLAIN_BYTES];
	size_t length, at, piece;
};

static void feed_add(struct feed *feed, const void *bytes, size_t length)
{
	assert_true(feed->length + length <= sizeof(feed->bytes));
	memcpy(feed->bytes + feed->length, bytes, length);
	feed->length += length;
}

static void feed_add_member(struct feed *feed, const unsigned char *bytes,
			    size_t length)
{
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	z.next_in = bytes;
	z.avail_in = (unsigned int)length;
	z.next_out = feed->bytes + feed->length;
	z.avail_out = (unsigned int)(sizeof(feed->bytes) - feed->length);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	feed->length = sizeof(feed->bytes) - z.avail_out;
	(void)deflateEnd(&z);
}

static ssize_t on_fill(void *userdata, const void **ret_block)
{
	struct feed *feed = userdata;
	size_t n = feed->length - feed->at;

	if (n > feed->piece)
		n = feed->piece;
	*ret_block = feed->bytes + feed->at;
	feed->at += n;
	return (ssize_t)n;
}

/* Decompresses and compares; the verdict of the last read. */
static ssize_t run(struct feed *feed, size_t piece, struct errinfo *ei)
{
	struct gunzip *gunzip = malloc(sizeof(*gunzip));
	const void *block;
	size_t at = 0;
	ssize_t n;

	feed->at = 0;
	feed->piece = piece;
	assert_non_null(gunzip);
	assert_int_equal(gunzip_init(gunzip, on_fill, feed, ei), 0);
	while ((n = gunzip_read(gunzip, &block)) > 0) {
		for (size_t i = 0; i < (size_t)n; i++, at++)
			assert_true(((const unsigned char *)block)[i] ==
				    plain[at % PLAIN_BYTES]);
	}
	gunzip_deinit(gunzip);
	free(gunzip);
	if (n == 0)
		assert_true(at % PLAIN_BYTES == 0 && feed->at == feed->length);
	return n;
}

static int set_up(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < PLAIN_BYTES; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (unsigned char)(i % 3 ? x >> 24 : 'a');
	}
	return 0;
}

static void any_split_gives_the_same(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 1000, sizeof(plain) * 3};
	struct feed *feed = calloc(1, sizeof(*feed));
	struct errinfo ei;

	(void)state;
	assert_non_null(feed);
	feed_add_member(feed, plain, 70000);
	feed_add_member(feed, plain + 70000, PLAIN_BYTES - 70000);
	feed_add(feed, "\0\0\0\0\0\0\0", 7);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++)
		assert_int_equal(run(feed, pieces[i], &ei), 0);
	free(feed);
}

static void every_truncation_is_refused(void **state)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	struct errinfo ei = {0};
	size_t whole;

	(void)state;
	assert_non_null(feed);
	feed_add_member(feed, plain, 300);
	whole = feed->length;
	for (size_t cut = 1; cut < whole; cut++) {
		feed->length = cut;
		assert_true(run(feed, whole, &ei) < 0);
		assert_int_equal(ei.result, RESULT_REJECTED);
		assert_non_null(strstr(ei.what, "truncated"));
	}
	free(feed);
}

/* What libarchive's own decoder lets through. */
static void flipped_checksum_is_refused(void **state)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	struct errinfo ei = {0};

	(void)state;
	assert_non_null(feed);
	feed_add_member(feed, plain, PLAIN_BYTES);
	for (size_t i = 1; i <= 8; i++) {
		feed->bytes[feed->length - i] ^= 0x10;
		assert_true(run(feed, 4096, &ei) < 0);
		assert_non_null(strstr(ei.what, "damaged"));
		feed->bytes[feed->length - i] ^= 0x10;
	}
	assert_int_equal(run(feed, 4096, &ei), 0);
	free(feed);
}

static void only_zeros_may_follow(void **state)
{
	struct feed *feed = calloc(1, sizeof(*feed));
	struct errinfo ei = {0};

	(void)state;
	assert_non_null(feed);
	feed_add_member(feed, plain, PLAIN_BYTES);
	feed_add(feed, "\0\0x", 3);
	assert_true(run(feed, 4096, &ei) < 0);
	assert_non_null(strstr(ei.what, "follows the end"));
	feed->length -= 3;
	/* A member behind padding is no member. */
	feed_add(feed, "\0", 1);
	feed_add_member(feed, plain, 10);
	assert_true(run(feed, 4096, &ei) < 0);
	assert_non_null(strstr(ei.what, "follows the end"));
	free(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(flipped_checksum_is_refused),
		cmocka_unit_test(only_zeros_may_follow),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
