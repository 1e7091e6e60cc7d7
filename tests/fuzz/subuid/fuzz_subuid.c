/* /etc/subuid: whatever is in it, a range is one of uids that exist, of an owner. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "users/subuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void on_range(const struct subuid_range *range, void *userdata)
{
	unsigned int *last_line = userdata;

	require(range->line > *last_line);
	*last_line = range->line;
	require(range->owner[0] != '\0' && !strpbrk(range->owner, ":\n"));
	require(range->count >= 1 && range->count <= UINT32_MAX - range->first);
}

static void on_fault(unsigned int line, const char *why, void *userdata)
{
	unsigned int *last_line = userdata;

	require(line > *last_line && strlen(why) > 0);
	*last_line = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int last_line = 0;
	const struct subuid_reader reader = {on_range, on_fault, &last_line};
	char *copy = malloc(size ? size : 1); /* ASan finds reads beyond */

	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	subuid_parse(copy, size, &reader);
	free(copy);
	return 0;
}
