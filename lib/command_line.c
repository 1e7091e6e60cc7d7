#include "deploy/command_line.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\n\r"

static bool is_blank(char c)
{
	return c != '\0' && strchr(BLANKS, c);
}

static int digit_of(char c, int base)
{
	int value = -1;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	return value < base ? value : -1;
}

/* A fixed number of digits; NUL is no character of a word. */
static bool number(const char **text, int digits, int base, char *ret_c)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		int digit = digit_of(**text, base);

		if (digit < 0)
			return false;
		value = value * base + digit;
		(*text)++;
	}
	*ret_c = (char)value;
	return value > 0 && value < 256;
}

/* *text is behind the backslash. */
static bool unescape(const char **text, char *ret_c)
{
	static const char from[] = "abfnrtvs\\\"';";
	static const char to[] = "\a\b\f\n\r\t\v \\\"';";
	const char *at = **text ? strchr(from, **text) : NULL;

	if (at) {
		*ret_c = to[at - from];
		(*text)++;
		return true;
	}
	if (**text == 'x') {
		(*text)++;
		return number(text, 2, 16, ret_c);
	}
	return number(text, 3, 8, ret_c);
}

/* One word, written to *out with its NUL. NULL, or what is wrong. */
static const char *take_word(const char **text, char **out)
{
	const char *start = *text;
	char quote = '\0', c;

	while (**text && (quote || !is_blank(**text))) {
		c = *(*text)++;
		if (c == '\\') {
			if (!unescape(text, &c))
				return "has an escape that is none";
		} else if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? '\0' : c;
			continue;
		}
		*(*out)++ = c;
	}
	*(*out)++ = '\0';
	if (quote)
		return "has a quote that is not closed";
	if (*text - start == 1 && *start == ';')
		return "must be one command, without ';'";
	return NULL;
}

char **command_line_split(const char *text, const char **ret_fault)
{
	size_t length = strlen(text), n = 0;
	/* No word is longer than what it is made of. */
	char **argv = calloc(1, (COMMAND_LINE_WORDS_MAX + 1) * sizeof(*argv) +
					2 * (length + 1));
	char *out = (char *)(argv + COMMAND_LINE_WORDS_MAX + 1);
	const char *fault = argv ? NULL : "cannot be split: out of memory";

	while (!fault && *(text += strspn(text, BLANKS))) {
		if (n == COMMAND_LINE_WORDS_MAX) {
			fault = "has too many words";
			break;
		}
		argv[n++] = out;
		fault = take_word(&text, &out);
	}
	if (!fault && (n == 0 || argv[0][0] == '\0'))
		fault = "is empty";
	if (fault) {
		free(argv);
		*ret_fault = fault;
		return NULL;
	}
	return argv;
}
