#include "core/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Words hold no blanks, and paths no '='. */
static void put_list(FILE *out, const char *name, char *const *list)
{
	for (char *const *word = list; word && *word; word++)
		(void)fprintf(out, "%s=%s ", name, *word);
}

bool content_layout(uint64_t strip_components, char *const *linked_dirs,
		    char *const *linked_files, char **ret_layout)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return false;
	if (strip_components > 0)
		(void)fprintf(out, "strip_components=%llu ",
			      (unsigned long long)strip_components);
	put_list(out, "linked_dirs", linked_dirs);
	put_list(out, "linked_files", linked_files);
	if (fclose(out) != 0) {
		free(text);
		return false;
	}
	if (size == 0) {
		free(text);
		*ret_layout = NULL;
		return true;
	}
	text[size - 1] = '\0'; /* the last blank */
	*ret_layout = text;
	return true;
}

bool content_is_same(const struct content *a, const struct content *b)
{
	return a->sha256 && b->sha256 && strcmp(a->sha256, b->sha256) == 0 &&
	       strcmp(a->layout ? a->layout : "", b->layout ? b->layout : "") == 0;
}
