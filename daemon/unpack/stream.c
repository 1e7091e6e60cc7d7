#include "unpack/stream.h"

#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/names.h"

#define END_MARK_BYTES 1024 /* two blocks of zeros, ustar(5) */
#define MAGIC_BYTES    6
#define TAIL_BYTES     512	   /* less than this the parser has not used yet */
#define TAIL_BYTES_MAX (16u << 20) /* libarchive takes special headers up to 1 MiB */

static int explain(struct stream *stream, struct archive *reader, const char *what)
{
	const char *text = archive_error_string(reader);
	char escaped[300];

	return errinfo_refuse(stream->ei, RESULT_REJECTED, "the archive is %s: %s",
			      what,
			      text ? names_escape(text, escaped, sizeof(escaped))
				   : "libarchive does not say why");
}

int stream_explain(struct stream *stream, struct archive *parser, bool started)
{
	const char *kind;

	if (stream->refused)
		return -EINVAL;
	if (started)
		return explain(stream, parser,
			       stream->out_ended ? "truncated or damaged" : "damaged");
	if (stream->out_bytes == 0)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is empty");
	if (stream->out_compressed)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is compressed more than once");
	kind = kind_of(stream->start, stream->start_bytes);
	if (!kind)
		return errinfo_refuse(
			stream->ei, RESULT_REJECTED,
			"the archive is not a tar: neither its format nor "
			"its compression is known; tar, tar.gz, tar.bz2, "
			"tar.xz and tar.zst are taken");
	return errinfo_refuse(stream->ei, RESULT_REJECTED,
			      "the archive is not a tar: it %s", kind);
}

/* Reads the next block into the other of the two buffers: check_unused() may need
 * to see the end of the block before. */
static ssize_t read_block(struct stream *stream)
{
	unsigned int next = !stream->block;
	ssize_t n;

	do {
		if (limits_check_cpu(stream->limits, stream->ei) < 0)
			return -EINVAL;
		n = read(stream->fd, stream->blocks[next], STREAM_BLOCK_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errinfo_set(stream->ei, errno, "cannot read the archive");
	stream->in_ended = n == 0;
	if (n > 0) {
		stream->block = next;
		stream->block_bytes[next] = (size_t)n;
		stream->in_bytes += (uint64_t)n;
	}
	return n;
}

/* The next compressed bytes, for both decoders. */
static ssize_t fill(void *userdata, const void **ret_block)
{
	struct stream *stream = userdata;
	ssize_t n;

	if (stream->peeked) {
		stream->peeked = false;
		n = (ssize_t)stream->block_bytes[stream->block];
	} else {
		n = read_block(stream);
	}
	*ret_block = stream->blocks[stream->block];
	return n;
}

/* A pipe may hand out its first bytes one by one. */
static int peek(struct stream *stream)
{
	unsigned char *block = stream->blocks[stream->block];
	size_t length = 0;
	ssize_t n = 1;

	while (length < MAGIC_BYTES && n > 0) {
		n = read(stream->fd, block + length, STREAM_BLOCK_BYTES - length);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return errinfo_set(stream->ei, errno,
					   "cannot read the archive");
		else
			length += (size_t)n;
	}
	if (length == 0)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is empty (0 bytes): what makes or "
				      "sends it wrote nothing");
	stream->block_bytes[stream->block] = length;
	stream->in_bytes = length;
	stream->peeked = true;
	return 0;
}

/* The compressions we know, by their first bytes. */
static bool is_compressed(const unsigned char *block, size_t length)
{
	static const struct {
		const char *bytes;
		size_t length;
	} magics[] = {
		{"\x1f\x8b", 2},
		{"BZh", 3},
		{"\x28\xb5\x2f\xfd", 4},
		{"\xfd"
		 "7zXZ\0",
		 6},
	};

	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		if (length >= magics[i].length &&
		    memcmp(block, magics[i].bytes, magics[i].length) == 0)
			return true;
	}
	return false;
}

static la_ssize_t on_read(struct archive *decoder, void *userdata,
			  const void **ret_block)
{
	struct stream *stream = userdata;
	ssize_t n = fill(stream, ret_block);

	if (n >= 0)
		return n;
	stream->refused = true;
	archive_set_error(decoder, EINVAL, "%s", stream->ei->what);
	return ARCHIVE_FATAL;
}

/* What libarchive's words for the decoders' lack of memory hold. */
static bool is_memory_lack(struct archive *reader)
{
	const char *text = archive_error_string(reader);

	return text &&
	       (archive_errno(reader) == ENOMEM || strcasestr(text, "allocat") ||
		strcasestr(text, "memory usage"));
}

