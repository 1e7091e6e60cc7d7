/*
 * What deployd-proc parses by itself: lines of /proc/PID/maps, whose names are
 * anybody's text, and cgroups. Every input goes to each parser; what one accepts must
 * be what it promises, and no name may place a file in a release that it is not in.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/cgroup.h"
#include "proc/maps.h"
#include "proc/releases.h"

#define GIVEN "/srv/hello/releases"
#define REAL  "/data"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

/* A file that is in no release, whatever it is called; deleted it may be one's own. */
static void try_place(const char *path, bool own)
{
	/* An empty directory would do as well: nothing is called so here. */
	const struct releases releases = {
		.given = GIVEN,
		.real = REAL,
		.given_length = strlen(GIVEN),
		.real_length = strlen(REAL),
		.fd = -1,
	};
	static struct used_file file;
	bool placed;

	if (strlen(path) >= PATH_MAX)
		return;
	memset(&file, 0, sizeof(file));
	file.id = (struct file_id){1, 1};
	file.id_known = true;
	file.own = own;
	memcpy(file.path, path, strlen(path) + 1);
	placed = releases_place(&releases, &file);
	require(strlen(file.path) < PATH_MAX);
	require(!placed || (own && file.deleted));
	if (!placed)
		require(strncmp(file.path, GIVEN "/", strlen(GIVEN "/")) != 0 ||
			file.path[strlen(GIVEN "/")] == '\0');
}

static void try_maps(char *text)
{
	static const char prefix[] = GIVEN;
	struct mapped mapped = {0};
	struct maps_line parsed;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		if (!maps_parse(line, &parsed))
			continue;
		require(parsed.path[0] == '/' && parsed.path > line && parsed.ino != 0);
		try_place(parsed.path, false);
		try_place(parsed.path, true);
		if (strncmp(parsed.path, prefix, strlen(prefix)) == 0 &&
		    parsed.path[strlen(prefix)] == '/')
			require(mapped_add(&mapped, parsed.path, strlen(prefix)) == 0);
	}
	require(mapped.n_paths <= MAPPED_PATHS_MAX);
	for (size_t i = 0; i < mapped.n_paths; i++)
		for (size_t k = 0; k < i; k++)
			require(strcmp(mapped.paths[i], mapped.paths[k]) != 0);
	mapped_deinit(&mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (cgroup_valid(text))
		require(text[0] == '/' && text[1] != '\0' && !strstr(text, "/../") &&
			!strstr(text, "//"));
	try_place(text, false);
	try_place(text, true);
	try_maps(text);
	free(text);
	return 0;
}
