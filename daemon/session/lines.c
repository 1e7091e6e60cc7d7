#include "session/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void lines_init(struct lines *lines)
{
	*lines = (struct lines){.fd = -1};
}

int lines_start(struct lines *lines, int fd, uint64_t request)
{
	lines_close(lines);
	lines->data = malloc(LINE_BYTES_MAX);
	if (!lines->data) {
		(void)close(fd);
		return -ENOMEM;
	}
	(void)fcntl(fd, F_SETFL, O_RDONLY | O_NONBLOCK);
	lines->fd = fd;
	lines->request = request;
	return 0;
}

json_t *lines_text(const char *text, size_t length)
{
	const size_t size = sizeof(REPLACEMENT) - 1;
	cleanup_free char *clean = malloc(length * size + 1);
	size_t at = 0;

	for (size_t i = 0; clean && i < length;) {
		size_t n = text[i] == '\0' ? 0 : utf8_length(text + i, length - i);

		if (n > 0)
			memcpy(clean + at, text + i, n);
		else
			memcpy(clean + at, REPLACEMENT, size);
		at += n > 0 ? n : size;
		i += n > 0 ? n : 1;
	}
	return clean ? json_stringn(clean, at) : NULL;
}

/* Where a line that is too long is cut: not inside a character. */
static size_t cut_of(const char *text, size_t length)
{
	size_t cut = length;

	while (cut > 0 && length - cut < 3 &&
	       ((unsigned char)text[cut - 1] & 0xc0) == 0x80)
		cut--;
	if (cut > 1 && (unsigned char)text[cut - 1] >= 0xc0 &&
	    utf8_length(text + cut - 1, length - cut + 1) == 0)
		return cut - 1;
	return length;
}

static void add(json_t *array, const char *text, size_t length)
{
	/* Without memory a line is lost, and the client sees the others. */
	(void)json_array_append_new(array, lines_text(text, length));
}

static void split(struct lines *lines, json_t *array)
{
	size_t at = 0;
	const char *end;

	while (at < lines->length &&
	       (end = memchr(lines->data + at, '\n', lines->length - at))) {
		add(array, lines->data + at, (size_t)(end - lines->data) - at);
		at = (size_t)(end - lines->data) + 1;
	}
	if (at == 0 && lines->length == LINE_BYTES_MAX) {
		at = cut_of(lines->data, lines->length);
		add(array, lines->data, at);
	}
	if (lines->ended && at < lines->length) {
		add(array, lines->data + at, lines->length - at);
		at = lines->length;
	}
	memmove(lines->data, lines->data + at, lines->length - at);
	lines->length -= at;
}

json_t *lines_read(struct lines *lines)
{
	ssize_t n = read(lines->fd, lines->data + lines->length,
			 LINE_BYTES_MAX - lines->length);
	json_t *array;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0)
		lines->ended = true;
	else
		lines->length += (size_t)n;
	array = json_array();
	if (array)
		split(lines, array);
	return array;
}

void lines_close(struct lines *lines)
{
	if (lines->fd >= 0)
		(void)close(lines->fd);
	free(lines->data);
	lines_init(lines);
}