static bool is_window_too_large(struct archive *reader)
{
	const char *text = archive_error_string(reader);

	return text && strcasestr(text, "requires too much memory");
}

static int decoder_failed(struct stream *stream)
{
	if (stream->refused)
		return -EINVAL;
	if (is_window_too_large(stream->decoder))
		return errinfo_refuse(
			stream->ei, RESULT_REJECTED,
			"the archive was compressed with a window of more "
			"than 128 MiB (zstd --long=28 or more); pack it "
			"with --long=27 or less");
	if (is_memory_lack(stream->decoder))
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "decompressing the archive needs more than "
				      "unpack_memory_bytes; compress it with a lower "
				      "level, or raise that in deployd.conf");
	return explain(stream, stream->decoder,
		       stream->in_ended ? "truncated or damaged" : "damaged");
}

static int open_decoder(struct stream *stream)
{
	struct archive *decoder = archive_read_new();
	struct archive_entry *entry;

	stream->decoder = decoder;
	if (!decoder)
		return errinfo_set(stream->ei, ENOMEM, "cannot read the archive");
	/* A warning: this libarchive would run an external program for the filter. */
	if (archive_read_support_filter_bzip2(decoder) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(decoder) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(decoder) != ARCHIVE_OK ||
	    archive_read_support_format_raw(decoder) != ARCHIVE_OK ||
	    archive_read_support_format_empty(decoder) != ARCHIVE_OK)
		return errinfo_refuse(stream->ei, RESULT_FAILED,
				      "libarchive cannot decompress: %s",
				      archive_error_string(decoder));
	if (archive_read_open(decoder, stream, NULL, on_read, NULL) != ARCHIVE_OK)
		return decoder_failed(stream);
	/* "none" counts as one. */
	if (archive_filter_count(decoder) > 2)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is compressed more than once");
	switch (archive_read_next_header(decoder, &entry)) {
	case ARCHIVE_OK:
		return 0;
	case ARCHIVE_EOF:
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is empty");
	default:
		return decoder_failed(stream);
	}
}

int stream_init(struct stream *stream, int fd, const struct unpack_limits *limits,
		struct errinfo *ei)
{
	int r;

	stream->fd = fd;
	stream->limits = limits;
	stream->ei = ei;
	r = peek(stream);
	if (r < 0)
		return r;
	if (memcmp(stream->blocks[stream->block], "\x1f\x8b", 2) != 0)
		return open_decoder(stream);
	r = gunzip_init(&stream->gunzip, fill, stream, ei);
	stream->is_gzip = r == 0;
	return r;
}

/* The next bytes of the tar: their number, 0 at the end, negative: ei is set. */
static ssize_t decode(struct stream *stream, const void **ret_block)
{
	la_int64_t offset;
	size_t length = 0;
	int r;

	if (stream->is_gzip)
		return gunzip_read(&stream->gunzip, ret_block);
	r = archive_read_data_block(stream->decoder, ret_block, &length, &offset);
	if (r == ARCHIVE_EOF)
		return 0;
	return r == ARCHIVE_OK ? (ssize_t)length : decoder_failed(stream);
}

/* How many zeros end the block; word by word, as this sees every byte there is. */
static size_t trailing_zeros(const unsigned char *block, size_t length)
{
	size_t left = length;

	while (left >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, block + left - sizeof(word), sizeof(word));
		if (word != 0)
			break;
		left -= sizeof(word);
	}
	while (left > 0 && block[left - 1] == 0)
		left--;
	return length - left;
}

static void keep_start(struct stream *stream, const void *block, size_t length)
{
	size_t room = sizeof(stream->start) - stream->start_bytes;

	if (length > room)
		length = room;
	memcpy(stream->start + stream->start_bytes, block, length);
	stream->start_bytes += length;
}

static int check_block(struct stream *stream, const void *block, size_t length)
{
	size_t zeros = trailing_zeros(block, length);
	int r;

	/* For the message only: the name of the first entry may well be "BZh". */
	if (stream->out_bytes == 0)
		stream->out_compressed = is_compressed(block, length);
	keep_start(stream, block, length);
	stream->out_bytes += length;
	stream->zeros_bytes = zeros == length ? stream->zeros_bytes + zeros : zeros;
	r = limits_check_cpu(stream->limits, stream->ei);
	if (r < 0)
		return r;
	return limits_check_ratio(stream->limits, stream->in_bytes, stream->out_bytes,
				  stream->ei);
}

/* Outside of a header libarchive asks for more only when it has less than a block. */
static void forget_tail(struct stream *stream)
{
	size_t surplus;

	if (stream->tail_grows || stream->tail_bytes <= TAIL_BYTES)
		return;
	surplus = stream->tail_bytes - TAIL_BYTES;
	memmove(stream->tail, stream->tail + surplus, TAIL_BYTES);
	stream->tail_bytes = TAIL_BYTES;
	stream->tail_start += surplus;
}

