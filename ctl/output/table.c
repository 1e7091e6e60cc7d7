#include "output/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "output/terminal.h"

#define GAP	    2 /* blanks between columns */
#define NOTE_INDENT "    "

struct table {
	const struct table_column *columns;
	size_t n_columns;
	char **cells;
	size_t n_cells;
	size_t capacity;
	struct note *notes; /* in the order of their rows */
	size_t n_notes;
};

struct note {
	size_t row;
	char *text;
};

static _Noreturn void out_of_memory(void)
{
	(void)fputs("deployctl: out of memory\n", stderr);
	exit(1);
}

struct table *table_new(const struct table_column *columns, size_t n_columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		out_of_memory();
	table->columns = columns;
	table->n_columns = n_columns;
	return table;
}

void table_add(struct table *table, const char *text)
{
	if (table->n_cells == table->capacity) {
		size_t capacity = table->capacity ? table->capacity * 2 : 64;
		char **cells = reallocarray(table->cells, capacity, sizeof(*cells));

		if (!cells)
			out_of_memory();
		table->cells = cells;
		table->capacity = capacity;
	}
	table->cells[table->n_cells++] = terminal_clean(text && *text ? text : "-");
}

void table_addf(struct table *table, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_add(table, text);
}

void table_note(struct table *table, const char *text)
{
	struct note *notes;

	if (!text || !*text)
		return;
	notes = reallocarray(table->notes, table->n_notes + 1, sizeof(*notes));
	if (!notes)
		out_of_memory();
	table->notes = notes;
	notes[table->n_notes++] = (struct note){table->n_cells / table->n_columns - 1,
						terminal_clean(text)};
}

static size_t column_width(const struct table *table, size_t column, bool legend)
{
	size_t width = legend ? terminal_text_width(table->columns[column].title) : 0;

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t cell = terminal_text_width(table->cells[i]);

		if (cell > width)
			width = cell;
	}
	return width;
}

struct line {
	FILE *stream;
	size_t left; /* columns; SIZE_MAX: no end */
};

static void put(struct line *line, const char *text)
{
	size_t width = terminal_text_width(text);
	size_t bytes =
		width <= line->left ? strlen(text) : terminal_fit(text, line->left);

	(void)fwrite(text, 1, bytes, line->stream);
	if (line->left != SIZE_MAX)
		line->left -= width <= line->left ? width : line->left;
}

static void put_blanks(struct line *line, size_t n)
{
	while (n-- > 0)
		put(line, " ");
}

static void print_row(const struct table *table, struct line *line,
		      const size_t *widths, size_t n_shown, char *const *cells)
{
	for (size_t i = 0; i < n_shown; i++) {
		const char *cell = cells ? cells[i] : table->columns[i].title;
		size_t pad = widths[i] - terminal_text_width(cell);

		if (table->columns[i].flags & TABLE_RIGHT)
			put_blanks(line, pad);
		put(line, cell);
		if (i + 1 == n_shown)
			break; /* no blanks at the end of a line */
		if (!(table->columns[i].flags & TABLE_RIGHT))
			put_blanks(line, pad);
		put_blanks(line, GAP);
	}
	(void)fputc('\n', line->stream);
}

/* How many columns are shown: the last optional ones go until the rest fits. */
static size_t count_shown(const struct table *table, const size_t *widths, size_t end)
{
	size_t n = table->n_columns, sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += widths[i] + (i > 0 ? GAP : 0);
	while (n > 1 && sum > end && (table->columns[n - 1].flags & TABLE_OPTIONAL)) {
		n--;
		sum -= widths[n] + GAP;
	}
	return n;
}

void table_print(const struct table *table, FILE *stream, bool legend,
		 unsigned int width)
{
	size_t *widths = calloc(table->n_columns, sizeof(*widths));
	size_t end = width > 0 ? width : SIZE_MAX, n_shown, note = 0;

	if (!widths)
		out_of_memory();
	for (size_t i = 0; i < table->n_columns; i++)
		widths[i] = column_width(table, i, legend);
	n_shown = count_shown(table, widths, end);
	if (legend)
		print_row(table, &(struct line){stream, end}, widths, n_shown, NULL);
	for (size_t row = 0; (row + 1) * table->n_columns <= table->n_cells; row++) {
		print_row(table, &(struct line){stream, end}, widths, n_shown,
			  table->cells + row * table->n_columns);
		/* Never cut: why it failed is what was asked. */
		for (; note < table->n_notes && table->notes[note].row == row; note++)
			(void)fprintf(stream, "%s%s\n", NOTE_INDENT,
				      table->notes[note].text);
	}
	free(widths);
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	for (size_t i = 0; i < table->n_notes; i++)
		free(table->notes[i].text);
	free(table->notes);
	free(table->cells);
	free(table);
}
