#include "unpack/stream.h"

#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "deploy/names.h"

#define TAR_BLOCK_BYTES 512

int stream_set_error(struct stream *stream, struct archive *reader, const char *what)
{
	const char *text = archive_error_string(reader);
	char escaped[300];

	if (stream->refused)
		return -EINVAL;
	return errinfo_refuse(
		stream->ei, RESULT_REJECTED, "%s: %s", what,
		names_escape(text ? text : "unknown error", escaped, sizeof(escaped)));
}

/* The refusal is in ei already; libarchive only has to stop. */
static la_ssize_t refuse_read(struct stream *stream, struct archive *reader)
{
	stream->refused = true;
	archive_set_error(reader, EINVAL, "%s", stream->ei->what);
	return ARCHIVE_FATAL;
}

/*
 * Two buffers in turn: the decoder may leave bytes of the block before unused, and
 * check_unused() has to see them.
 */
static la_ssize_t on_read(struct archive *decoder, void *userdata,
			  const void **ret_block)
{
	struct stream *stream = userdata;
	unsigned int next = !stream->block;
	ssize_t n;

	do {
		if (limits_check_cpu(stream->limits, stream->ei) < 0)
			return refuse_read(stream, decoder);
		n = read(stream->fd, stream->blocks[next], STREAM_BLOCK_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		(void)errinfo_set(stream->ei, errno, "cannot read the archive");
		return refuse_read(stream, decoder);
	}
	if (n > 0) {
		stream->block = next;
		stream->block_bytes[next] = (size_t)n;
		stream->in_bytes += (uint64_t)n;
	}
	*ret_block = stream->blocks[next];
	return n;
}

static int set_up_decoder(struct archive *decoder)
{
	/* Warnings: this libarchive would run an external program for the filter. */
	if (archive_read_support_filter_gzip(decoder) != ARCHIVE_OK ||
	    archive_read_support_filter_bzip2(decoder) != ARCHIVE_OK ||
	    archive_read_support_filter_xz(decoder) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(decoder) != ARCHIVE_OK ||
	    archive_read_support_format_raw(decoder) != ARCHIVE_OK ||
	    archive_read_support_format_empty(decoder) != ARCHIVE_OK)
		return -EINVAL;
	return 0;
}

static int open_decoder(struct stream *stream)
{
	struct archive_entry *entry;
	int r;

	r = archive_read_open(stream->decoder, stream, NULL, on_read, NULL);
	/* "none" counts as one. */
	if (r == ARCHIVE_OK && archive_filter_count(stream->decoder) > 2)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is compressed more than once");
	if (r == ARCHIVE_OK)
		r = archive_read_next_header(stream->decoder, &entry);
	if (r == ARCHIVE_EOF)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      stream->in_bytes == 0
					      ? "the archive is empty (0 bytes)"
					      : "the archive is empty");
	if (r != ARCHIVE_OK)
		return stream_set_error(stream, stream->decoder,
					"cannot decompress the archive");
	return 0;
}

int stream_init(struct stream *stream, int fd, const struct unpack_limits *limits,
		struct errinfo *ei)
{
	int r;

	stream->fd = fd;
	stream->limits = limits;
	stream->ei = ei;
	stream->refused = false;
	stream->in_bytes = stream->out_bytes = stream->zeros_bytes = 0;
	stream->block = 0;
	stream->block_bytes[0] = stream->block_bytes[1] = 0;
	stream->decoder = archive_read_new();
	if (!stream->decoder)
		return errinfo_set(ei, ENOMEM, "cannot read the archive");
	if (set_up_decoder(stream->decoder) < 0)
		return errinfo_refuse(ei, RESULT_FAILED,
				      "libarchive cannot decompress: %s",
				      archive_error_string(stream->decoder));
	r = open_decoder(stream);
	/* Whatever it was, ei says it. */
	stream->refused = r < 0;
	return r;
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

la_ssize_t stream_read(struct archive *parser, void *userdata, const void **ret_block)
{
	struct stream *stream = userdata;
	la_int64_t offset;
	size_t length = 0, zeros;
	int r;

	if (stream->refused)
		return ARCHIVE_FATAL;
	r = archive_read_data_block(stream->decoder, ret_block, &length, &offset);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK) {
		(void)stream_set_error(stream, stream->decoder,
				       "cannot decompress the archive");
		return refuse_read(stream, parser);
	}
	stream->out_bytes += length;
	zeros = trailing_zeros(*ret_block, length);
	stream->zeros_bytes = zeros == length ? stream->zeros_bytes + zeros : zeros;
	if (limits_check_cpu(stream->limits, stream->ei) < 0 ||
	    limits_check_ratio(stream->limits, stream->in_bytes, stream->out_bytes,
			       stream->ei) < 0)
		return refuse_read(stream, parser);
	return (la_ssize_t)length;
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

static int drain_fd(struct stream *stream)
{
	const void *block;
	la_ssize_t n;

	while ((n = on_read(stream->decoder, stream, &block)) > 0) {
		if (trailing_zeros(block, (size_t)n) != (size_t)n)
			return refuse_garbage(stream);
	}
	return n < 0 ? -EINVAL : 0;
}

int stream_finish(struct stream *stream, uint64_t end_bytes)
{
	const void *block;
	la_ssize_t n;
	int r;

	do {
		n = stream_read(stream->decoder, stream, &block);
	} while (n > 0);
	if (n < 0)
		return -EINVAL;
	if (stream->out_bytes - stream->zeros_bytes > end_bytes)
		return refuse_garbage(stream);
	if (stream->out_bytes < end_bytes + 2 * TAR_BLOCK_BYTES)
		return errinfo_refuse(stream->ei, RESULT_REJECTED,
				      "the archive is truncated: its end mark is "
				      "missing");
	r = check_unused(stream);
	return r < 0 ? r : drain_fd(stream);
}

void stream_deinit(struct stream *stream)
{
	(void)archive_read_free(stream->decoder);
	stream->decoder = NULL;
}
