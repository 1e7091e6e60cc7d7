#include "deploy/ini.h"

#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/names.h"
#include "deploy/utf8.h"

/*
 * inih splits "name = value" and trims both. It is given one clean line at a time:
 * this reader has already dropped comments, kept the section and the line number, and
 * refused what inih would mangle in silence (long lines are split in two, a section's
 * name is cut at 49 bytes, a quoted " ;" ends the value).
 */

#ifdef HAVE_INI_MAX_LINE
/* A global of Debian's inih. Before main(), because a reload parses in a thread. */
__attribute__((constructor)) static void raise_line_limit(void)
{
	ini_max_line = (int)INI_LINE_BYTES_MAX + 3;
}
#endif

/* Stand for quoted bytes that mean something to inih; no text holds control bytes. */
#define QUOTED_BLANK	 '\x01'
#define QUOTED_TAB	 '\x02'
#define QUOTED_SEMICOLON '\x03'

struct reader {
	const char *file;
	const char *next, *end;
	unsigned int line;
	char *section;
	unsigned int section_line;
	bool section_is_bad; /* its entries would land in the one before */
	char *buffer;	     /* a line, INI_LINE_BYTES_MAX + 1 bytes */
	void (*on_entry)(const struct ini_entry *entry, void *userdata);
	void *userdata;
	struct diag *diag;
};

static const char bom[] = "\xef\xbb\xbf";

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* False after a message. */
static bool check_bytes(const struct reader *reader, const char *text, size_t length)
{
	size_t n;

	if (memchr(text, '\0', length)) {
		diag_error(reader->diag, reader->file, reader->line,
			   "the line holds a NUL byte; a configuration is text");
		return false;
	}
	for (size_t i = 0; i < length; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = utf8_length(text + i, length - i);
		if (n == 0) {
			diag_error(reader->diag, reader->file, reader->line,
				   "byte 0x%02x at column %zu is not valid UTF-8", c,
				   i + 1);
			return false;
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			diag_error(reader->diag, reader->file, reader->line,
				   "control byte 0x%02x at column %zu", c, i + 1);
			return false;
		}
	}
	return true;
}

/* Where an inline comment starts, or the end. */
static char *comment_start(char *text)
{
	for (char *p = text + 1; *text && *p; p++)
		if ((*p == ';' || *p == '#') && is_blank(p[-1]))
			return p;
	return text + strlen(text);
}

