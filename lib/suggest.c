#include "deploy/suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_BYTES_MAX 40u /* longer ones are not typing mistakes */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

size_t suggest_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_BYTES_MAX + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > WORD_BYTES_MAX || b_length > WORD_BYTES_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1,
				       above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < row[j])
				row[j] = two_above[j - 2] + 1;
		}
	}
	return rows[a_length % 3][b_length];
}

const char *suggest_word(const char *wrong, const char *const *words)
{
	size_t near = strlen(wrong) < 4 ? 2 : 3; /* less than this many changes */
	const char *best = NULL;

	for (; *words; words++) {
		size_t d = suggest_distance(wrong, *words);

		if (d < near) {
			near = d;
			best = *words;
		}
	}
	return best;
}