static int keep_tail(struct stream *stream, const void *block, size_t length)
{
	size_t needed;

	forget_tail(stream);
	needed = stream->tail_bytes + length;
	if (needed > TAIL_BYTES_MAX)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "an entry's headers are larger than %u MiB",
				      TAIL_BYTES_MAX >> 20);
	if (needed > stream->tail_room) {
		unsigned char *tail = realloc(stream->tail, 2 * needed);

		if (!tail)
			return errinfo_set(stream->ei, ENOMEM,
					   "cannot read the archive");
		stream->tail = tail;
		stream->tail_room = 2 * needed;
	}
	memcpy(stream->tail + stream->tail_bytes, block, length);
	stream->tail_bytes = needed;
	return 0;
}

void stream_expect_header(struct stream *stream, uint64_t start)
{
	size_t surplus =
		start > stream->tail_start ? (size_t)(start - stream->tail_start) : 0;

	if (surplus > stream->tail_bytes)
		surplus = stream->tail_bytes;
	/* Only then: a block may hold hundreds of entries. */
	if (surplus > stream->tail_bytes / 2) {
		stream->tail_bytes -= surplus;
		stream->tail_start += surplus;
		memmove(stream->tail, stream->tail + surplus, stream->tail_bytes);
	}
	stream->tail_grows = true;
}

const unsigned char *stream_header(struct stream *stream, uint64_t start,
				   size_t *ret_length)
{
	stream->tail_grows = false;
	if (start < stream->tail_start ||
	    start - stream->tail_start > stream->tail_bytes)
		return NULL;
	*ret_length = stream->tail_bytes - (size_t)(start - stream->tail_start);
	return stream->tail + (start - stream->tail_start);
}

la_ssize_t stream_read(struct archive *parser, void *userdata, const void **ret_block)
{
	struct stream *stream = userdata;
	ssize_t n = -EINVAL;

	if (!stream->refused)
		n = decode(stream, ret_block);
	if (n > 0 && (check_block(stream, *ret_block, (size_t)n) < 0 ||
		      keep_tail(stream, *ret_block, (size_t)n) < 0))
		n = -EINVAL;
	if (n < 0) {
		/* ei says why; libarchive only has to stop. */
		stream->refused = true;
		archive_set_error(parser, EINVAL, "%s", stream->ei->what);
		return ARCHIVE_FATAL;
	}
	stream->out_ended = n == 0;
	return n;
}

static int refuse_garbage(struct stream *stream)
{
	return errinfo_refuse(stream->ei, RESULT_REJECTED,
			      "something follows the end of the archive (trailing "
			      "garbage, or a second archive)");
}

/* What was read from fd but not used by the decoder, at most two blocks. */
static int check_unused(struct stream *stream)
{
	uint64_t used = (uint64_t)archive_filter_bytes(stream->decoder, -1);
	uint64_t unused = stream->in_bytes - used;

	for (unsigned int i = 0; i < 2 && unused > 0; i++) {
		unsigned int block = stream->block ^ i;
		size_t length = stream->block_bytes[block];
		size_t look = unused < length ? (size_t)unused : length;

		if (trailing_zeros(stream->blocks[block] + length - look, look) != look)
			return refuse_garbage(stream);
		unused -= look;
	}
	return unused == 0 ? 0 : refuse_garbage(stream);
}

/* struct gunzip sees to this itself. */
static int check_rest(struct stream *stream)
{
	const void *block;
	ssize_t n;
	int r;

	r = check_unused(stream);
	if (r < 0)
		return r;
	while ((n = fill(stream, &block)) > 0) {
		if (trailing_zeros(block, (size_t)n) != (size_t)n)
			return refuse_garbage(stream);
	}
	return (int)n;
}

int stream_finish(struct stream *stream, uint64_t end_bytes)
{
	const void *block;
	ssize_t n;
	int r;

	while ((n = decode(stream, &block)) > 0) {
		r = check_block(stream, block, (size_t)n);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return (int)n;
	if (stream->out_bytes - stream->zeros_bytes > end_bytes)
		return refuse_garbage(stream);
	if (stream->out_bytes < end_bytes + END_MARK_BYTES)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is truncated: its end mark is "
				      "missing");
	return stream->is_gzip ? 0 : check_rest(stream);
}

void stream_deinit(struct stream *stream)
{
	(void)archive_read_free(stream->decoder);
	stream->decoder = NULL;
	free(stream->tail);
	stream->tail = NULL;
	if (stream->is_gzip)
		gunzip_deinit(&stream->gunzip);
	stream->is_gzip = false;
}
