/*
 * Reads memory.events of a unit's control group. Files below /sys/fs/cgroup are the
 * kernel's own: reading one does not wait for a disk.
 */
#include "health/oom_count.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/unit_properties.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"

#define EVENTS_BYTES_MAX 4096
#define QUERY_USEC_MIN	 UINT64_C(1000000) /* systemd is asked no more often */

struct oom_count {
	struct units *units;
	struct unit_query *query;
	char unit[UNIT_NAME_MAX + 1];
	const char *cgroup_root;
	char path[1200]; /* of memory.events, "" = not known */
	uint64_t queried_usec;
	bool have_before;
	struct oom_events before, now;
};

static bool is_plain(const char *path)
{
	return path[0] == '/' && path[1] != '\0' && !strstr(path, "/../") &&
	       strcmp(path + strlen(path) - 1, "/") != 0;
}

bool oom_count_parse(const char *text, struct oom_events *ret_events)
{
	struct oom_events events = {0};
	const char *line = text;
	bool told = false;

	while (line) {
		if (sscanf(line, "oom_kill %" SCNu64, &events.kills) == 1)
			told = true;
		(void)sscanf(line, "oom %" SCNu64, &events.limit_hits);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (told)
		*ret_events = events;
	return told;
}

static bool read_events(const char *path, struct oom_events *ret_events)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[EVENTS_BYTES_MAX + 1];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, EVENTS_BYTES_MAX);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return oom_count_parse(text, ret_events);
}

static void refresh(struct oom_count *count)
{
	struct oom_events events;

	if (!read_events(count->path, &events)) {
		/* The group goes with the unit's processes, and another one may come.
		 */
		count->path[0] = '\0';
		return;
	}
	if (!count->have_before) {
		count->have_before = true;
		count->before = events;
	}
	/* Fewer than before: another group of that name. */
	if (events.kills < count->before.kills)
		count->before = (struct oom_events){0};
	count->now = events;
}

static void on_state(void *userdata, int error, const struct unit_state *state)
{
	struct oom_count *count = userdata;

	count->query = NULL;
	if (error < 0 || !is_plain(state->control_group))
		return;
	(void)snprintf(count->path, sizeof(count->path), "%s%s/memory.events",
		       count->cgroup_root, state->control_group);
	refresh(count);
}

static void query_group(struct oom_count *count)
{
	uint64_t now = uv_hrtime() / 1000;

	if (count->query || !units_connected(count->units) ||
	    (count->queried_usec != 0 && now - count->queried_usec < QUERY_USEC_MIN))
		return;
	count->queried_usec = now;
	count->query = units_query(count->units, count->unit, on_state, count);
}

struct oom_count *oom_count_new(struct units *units, const char *unit,
				const char *cgroup_root)
{
	struct oom_count *count = calloc(1, sizeof(*count));

	if (!count)
		return NULL;
	count->units = units;
	count->cgroup_root = cgroup_root;
	(void)snprintf(count->unit, sizeof(count->unit), "%s", unit);
	query_group(count);
	return count;
}

void oom_count_refresh(struct oom_count *count)
{
	if (count->path[0] == '\0')
		query_group(count);
	else
		refresh(count);
}

uint64_t oom_count_kills(const struct oom_count *count)
{
	return count->now.kills - count->before.kills;
}

bool oom_count_limit_is_hit(const struct oom_count *count)
{
	return count->now.limit_hits > count->before.limit_hits;
}

void oom_count_free(struct oom_count *count)
{
	if (!count)
		return;
	unit_query_cancel(count->query);
	free(count);
}
