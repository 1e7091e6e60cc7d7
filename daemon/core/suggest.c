#include "core/suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_BYTES_MAX 40u /* longer ones are not typing mistakes */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance: bytes to insert, delete or replace. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_BYTES_MAX + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > WORD_BYTES_MAX || b_length > WORD_BYTES_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1,
				       diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_length];
}

const char *suggest_word(const char *wrong, const char *const *words)
{
	size_t near = strlen(wrong) < 4 ? 2 : 3; /* less than this many changes */
	const char *best = NULL;

	for (; *words; words++) {
		size_t d = distance(wrong, *words);

		if (d < near) {
			near = d;
			best = *words;
		}
	}
	return best;
}
