/*
 * A name and, behind its NUL, a link target. What is accepted must be inside: checked
 * by walking it anew, component by component, with a counter.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/entryname.h"

#define MAX_DEPTH 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* The lowest and the last depth reached on the way; start is where it begins. */
static void walk(const char *path, long start, long *ret_lowest, long *ret_last)
{
	long depth = start, lowest = start;

	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && strncmp(path, "..", 2) == 0)
			depth--;
		else if (length > 0 && !(length == 1 && *path == '.'))
			depth++;
		if (depth < lowest)
			lowest = depth;
		path += length;
		path += strspn(path, "/");
	}
	*ret_lowest = lowest;
	*ret_last = depth;
}

static void check_canonical(const char *path)
{
	char again[ENTRYNAME_PATH_SIZE];
	long lowest, last;

	walk(path, 0, &lowest, &last);
	require(lowest == 0 && last <= MAX_DEPTH);
	require(path[0] != '/' && !strstr(path, "//") && strncmp(path, "./", 2) != 0);
	require(strncmp(path, ".deployd", 8) != 0);
	if (path[0] == '\0')
		return;
	require(entryname_canonical(path, MAX_DEPTH, again) == ENTRYNAME_OK);
	require(strcmp(path, again) == 0);
}

static void check_target(const char *path, const char *target)
{
	long lowest, last, slashes = 0;

	for (const char *p = path; *p; p++)
		slashes += *p == '/';
	walk(target, slashes, &lowest, &last);
	require(target[0] != '/' && target[0] != '\0' && lowest >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 2);
	char path[ENTRYNAME_PATH_SIZE];
	const char *target;

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = text[size + 1] = '\0';
	target = text + strlen(text) + 1;
	if (target > text + size)
		target = text + size;

	if (entryname_canonical(text, MAX_DEPTH, path) == ENTRYNAME_OK) {
		check_canonical(path);
		if (path[0] &&
		    entryname_link_target(path, target, &(struct entryname_links){0}) ==
			    ENTRYNAME_OK)
			check_target(path, target);
	}
	free(text);
	return 0;
}
