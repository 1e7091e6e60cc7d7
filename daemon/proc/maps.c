#include "proc/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool path_strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	const size_t length = strlen(path), mark_length = sizeof(mark) - 1;

	if (length <= mark_length || strcmp(path + length - mark_length, mark) != 0)
		return false;
	path[length - mark_length] = '\0';
	return true;
}

/* One of the fields that have a blank behind them; NULL when there is none. */
static char *take_field(char **at)
{
	char *field = *at;
	const size_t length = strcspn(field, " \n");

	if (length == 0 || field[length] != ' ')
		return NULL;
	field[length] = '\0';
	*at = field + length + 1 + strspn(field + length + 1, " ");
	return field;
}

/* Nothing but digits of the base, and no more of them than fit. */
static bool read_number(const char *text, int base, uint64_t *ret_number)
{
	static const char digits[] = "0123456789abcdef";
	const size_t length = strlen(text);
	char wanted[sizeof(digits)];

	memcpy(wanted, digits, sizeof(digits));
	wanted[base] = '\0';
	if (length == 0 || strspn(text, wanted) != length)
		return false;
	errno = 0;
	*ret_number = strtoull(text, NULL, base);
	return errno == 0;
}

static bool read_device(char *text, uint64_t *ret_dev)
{
	char *colon = strchr(text, ':');
	uint64_t major, minor;

	if (!colon)
		return false;
	*colon = '\0';
	if (!read_number(text, 16, &major) || !read_number(colon + 1, 16, &minor) ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	*ret_dev = major << 32 | minor;
	return true;
}

bool maps_parse(char *line, struct maps_line *ret_line)
{
	char *at = line, *dev = NULL, *ino = NULL;

	for (int i = 0; i < 3; i++) /* address, permissions, offset */
		if (!take_field(&at))
			return false;
	dev = take_field(&at);
	ino = dev ? take_field(&at) : NULL;
	/* An inode of 0 is nobody's. */
	if (!ino || *at != '/' || !read_device(dev, &ret_line->dev) ||
	    !read_number(ino, 10, &ret_line->ino) || ret_line->ino == 0)
		return false;
	/* The kernel writes newlines in names as \012. */
	at[strcspn(at, "\n")] = '\0';
	ret_line->path = at;
	return true;
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
