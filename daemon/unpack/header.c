#include "unpack/header.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"

#define NAME_TEXT_BYTES 160 /* of an escaped name in a message */

/* Offsets in a header block, ustar(5). */
enum field {
	FIELD_NAME = 0,
	FIELD_SIZE = 124,
	FIELD_TYPE = 156,
	FIELD_LINK = 157,
	FIELD_MAGIC = 257,
	FIELD_PREFIX = 345,
};

enum field_size {
	SIZE_NAME = 100,
	SIZE_SIZE = 12,
	SIZE_LINK = 100,
	SIZE_PREFIX = 155,
};

/* How a text came to the entry: two ways at once have no one meaning. */
struct text {
	char *value;
	bool from_pax, from_gnu, is_sparse;
};

struct reader {
	struct text name, link;
	bool stripped;
	unsigned int n_pax;
	const char *fault; /* the first one; told when the entry's name is known */
	struct errinfo *ei;
};

static int refuse(struct reader *reader, const char *why)
{
	const char *name = reader->name.value;
	char text[NAME_TEXT_BYTES];

	return errinfo_refuse(reader->ei, RESULT_REJECTED, "entry '%s' %s",
			      name ? names_escape(name, text, sizeof(text)) : "?", why);
}

static void find_fault(struct reader *reader, const char *why)
{
	if (!reader->fault)
		reader->fault = why;
}

static int keep(struct reader *reader, struct text *text, const unsigned char *bytes,
		size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return errinfo_set(reader->ei, ENOMEM, "cannot read the archive");
	memcpy(copy, bytes, length);
	copy[length] = '\0';
	free(text->value);
	text->value = copy;
	return 0;
}

static int keep_whole(struct reader *reader, struct text *text,
		      const unsigned char *bytes, size_t length)
{
	if (memchr(bytes, '\0', length))
		find_fault(reader, "holds a NUL byte in its name or target");
	return keep(reader, text, bytes, length);
}

/* A field of the block, which ends with a NUL or with its room. */
static int keep_field(struct reader *reader, struct text *text,
		      const unsigned char *field, size_t size)
{
	return keep(reader, text, field, strnlen((const char *)field, size));
}

/* Octal, or base 256 behind a first byte of 0x80; what is no number is too large. */
static uint64_t read_size(const unsigned char *field)
{
	uint64_t size = 0;
	size_t i = 0;

	if (field[0] & 0x80) {
		for (i = 1; i < SIZE_SIZE; i++)
			size = size > UINT64_MAX >> 8 ? UINT64_MAX
						      : size << 8 | field[i];
		return size;
	}
	while (i < SIZE_SIZE && field[i] == ' ')
		i++;
	for (; i < SIZE_SIZE && field[i] >= '0' && field[i] <= '7'; i++)
		size = size << 3 | (uint64_t)(field[i] - '0');
	return size;
}

struct record {
	const char *key;
	size_t key_length;
	const unsigned char *value;
	size_t value_length;
};

static bool key_is(const struct record *record, const char *key)
{
	return record->key_length == strlen(key) &&
	       memcmp(record->key, key, record->key_length) == 0;
}

static bool key_begins(const struct record *record, const char *start)
{
	return record->key_length >= strlen(start) &&
	       memcmp(record->key, start, strlen(start)) == 0;
}

/* "LENGTH KEY=VALUE\n" at *at; moves *at behind it. False: it is malformed. */
static bool next_record(const unsigned char *bytes, size_t length, size_t *at,
			struct record *ret_record)
{
	const unsigned char *start = bytes + *at, *equals;
	size_t left = length - *at, n = 0, size = 0;

	while (n < left && start[n] >= '0' && start[n] <= '9' && size <= length)
		size = size * 10 + (size_t)(start[n++] - '0');
	if (n == 0 || n == left || start[n] != ' ' || size > left || size < n + 3 ||
	    start[size - 1] != '\n')
		return false;
	n++;
	equals = memchr(start + n, '=', size - 1 - n);
	if (!equals)
		return false;
	ret_record->key = (const char *)start + n;
	ret_record->key_length = (size_t)(equals - start) - n;
	ret_record->value = equals + 1;
	ret_record->value_length = (size_t)(start + size - 1 - (equals + 1));
	*at += size;
	return true;
}

static int take_record(struct reader *reader, const struct record *record)
{
	bool is_sparse = key_is(record, "GNU.sparse.name");
	struct text *text = NULL;

	if (is_sparse || (key_is(record, "path") && !reader->name.is_sparse))
		text = &reader->name;
	else if (key_is(record, "linkpath"))
		text = &reader->link;
	if (text) {
		text->from_pax = true;
		text->is_sparse = is_sparse;
		return keep_whole(reader, text, record->value, record->value_length);
	}
	reader->stripped |= key_begins(record, "SCHILY.xattr.") ||
			    key_begins(record, "LIBARCHIVE.xattr.") ||
			    key_begins(record, "SCHILY.acl.");
	return 0;
}

