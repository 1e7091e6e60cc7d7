#pragma once

#include <stdbool.h>
#include <stdio.h>

/*
 * Columns of text. Cells are cleaned (terminal_clean()); "-" stands for nothing, so
 * that awk counts right. Growing it without memory ends the program.
 */

struct table_column {
	const char *title;
	bool right; /* numbers */
};

struct table;

struct table *table_new(const struct table_column *columns, size_t n_columns)
	__attribute__((nonnull));

/* The next cell, row by row. NULL and "": nothing. */
void table_add(struct table *table, const char *text) __attribute__((nonnull(1)));

/* The same, of printf(). */
void table_addf(struct table *table, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));

/*
 * Writes it. legend: with the titles. Lines end at width columns; 0: nothing is ever
 * cut.
 */
void table_print(const struct table *table, FILE *stream, bool legend,
		 unsigned int width) __attribute__((nonnull));

void table_free(struct table *table);
