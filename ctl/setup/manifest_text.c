#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup/manifest.h"

static const char letters[MANIFEST_KIND_COUNT] = {
	[MANIFEST_FILE] = 'f',
	[MANIFEST_DIRECTORY] = 'd',
};

/* A path holds neither newline nor NUL: the app's file could not say one. */
char *manifest_line(enum manifest_kind kind, const char *path)
{
	char *line;

	return asprintf(&line, "%c %s\n", letters[kind], path) < 0 ? NULL : line;
}

int manifest_append(struct manifest *manifest, enum manifest_kind kind,
		    const char *path, size_t length)
{
	struct manifest_entry *entry;

	if (!manifest->entries)
		manifest->entries =
			calloc(MANIFEST_ENTRIES_MAX, sizeof(*manifest->entries));
	if (!manifest->entries)
		return -ENOMEM;
	if (manifest->n_entries == MANIFEST_ENTRIES_MAX)
		return -E2BIG;
	entry = &manifest->entries[manifest->n_entries];
	entry->kind = kind;
	if (asprintf(&entry->path, "%.*s", (int)length, path) < 0)
		return -ENOMEM;
	manifest->n_entries++;
	return 0;
}

int manifest_parse(const char *text, struct manifest *ret_manifest,
		   unsigned int *ret_line)
{
	*ret_line = 0;
	while (*text) {
		size_t n = strcspn(text, "\n");
		const char *letter = memchr(letters, text[0], sizeof(letters));
		int r;

		++*ret_line;
		/* A last line without its end was being written when the power went. */
		if (text[n] == '\0') {
			ret_manifest->is_torn = true;
			return 0;
		}
		if (n < 3 || !letter || text[1] != ' ' || text[2] != '/')
			return -EINVAL;
		r = manifest_append(ret_manifest,
				    (enum manifest_kind)(letter - letters), text + 2,
				    n - 2);
		if (r < 0)
			return r;
		text += n + 1;
	}
	return 0;
}

void manifest_free(struct manifest *manifest)
{
	if (!manifest)
		return;
	for (size_t i = 0; i < manifest->n_entries; i++)
		free(manifest->entries[i].path);
	free(manifest->entries);
	free(manifest);
}
