#include "unpack/gunzip.h"

#include <errno.h>

#define GZIP_MAGIC_0	 0x1f
#define WINDOW_BITS_GZIP (15 + 16) /* zlib.h, inflateInit2(): gzip only */

int gunzip_init(struct gunzip *gunzip,
		ssize_t (*fill)(void *userdata, const void **ret_block), void *userdata,
		struct errinfo *ei)
{
	gunzip->z = (z_stream){0};
	gunzip->fill = fill;
	gunzip->userdata = userdata;
	gunzip->ei = ei;
	gunzip->in_member = true;
	gunzip->padding = false;
	if (inflateInit2(&gunzip->z, WINDOW_BITS_GZIP) != Z_OK)
		return errinfo_set(ei, ENOMEM, "cannot decompress the archive");
	return 0;
}

static int refuse_damage(struct gunzip *gunzip)
{
	return errinfo_refuse(gunzip->ei, RESULT_REJECTED,
			      "the archive is damaged: gzip: %s",
			      gunzip->z.msg ? gunzip->z.msg : "bad data");
}

/* 1 when there are compressed bytes, 0 at their end. */
static int refill(struct gunzip *gunzip)
{
	const void *block;
	ssize_t n;

	if (gunzip->z.avail_in > 0)
		return 1;
	n = gunzip->fill(gunzip->userdata, &block);
	if (n < 0)
		return -EINVAL;
	gunzip->z.next_in = block;
	gunzip->z.avail_in = (unsigned int)n;
	if (n == 0 && gunzip->in_member)
		return errinfo_refuse(gunzip->ei, RESULT_REJECTED,
				      "the archive is truncated: its compressed data "
				      "end early");
	return n > 0;
}

/* Behind a member: another one begins, or zeros do. */
static int pass_gap(struct gunzip *gunzip)
{
	z_stream *z = &gunzip->z;

	if (!gunzip->padding && z->next_in[0] == GZIP_MAGIC_0) {
		gunzip->in_member = true;
		return inflateReset(z) == Z_OK ? 0 : refuse_damage(gunzip);
	}
	gunzip->padding = true;
	for (; z->avail_in > 0; z->avail_in--) {
		if (*z->next_in++ != 0)
			return errinfo_refuse(gunzip->ei, RESULT_REJECTED,
					      "something follows the end of the "
					      "compressed archive");
	}
	return 0;
}

/* Decompresses until out is full or no bytes are left. How many are in out. */
static ssize_t inflate_some(struct gunzip *gunzip)
{
	z_stream *z = &gunzip->z;
	int r;

	z->next_out = gunzip->out;
	z->avail_out = sizeof(gunzip->out);
	r = inflate(z, Z_NO_FLUSH);
	if (r == Z_STREAM_END)
		gunzip->in_member = false;
	else if (r == Z_MEM_ERROR)
		return errinfo_set(gunzip->ei, ENOMEM, "cannot decompress the archive");
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return refuse_damage(gunzip);
	return (ssize_t)(sizeof(gunzip->out) - z->avail_out);
}

ssize_t gunzip_read(struct gunzip *gunzip, const void **ret_block)
{
	ssize_t n;
	int r;

	*ret_block = gunzip->out;
	for (;;) {
		/* Before a refill: zlib may still hold output of bytes it took. */
		n = gunzip->in_member ? inflate_some(gunzip) : 0;
		if (n != 0)
			return n;
		r = refill(gunzip);
		if (r <= 0)
			return r;
		if (!gunzip->in_member) {
			r = pass_gap(gunzip);
			if (r < 0)
				return r;
		}
	}
}

void gunzip_deinit(struct gunzip *gunzip)
{
	(void)inflateEnd(&gunzip->z);
}
