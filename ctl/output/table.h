#pragma once

#include <stdbool.h>
#include <stdio.h>

/*
 * Columns of text. Cells are cleaned (terminal_clean()); "-" stands for nothing, so
 * that awk counts right. Growing it without memory ends the program.
 */

enum table_flag {
	TABLE_RIGHT = 1 << 0, /* numbers */
	TABLE_OPTIONAL =
		1 << 1, /* left out, from the right, of a line that is too long */
};

struct table_column {
	const char *title;
	unsigned int flags; /* of enum table_flag */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t n_columns)
	__attribute__((nonnull));

/* The next cell, row by row. NULL and "": nothing. */
void table_add(struct table *table, const char *text) __attribute__((nonnull(1)));

/* The same, of printf(). */
void table_addf(struct table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/* A line of its own below the row that is complete now. NULL and "": none. */
void table_note(struct table *table, const char *text) __attribute__((nonnull(1)));

/*
 * Writes it. legend: with the titles. Lines end at width columns; 0: nothing is ever
 * cut.
 */
void table_print(const struct table *table, FILE *stream, bool legend,
		 unsigned int width) __attribute__((nonnull));

void table_free(struct table *table);
