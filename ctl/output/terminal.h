#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * What stdout and stderr are, and how text gets there. Whatever came from deployd, from
 * another host or from the journal goes through terminal_clean() first.
 */

enum terminal_color {
	COLOR_GOOD,
	COLOR_BAD,
	COLOR_WARN,
	COLOR_STRONG,
};

/* Asks once. */
void terminal_init(void);

bool terminal_stdout(void);
bool terminal_stderr(void);

/* stdout is a terminal that a pager can draw on: not one that TERM does not name. */
bool terminal_can_page(void);

/* The locale's character set is UTF-8. */
bool terminal_utf8(void);

/* Columns of the terminal behind fd; COLUMNS or 80 when it does not say. */
unsigned int terminal_width(int fd);

/* Begins a colour on stdout; "" where there is none. terminal_plain() ends it. */
const char *terminal_color(enum terminal_color color);
const char *terminal_plain(void);

/* Columns that text takes; colours take none. */
size_t terminal_text_width(const char *text) __attribute__((nonnull));

/* The bytes of text, whole characters, that fit in so many columns. */
size_t terminal_fit(const char *text, size_t columns) __attribute__((nonnull));

/*
 * terminal_clean(), written to a stream; what is wider than columns ends in an
 * ellipsis. Returns the columns that are left.
 */
size_t terminal_put_cut(FILE *stream, const char *text, size_t columns)
	__attribute__((nonnull(1)));

/*
 * A copy in which control bytes and what is not UTF-8 are written as \xNN. NULL is "".
 * Never NULL; ends the program when there is no memory. The caller frees.
 */
char *terminal_clean(const char *text);

/* terminal_clean(), written to a stream. */
void terminal_put(FILE *stream, const char *text) __attribute__((nonnull(1)));

/* A cleaned line on stderr, with "deployctl: " in front. */
void terminal_error(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), nonnull));
