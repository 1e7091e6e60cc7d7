#include "output/terminal.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"

#define WIDTH_DEFAULT 80

static struct {
	bool out, err, utf8, color, page;
} terminal;

/* The user's word, then no-color.org, then what the terminal is. */
static bool wants_color(void)
{
	const char *ours = getenv("DEPLOYCTL_COLORS"), *no = getenv("NO_COLOR"),
		   *term = getenv("TERM");

	if (ours && *ours)
		return strcmp(ours, "0") != 0;
	if (no && *no)
		return false;
	return terminal.out && term && strcmp(term, "dumb") != 0;
}

void terminal_init(void)
{
	const char *term = getenv("TERM");

	terminal.out = isatty(STDOUT_FILENO) == 1;
	terminal.err = isatty(STDERR_FILENO) == 1;
	terminal.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	terminal.color = wants_color();
	terminal.page = terminal.out && term && *term && strcmp(term, "dumb") != 0;
}

bool terminal_stdout(void)
{
	return terminal.out;
}

bool terminal_stderr(void)
{
	return terminal.err;
}

bool terminal_can_page(void)
{
	return terminal.page;
}

bool terminal_utf8(void)
{
	return terminal.utf8;
}

unsigned int terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long number = 0;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (columns)
		number = strtoul(columns, NULL, 10);
	return number > 0 && number < 10000 ? (unsigned int)number : WIDTH_DEFAULT;
}

const char *terminal_color(enum terminal_color color)
{
	static const char *const codes[] = {
		[COLOR_GOOD] = "\033[1;32m",
		[COLOR_BAD] = "\033[1;31m",
		[COLOR_WARN] = "\033[1;33m",
		[COLOR_STRONG] = "\033[1m",
	};

	return terminal.color ? codes[color] : "";
}

const char *terminal_plain(void)
{
	return terminal.color ? "\033[0m" : "";
}

size_t terminal_text_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		wchar_t c;
		int n;

		if (strncmp(text, "\033[", 2) == 0) { /* a colour, ECMA-48 8.3.117 */
			text += strcspn(text, "m");
			text += *text == 'm';
			continue;
		}
		n = terminal.utf8 ? mbtowc(&c, text, MB_CUR_MAX) : 1;

		if (n <= 0) {
			n = 1;
			width++;
		} else if (n == 1) {
			width++;
		} else {
			int columns = wcwidth(c);

			width += columns > 0 ? (size_t)columns : 0;
		}
		text += n;
	}
	return width;
}

size_t terminal_fit(const char *text, size_t columns)
{
	size_t bytes = strlen(text);
	char *part = strdup(text);

	if (!part) {
		(void)fputs("deployctl: out of memory\n", stderr);
		exit(1);
	}
	while (bytes > 0 && terminal_text_width(part) > columns) {
		bytes--;
		/* Not into the middle of a character. */
		while (bytes > 0 && ((unsigned char)part[bytes] & 0xc0) == 0x80)
			bytes--;
		part[bytes] = '\0';
	}
	free(part);
	return bytes;
}

size_t terminal_put_cut(FILE *stream, const char *text, size_t columns)
{
	char *clean = terminal_clean(text);
	size_t width = terminal_text_width(clean);

	if (width <= columns) {
		(void)fputs(clean, stream);
	} else {
		const char *dots = terminal.utf8 ? "…" : "...";
		size_t gap = terminal.utf8 ? 1 : 3,
		       room = columns > gap ? columns - gap : 0;

		(void)fwrite(clean, 1, terminal_fit(clean, room), stream);
		if (columns >= gap)
			(void)fputs(dots, stream);
		width = columns;
	}
	free(clean);
	return columns - width;
}

char *terminal_clean(const char *text)
{
	size_t size = 4 * strlen(text ? text : "") + 16;
	char *clean = malloc(size), *end = clean;

	if (!clean) {
		(void)fputs("deployctl: out of memory\n", stderr);
		exit(1);
	}
	*end = '\0';
	if (!text)
		return clean;
	/*
	 * names_escape() would escape the backslashes of what deployd has escaped once
	 * more; between them it is right.
	 */
	while (*text) {
		size_t length = strcspn(text, "\\");
		cleanup_free char *part = strndup(text, length);

		if (part)
			(void)names_escape(part, end, size - (size_t)(end - clean) - 1);
		end += strlen(end);
		text += length;
		while (*text == '\\')
			*end++ = *text++;
		*end = '\0';
	}
	return clean;
}

void terminal_put(FILE *stream, const char *text)
{
	char *clean = terminal_clean(text);

	(void)fputs(clean, stream);
	free(clean);
}

void terminal_error(const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fputs("deployctl: ", stderr);
	terminal_put(stderr, text);
	(void)fputc('\n', stderr);
}
