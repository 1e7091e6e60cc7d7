#include "server/user_ranges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/journal.h"
#include "deploy/cleanup.h"
#include "server/users.h"

static void tell(struct user_ranges *ranges, const json_t *warnings)
{
	size_t i;
	const json_t *warning;

	/* They are read again every minute: do not repeat a warning. */
	if (json_equal(warnings, ranges->warnings))
		return;
	json_array_foreach (warnings, i, warning) {
		if (json_is_string(warning))
			journal_log(LOG_WARNING, "%s", json_string_value(warning));
	}
	json_decref(ranges->warnings);
	ranges->warnings = json_deep_copy(warnings);
}

static bool take_range(json_t *entry, struct user_range *range)
{
	json_int_t first, count, owner;
	const char *name;

	if (json_unpack(entry, "[I, I, I, s!]", &first, &count, &owner, &name) < 0)
		return false;
	if (first < 0 || first >= UINT32_MAX || count < 1 ||
	    count > UINT32_MAX - first || owner < 0 || owner > UINT32_MAX ||
	    strlen(name) >= sizeof(range->owner_name))
		return false;
	range->first = (uint32_t)first;
	range->count = (uint32_t)count;
	range->owner = (uid_t)owner;
	(void)strcpy(range->owner_name, name);
	return true;
}

/* False: the helper's reply makes no sense. */
static bool take(struct user_ranges *ranges, const json_t *reply)
{
	const json_t *list = json_object_get(reply, "ranges");
	size_t n = json_array_size(list);
	cleanup_free struct user_range *taken = NULL;

	if (!json_is_array(list) || n > USER_RANGES_MAX)
		return false;
	taken = calloc(n + 1, sizeof(*taken));
	for (size_t i = 0; i < n; i++)
		if (!taken || !take_range(json_array_get(list, i), &taken[i]))
			return false;
	free(ranges->ranges);
	ranges->ranges = steal_ptr(&taken);
	ranges->n_ranges = n;
	tell(ranges, json_object_get(reply, "warnings"));
	return true;
}

static void fail(struct user_ranges *ranges, const char *why)
{
	bool told = strcmp(ranges->why, why) == 0;

	(void)snprintf(ranges->why, sizeof(ranges->why), "%s", why);
	ranges->failed_at = uv_now(ranges->loop);
	if (!told)
		journal_log(LOG_WARNING, "cannot read %s/" USER_RANGES_FILE ": %s%s",
			    ranges->options->dir, why,
			    ranges->known
				    ? "; the ranges that were read before stay in force"
				    : "");
}

static void start(struct user_ranges *ranges);

static void on_done(struct child *child)
{
	struct user_ranges *ranges = child->userdata;
	const json_t *reply = NULL;
	struct errinfo ei = {0};

	ranges->running = false;
	if (ranges->closing) {
		child_deinit(child);
		return;
	}
	if (child_outcome(child, &reply, &ei) != RESULT_OK) {
		fail(ranges, ei.what);
	} else if (!take(ranges, reply)) {
		fail(ranges,
		     "deployd-users sent a reply that deployd does not understand");
	} else {
		ranges->known = true;
		ranges->changed = false;
		ranges->why[0] = '\0';
		ranges->read_at = uv_now(ranges->loop);
	}
	child_deinit(child);
	if (ranges->again) {
		ranges->again = false;
		start(ranges);
	}
	if (!ranges->running)
		ranges->settled(ranges->userdata);
}

/* A helper that cannot be started counts as a failed read, and is tried again later. */
static void start(struct user_ranges *ranges)
{
	char uid[32], gid[32], file[256];
	const char *argv[] = {ranges->options->program, uid, gid, file, NULL};
	struct child_options options = {
		.argv = argv, .fd0 = -1, .fd1 = -1, .timeout_ms = USERS_TIMEOUT_MSEC};
	int r;

	(void)snprintf(uid, sizeof(uid), "--uid=%u",
		       (unsigned int)ranges->options->uid);
	(void)snprintf(gid, sizeof(gid), "--gid=%u",
		       (unsigned int)ranges->options->gid);
	(void)snprintf(file, sizeof(file), "--ranges=%s/" USER_RANGES_FILE,
		       ranges->options->dir);
	ranges->child.userdata = ranges;
	ranges->child.on_done = on_done;
	r = child_start(&ranges->child, ranges->loop, &options);
	if (r < 0)
		fail(ranges, strerror(-r));
	else
		ranges->running = true;
}

void user_ranges_init(struct user_ranges *ranges, uv_loop_t *loop,
		      const struct users_options *options,
		      void (*settled)(void *userdata), void *userdata)
{
	*ranges = (struct user_ranges){.loop = loop,
				       .options = options,
				       .changed = true,
				       .settled = settled,
				       .userdata = userdata};
}

void user_ranges_change(struct user_ranges *ranges)
{
	if (ranges->closing)
		return;
	ranges->changed = true;
	if (ranges->running)
		ranges->again = true;
	else
		start(ranges);
}

bool user_ranges_ready(struct user_ranges *ranges)
{
	uint64_t now = uv_now(ranges->loop);
	bool old = ranges->changed || now - ranges->read_at > USER_RANGES_FRESH_MSEC;

	if (!ranges->running && old &&
	    (!ranges->why[0] || now - ranges->failed_at > USER_RANGES_RETRY_MSEC))
		start(ranges);
	return !ranges->running;
}

const struct user_range *user_ranges_find(const struct user_ranges *ranges, uid_t uid)
{
	for (size_t i = 0; i < ranges->n_ranges; i++) {
		const struct user_range *range = &ranges->ranges[i];

		if (uid >= range->first && uid - range->first < range->count)
			return range;
	}
	return NULL;
}

void user_ranges_close(struct user_ranges *ranges)
{
	ranges->closing = true;
	if (ranges->running)
		child_kill(&ranges->child);
	free(ranges->ranges);
	ranges->ranges = NULL;
	ranges->n_ranges = 0;
	json_decref(ranges->warnings);
	ranges->warnings = NULL;
}
