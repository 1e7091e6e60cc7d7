/*
 * What deployd-probe parses by itself: texts of its command line, and an answer's.
 * Every input goes to each parser; what one accepts must be what it promises.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/options.h"
#include "probe/status.h"
#include "util/finding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_options(const char *text)
{
	struct status_set set;
	struct header_wanted header;
	char host[ADDRESS_HOST_SIZE];
	uint16_t port;
	long n = 0;

	if (status_parse(text, &set)) {
		for (long code = HEALTH_STATUS_MIN; code <= HEALTH_STATUS_MAX; code++)
			n += status_in(&set, code);
		require(n > 0);
	}
	if (address_parse(text, host, &port))
		require(port > 0 && host[0] != '\0' && !strpbrk(host, "[]"));
	if (header_parse(text, &header)) {
		require(header.name_length > 0 &&
			header.name_length <= HEALTH_HEADER_NAME_MAX);
		require(header.value + header.value_length <= text + strlen(text));
	}
}

static void try_excerpt(const char *data, size_t size)
{
	static struct finding finding;
	size_t length = 0;
	char *line;

	memset(&finding, 0, sizeof(finding));
	finding.status = 200;
	finding_excerpt(&finding, data, size);
	finding_pass(&finding, "%.*s", (int)size, data);
	line = finding_line(&finding, &length);
	require(line && length < FINDING_OUTPUT_MAX &&
		memchr(line, '\n', length) == line + length - 1);
	for (size_t i = 0; i + 1 < length; i++)
		require((unsigned char)line[i] >= 0x20);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	try_excerpt(text, size);
	try_options(text);
	free(text);
	return 0;
}
