#include "probe/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_BEFORE_PATH 5 /* address perms offset dev inode */

bool path_strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	const size_t length = strlen(path), mark_length = sizeof(mark) - 1;

	if (length <= mark_length || strcmp(path + length - mark_length, mark) != 0)
		return false;
	path[length - mark_length] = '\0';
	return true;
}

char *maps_path(char *line)
{
	char *at = line;

	for (int i = 0; i < FIELDS_BEFORE_PATH; i++) {
		const size_t length = strcspn(at, " \n");

		if (length == 0 || at[length] != ' ')
			return NULL;
		at += length;
		at += strspn(at, " ");
	}
	if (*at != '/')
		return NULL;
	/* The kernel writes newlines in names as \012. */
	at[strcspn(at, "\n")] = '\0';
	(void)path_strip_deleted(at);
	return at;
}

static bool same_release(const char *a, const char *b, size_t prefix_length)
{
	const char *id = a + prefix_length + 1, *other = b + prefix_length + 1;
	const size_t length = strcspn(id, "/");

	return strncmp(id, other, length) == 0 &&
	       (other[length] == '/' || other[length] == '\0');
}

/* The last path whose release has one before it; -1 when each has only one. */
static int dispensable(const struct mapped *mapped, size_t prefix_length)
{
	for (size_t i = mapped->n_paths; i-- > 1;)
		for (size_t k = 0; k < i; k++)
			if (same_release(mapped->paths[i], mapped->paths[k],
					 prefix_length))
				return (int)i;
	return -1;
}

int mapped_add(struct mapped *mapped, const char *path, size_t prefix_length)
{
	bool release_seen = false;
	size_t slot = mapped->n_paths;
	char *copy;

	for (size_t i = 0; i < mapped->n_paths; i++) {
		if (strcmp(mapped->paths[i], path) == 0)
			return 0;
		release_seen |= same_release(path, mapped->paths[i], prefix_length);
	}
	if (slot == MAPPED_PATHS_MAX) {
		const int i = release_seen ? -1 : dispensable(mapped, prefix_length);

		if (i < 0) {
			mapped->truncated |= !release_seen;
			return 0;
		}
		slot = (size_t)i;
	}
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	if (slot < mapped->n_paths)
		free(mapped->paths[slot]);
	else
		mapped->n_paths++;
	mapped->paths[slot] = copy;
	return 0;
}

void mapped_deinit(struct mapped *mapped)
{
	for (size_t i = 0; i < mapped->n_paths; i++)
		free(mapped->paths[i]);
	mapped->n_paths = 0;
}
