#include "generate/compare.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/cleanup.h"

static char *trim(char *line)
{
	size_t n;

	line += strspn(line, " \t\r");
	n = strlen(line);
	while (n > 0 && strchr(" \t\r", line[n - 1]))
		line[--n] = '\0';
	return line;
}

/* The next line, those that go on with a backslash joined to it; NULL at the end. */
static char *next_line(char **rest)
{
	char *line = *rest, *to = line, *from = line;

	if (*line == '\0')
		return NULL;
	for (; *from && *from != '\n'; from++) {
		if (from[0] == '\\' && from[1] == '\n') {
			*to++ = ' ';
			from++;
		} else {
			*to++ = *from;
		}
	}
	*rest = from + (*from == '\n');
	*to = '\0';
	return line;
}

int settings_parse(const char *text, struct settings *ret_settings)
{
	struct settings settings = {strdup(text),
				    calloc(SETTINGS_MAX, sizeof(struct setting)), 0};
	const char *section = "";
	char *rest = settings.text, *line;

	*ret_settings = settings;
	if (!settings.text || !settings.list) {
		settings_free(ret_settings);
		return -ENOMEM;
	}
	while (settings.n < SETTINGS_MAX && (line = next_line(&rest))) {
		line = trim(line);
		if (*line == '\0' || *line == '#' || *line == ';')
			continue;
		if (*line == '[')
			section = line;
		else
			settings.list[settings.n++] = (struct setting){section, line};
	}
	ret_settings->n = settings.n;
	return 0;
}

void settings_free(struct settings *settings)
{
	free(settings->text);
	free(settings->list);
	*settings = (struct settings){0};
}

static bool is_same(const struct setting *a, const struct setting *b)
{
	return strcmp(a->section, b->section) == 0 && strcmp(a->line, b->line) == 0;
}

/* The longest common subsequence: at [i][j] that of what follows i and j. */
int settings_compare(const struct settings *installed, const struct settings *wanted,
		     void (*on_difference)(const struct setting *installed,
					   const struct setting *wanted,
					   void *userdata),
		     void *userdata)
{
	size_t width = wanted->n + 1, i, j = 0;
	cleanup_free uint16_t *common =
		calloc((installed->n + 1) * width, sizeof(*common));
	int n = 0;

	if (!common)
		return -ENOMEM;
	for (i = installed->n; i-- > 0;)
		for (j = wanted->n; j-- > 0;) {
			uint16_t *at = &common[i * width + j];

			if (is_same(&installed->list[i], &wanted->list[j]))
				*at = (uint16_t)(at[width + 1] + 1);
			else
				*at = at[width] > at[1] ? at[width] : at[1];
		}
	for (i = j = 0; i < installed->n || j < wanted->n;) {
		const uint16_t *at = &common[i * width + j];

		if (i < installed->n && j < wanted->n &&
		    is_same(&installed->list[i], &wanted->list[j])) {
			i++;
			j++;
			continue;
		}
		n++;
		if (j == wanted->n || (i < installed->n && at[width] >= at[1]))
			on_difference(&installed->list[i++], NULL, userdata);
		else
			on_difference(NULL, &wanted->list[j++], userdata);
	}
	return n;
}