/* What is said of all entries to come may be said of none but in words that do not
 * matter: libarchive overlooks them, GNU tar does not. */
static bool matters_globally(const struct record *record)
{
	return key_is(record, "path") || key_is(record, "linkpath") ||
	       key_is(record, "size") || key_begins(record, "GNU.sparse.");
}

static int read_pax(struct reader *reader, bool global, const unsigned char *bytes,
		    size_t length)
{
	struct record record;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < length) {
		if (!next_record(bytes, length, &at, &record)) {
			find_fault(reader, "has a damaged pax header");
			return 0;
		}
		if (!global)
			r = take_record(reader, &record);
		else if (matters_globally(&record))
			return errinfo_refuse(
				reader->ei, RESULT_REJECTED,
				"a global pax header gives all entries the same name, "
				"target or size");
	}
	return r;
}

/* GNU tar writes the NUL at the end, too. */
static int read_long(struct reader *reader, struct text *text,
		     const unsigned char *bytes, size_t length)
{
	text->from_gnu = true;
	while (length > 0 && bytes[length - 1] == '\0')
		length--;
	return keep_whole(reader, text, bytes, length);
}

static bool is_special(unsigned char type)
{
	return type != '\0' && strchr("xXgLKAV", type);
}

static int read_special(struct reader *reader, unsigned char type,
			const unsigned char *bytes, size_t length)
{
	switch (type) {
	case 'x':
	case 'X':
		if (++reader->n_pax > 1)
			find_fault(reader, "has two pax headers");
		return read_pax(reader, false, bytes, length);
	case 'g':
		return read_pax(reader, true, bytes, length);
	case 'L':
		return read_long(reader, &reader->name, bytes, length);
	case 'K':
		return read_long(reader, &reader->link, bytes, length);
	case 'A':
		reader->stripped = true;
		return 0;
	default:
		return 0; /* a volume's label */
	}
}

static int keep_ustar_name(struct reader *reader, const unsigned char *block)
{
	const unsigned char *prefix = block + FIELD_PREFIX;
	size_t prefix_length = strnlen((const char *)prefix, SIZE_PREFIX);
	size_t length = strnlen((const char *)block, SIZE_NAME);
	unsigned char whole[SIZE_PREFIX + 1 + SIZE_NAME];

	/* "ustar" and a NUL; in its place GNU's own format has a blank, and other
	 * things where the prefix is. */
	if (prefix_length == 0 || memcmp(block + FIELD_MAGIC, "ustar", 6) != 0)
		return keep(reader, &reader->name, block, length);
	memcpy(whole, prefix, prefix_length);
	whole[prefix_length] = '/';
	memcpy(whole + prefix_length + 1, block, length);
	return keep(reader, &reader->name, whole, prefix_length + 1 + length);
}

static int read_own(struct reader *reader, const unsigned char *block)
{
	int r = 0;

	if ((reader->name.from_pax && reader->name.from_gnu) ||
	    (reader->link.from_pax && reader->link.from_gnu))
		find_fault(reader, "has its name or target in two ways");
	if (!reader->name.value)
		r = keep_ustar_name(reader, block);
	if (r == 0 && !reader->link.value && block[FIELD_LINK] != '\0')
		r = keep_field(reader, &reader->link, block + FIELD_LINK, SIZE_LINK);
	if (r == 0 && reader->fault)
		return refuse(reader, reader->fault);
	return r;
}

static int read_blocks(struct reader *reader, const unsigned char *bytes, size_t length)
{
	size_t at = 0;

	while (length - at >= HEADER_BLOCK_BYTES) {
		const unsigned char *block = bytes + at;
		uint64_t size, room;
		int r;

		at += HEADER_BLOCK_BYTES;
		if (!is_special(block[FIELD_TYPE]))
			return read_own(reader, block);
		size = read_size(block + FIELD_SIZE);
		room = (size + HEADER_BLOCK_BYTES - 1) / HEADER_BLOCK_BYTES *
		       HEADER_BLOCK_BYTES;
		if (size > length - at || room > length - at)
			break;
		r = read_special(reader, block[FIELD_TYPE], bytes + at, (size_t)size);
		if (r < 0)
			return r;
		at += (size_t)room;
	}
	return refuse(reader, "has header blocks that cannot be read");
}

int header_read(const unsigned char *bytes, size_t length, struct header *ret_header,
		struct errinfo *ei)
{
	struct reader reader = {.ei = ei};
	int r = read_blocks(&reader, bytes, length);

	*ret_header = (struct header){
		.name = reader.name.value,
		.link = reader.link.value,
		.pax = reader.name.from_pax || reader.link.from_pax,
		.stripped = reader.stripped,
	};
	return r;
}

void header_deinit(struct header *header)
{
	free(header->name);
	free(header->link);
	*header = (struct header){0};
}
