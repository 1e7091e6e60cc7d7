/*
 * What deployd-probe parses by itself: lines of /proc/PID/maps, and of its command
 * line. Every input goes to each parser; what one accepts must be what it promises.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe/cgroup.h"
#include "probe/finding.h"
#include "probe/maps.h"
#include "probe/options.h"
#include "probe/process.h"
#include "probe/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_maps(char *text)
{
	static const char prefix[] = "/srv/hello/releases";
	struct mapped mapped = {0};
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		const char *path = maps_path(line);

		if (!path)
			continue;
		require(path[0] == '/' && path > line);
		if (strncmp(path, prefix, strlen(prefix)) == 0 &&
		    path[strlen(prefix)] == '/')
			require(mapped_add(&mapped, path, strlen(prefix)) == 0);
	}
	require(mapped.n_paths <= MAPPED_PATHS_MAX);
	for (size_t i = 0; i < mapped.n_paths; i++)
		for (size_t k = 0; k < i; k++)
			require(strcmp(mapped.paths[i], mapped.paths[k]) != 0);
	mapped_deinit(&mapped);
}

static void try_options(const char *text)
{
	struct releases releases = {"/srv/hello/releases", "/data", 19, 5};
	struct status_set set;
	struct header_wanted header;
	char host[ADDRESS_HOST_SIZE];
	char path[PATH_MAX];
	uint16_t port;
	long n = 0;

	if (status_parse(text, &set)) {
		for (long code = STATUS_MIN; code <= STATUS_MAX; code++)
			n += status_in(&set, code);
		require(n > 0);
	}
	if (address_parse(text, host, &port))
		require(port > 0 && host[0] != '\0' && !strpbrk(host, "[]"));
	if (header_parse(text, &header)) {
		require(header.name_length > 0 &&
			header.name_length <= PROBE_HEADER_NAME_MAX);
		require(header.value + header.value_length <= text + strlen(text));
	}
	if (cgroup_valid(text))
		require(text[0] == '/' && text[1] != '\0' && !strstr(text, "/../") &&
			!strstr(text, "//"));
	if (strlen(text) < sizeof(path)) {
		memcpy(path, text, strlen(text) + 1);
		releases_rename(&releases, path);
		require(strlen(path) < sizeof(path));
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
	try_maps(text);
	free(text);
	return 0;
}