static char *trim(char *text)
{
	size_t n;

	while (is_blank(*text))
		text++;
	n = strlen(text);
	while (n > 0 && is_blank(text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

/* Several blanks count as one. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (is_blank(*p) && is_blank(p[1]))
			continue;
		*to++ = is_blank(*p) ? ' ' : *p;
	}
	*to = '\0';
}

static const char *section_fault(char *name, char *close)
{
	if (!close)
		return "the section has no ']'";
	*close = '\0';
	*comment_start(close + 1) = '\0';
	if (close[1] == ';' || close[1] == '#')
		close[1] = '\0';
	if (*trim(close + 1) != '\0')
		return "there is something after the section's ']'";
	if (*trim(name) == '\0')
		return "the section has no name";
	return NULL;
}

/* text is behind the '['. */
static void take_section(struct reader *reader, char *text)
{
	const char *fault = section_fault(text, strchr(text, ']'));
	char *copy;

	reader->section_is_bad = true;
	reader->section_line = reader->line;
	if (fault) {
		diag_error(reader->diag, reader->file, reader->line,
			   "%s; the lines below it are skipped", fault);
		return;
	}
	text = trim(text);
	squeeze(text);
	copy = strdup(text);
	if (!copy) {
		diag_error(reader->diag, reader->file, reader->line, "out of memory");
		return;
	}
	free(reader->section);
	reader->section = copy;
	reader->section_is_bad = false;
}

static char protect(char c)
{
	switch (c) {
	case ' ':
		return QUOTED_BLANK;
	case '\t':
		return QUOTED_TAB;
	case ';':
		return QUOTED_SEMICOLON;
	default:
		return c;
	}
}

static char unprotect(char c)
{
	switch (c) {
	case QUOTED_BLANK:
		return ' ';
	case QUOTED_TAB:
		return '\t';
	case QUOTED_SEMICOLON:
		return ';';
	default:
		return c;
	}
}

/* Takes the quotes off, in place. NULL, or what is wrong. */
static const char *unquote(char *value)
{
	char *to = value, *p = value + 1;

	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		*to++ = protect(*p);
	}
	if (*p != '"')
		return "the value has no closing '\"'";
	p++;
	*comment_start(p) = '\0';
	if (*trim(p) != '\0')
		return "there is something after the closing '\"' of the value; quote "
		       "the whole value, with \\\" for a quote in it";
	*to = '\0';
	return NULL;
}

/* text is "name = value"; a fault is reported and gives false. */
static bool clean_entry(const struct reader *reader, char *text)
{
	char shown[64];
	char *equals = strchr(text, '='), *value;
	const char *fault = NULL;
	size_t name_length = equals ? (size_t)(equals - text) : 0;

	if (!equals || comment_start(text) < equals) {
		diag_error(reader->diag, reader->file, reader->line,
			   "'%s' is neither 'name = value' nor a [section]",
			   names_escape(text, shown, sizeof(shown)));
		return false;
	}
	value = equals + 1;
	while (is_blank(*value))
		value++;
	if (*value == '"')
		fault = unquote(value);
	else
		*comment_start(equals) = '\0';
	if (name_length == 0)
		fault = "there is no name before the '='";
	else if (strncmp(text, bom, sizeof(bom) - 1) == 0) /* inih would drop it */
		fault = "a byte order mark inside the file; remove it";
	else if (memchr(text, ':', name_length))
		fault = "a ':' before the '='; a name has none";
	if (fault)
		diag_error(reader->diag, reader->file, reader->line, "%s", fault);
	return !fault;
}

/* A line that is not taken: if it is a section's, what follows is in no section. */
static void skip_line(struct reader *reader, const char *text, size_t length)
{
	while (length > 0 && is_blank(*text)) {
		text++;
		length--;
	}
	if (length == 0 || *text != '[')
		return;
	reader->section_is_bad = true;
	reader->section_line = reader->line;
}

/* The next line into reader->buffer; false at the end, true with *ret_fits false after
 * a message about the line. */
static bool next_line(struct reader *reader, size_t room, bool *ret_fits)
{
	const char *text = reader->next, *newline;
	size_t length;

	if (text == reader->end)
		return false;
	newline = memchr(text, '\n', (size_t)(reader->end - text));
	length = (size_t)((newline ? newline : reader->end) - text);
	reader->next = newline ? newline + 1 : reader->end;
	reader->line++;
	*ret_fits = false;
	if (length > room) {
		diag_error(reader->diag, reader->file, reader->line,
			   "the line is longer than %zu bytes", room);
		skip_line(reader, text, length);
		return true;
	}
	if (length > 0 && text[length - 1] == '\r')
		length--;
	if (!check_bytes(reader, text, length)) {
		skip_line(reader, text, length);
		return true;
	}
	memcpy(reader->buffer, text, length);
	reader->buffer[length] = '\0';
	*ret_fits = true;
	return true;
}

/* fgets() for inih: only lines that are entries. */
static char *on_read(char *buffer, int size, void *stream)
{
	struct reader *reader = stream;
	size_t room = (size_t)size - 2;
	bool fits;

	if (room > INI_LINE_BYTES_MAX)
		room = INI_LINE_BYTES_MAX;
	while (next_line(reader, room, &fits)) {
		char *text = reader->buffer;

		if (!fits)
			continue;
		text = trim(text);
		if (*text == '\0' || *text == ';' || *text == '#')
			continue;
		if (*text == '[') {
			take_section(reader, text + 1);
			continue;
		}
		if (reader->section_is_bad || !clean_entry(reader, text))
			continue;
		memcpy(buffer, text, strlen(text) + 1);
		return buffer;
	}
	return NULL;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reader *reader = user;
	struct ini_entry entry = {
		.file = reader->file,
		.line = reader->line,
		.section = reader->section ? reader->section : "",
		.section_line = reader->section_line,
		.key = name,
		.value = reader->buffer,
	};
	char *to = reader->buffer;

	(void)section;
	for (const char *p = value; *p; p++)
		*to++ = unprotect(*p);
	*to = '\0';
	reader->on_entry(&entry, reader->userdata);
	return 1;
}

void ini_read(const char *file, const char *text, size_t length,
	      void (*on_entry)(const struct ini_entry *entry, void *userdata),
	      void *userdata, struct diag *diag)
{
	struct reader reader = {
		.file = file,
		.next = text,
		.end = text + length,
		.on_entry = on_entry,
		.userdata = userdata,
		.diag = diag,
	};

	if (length > INI_FILE_BYTES_MAX) {
		diag_error(diag, file, 0, "the file is larger than %u bytes",
			   INI_FILE_BYTES_MAX);
		return;
	}
	reader.buffer = malloc(INI_LINE_BYTES_MAX + 1);
	if (!reader.buffer) {
		diag_error(diag, file, 0, "out of memory");
		return;
	}
	if (length >= 3 && memcmp(text, bom, 3) == 0)
		reader.next += 3;
	if (ini_parse_stream(on_read, &reader, on_pair, &reader) != 0)
		diag_error(diag, file, reader.line,
			   "inih refuses a line, or is out "
			   "of memory");
	free(reader.section);
	free(reader.buffer);
}
