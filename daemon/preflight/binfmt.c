/* https://docs.kernel.org/admin-guide/binfmt-misc.html: a file for each format. */
#include "preflight/binfmt.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/cleanup.h"

#define ENTRY_SIZE 2048 /* of the description of a format, which is a page at most */
#define MAGIC_MAX  256	/* bytes by which a format is recognised */

static int hex_digit(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The number of bytes, up to the end of the line. */
static size_t read_hex(const char *text, unsigned char ret_bytes[MAGIC_MAX])
{
	size_t n = 0;

	while (n < MAGIC_MAX && hex_digit(text[2 * n]) >= 0 &&
	       hex_digit(text[2 * n + 1]) >= 0) {
		ret_bytes[n] = (unsigned char)(hex_digit(text[2 * n]) << 4 |
					       hex_digit(text[2 * n + 1]));
		n++;
	}
	return n;
}

/* What follows the word at the beginning of a line; NULL: there is no such line. */
static const char *value_of(const char *entry, const char *word)
{
	const size_t length = strlen(word);

	for (const char *line = entry; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			return line + length + 1;
	}
	return NULL;
}

static bool has_magic(const char *entry, const unsigned char *head, size_t length)
{
	const char *magic = value_of(entry, "magic"), *mask = value_of(entry, "mask");
	const char *offset = value_of(entry, "offset");
	unsigned char bytes[MAGIC_MAX], masks[MAGIC_MAX];
	size_t n, n_masks, from;

	if (!magic)
		return false;
	from = offset ? strtoul(offset, NULL, 10) : 0;
	n = read_hex(magic, bytes);
	n_masks = mask ? read_hex(mask, masks) : 0;
	if (n == 0 || from > length || n > length - from)
		return false;
	for (size_t i = 0; i < n; i++) {
		const unsigned char m = i < n_masks ? masks[i] : 0xff;

		if ((head[from + i] & m) != (bytes[i] & m))
			return false;
	}
	return true;
}

static bool has_extension(const char *entry, const char *path)
{
	const char *wanted = value_of(entry, "extension"), *dot = strrchr(path, '.');
	size_t length;

	if (!wanted || !dot)
		return false;
	length = strcspn(wanted, "\n");
	return strlen(dot) == length && strncmp(dot, wanted, length) == 0;
}

static bool entry_handles(int dir_fd, const char *name, const char *path,
			  const unsigned char *head, size_t length)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	char entry[ENTRY_SIZE];
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, entry, sizeof(entry) - 1);
	if (n < 0)
		return false;
	entry[n] = '\0';
	return strncmp(entry, "enabled", strlen("enabled")) == 0 &&
	       (has_magic(entry, head, length) || has_extension(entry, path));
}

bool binfmt_handles(const char *dir, const char *path, const unsigned char *head,
		    size_t length)
{
	DIR *entries = opendir(dir);
	struct dirent *entry;
	bool handles = false;

	if (!entries)
		return false;
	while (!handles && (entry = readdir(entries)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "register") != 0 &&
		    strcmp(entry->d_name, "status") != 0)
			handles = entry_handles(dirfd(entries), entry->d_name, path,
						head, length);
	(void)closedir(entries);
	return handles;
}
