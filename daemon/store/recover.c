/*
 * What a crash left behind, put right at every start. Idempotent: killed anywhere, it
 * does the rest the next time.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/store.h"
#include "util/treewalk.h"

static void say(json_t *messages, const char *fmt, const char *name)
{
	char shown[128], text[256];

	if (!messages)
		return;
	(void)snprintf(text, sizeof(text), "%s %s", fmt,
		       names_escape(name, shown, sizeof(shown)));
	(void)json_array_append_new(messages, json_string(text));
}

/* Calls visit with every name in the directory, until it fails. */
static int for_each(const struct store *store, int dir_fd,
		    int (*visit)(const struct store *store, int dir_fd,
				 const char *name, json_t *messages,
				 struct errinfo *ei),
		    json_t *messages, struct errinfo *ei)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = errinfo_set(ei, errno, "cannot read a directory");
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = visit(store, dir_fd, entry->d_name, messages, ei);
	(void)closedir(dir);
	return r;
}

static int remove_staged(const struct store *store, int dir_fd, const char *name,
			 json_t *messages, struct errinfo *ei)
{
	(void)store;
	say(messages, "removed what an unfinished operation left in staging:", name);
	return tree_remove(dir_fd, name, ei);
}

int recover_empty_staging(struct store *store, json_t *messages, struct errinfo *ei)
{
	if (store->staging_fd < 0)
		return 0;
	return for_each(store, store->staging_fd, remove_staged, messages, ei);
}

static int remove_link(const struct store *store, int dir_fd, const char *name,
		       json_t *messages, struct errinfo *ei)
{
	struct stat st;

	(void)store;
	(void)messages;
	if (strncmp(name, STORE_LINK_PREFIX, strlen(STORE_LINK_PREFIX)) != 0 ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a stale link");
	return 0;
}

static int remove_temporary(const struct store *store, int dir_fd, const char *name,
			    json_t *messages, struct errinfo *ei)
{
	size_t n = strlen(name);

	(void)store;
	(void)messages;
	if (n < 5 || name[0] != '.' || strcmp(name + n - 4, ".tmp") != 0)
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a temporary file");
	return 0;
}

/* A meta whose release never made it into releases/, or has left it. */
static int remove_orphan(const struct store *store, int dir_fd, const char *name,
			 json_t *messages, struct errinfo *ei)
{
	struct stat st;

	if (!names_release_valid(name))
		return 0;
	if (store->releases_fd >= 0 &&
	    (fstatat(store->releases_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	     errno != ENOENT))
		return 0;
	say(messages, "removed the record of a release that is not there:", name);
	if (unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a meta file");
	return 0;
}

/* PID 1's processes of before may run only when this boot is the one of the intent. */
static bool same_boot(const json_t *intent)
{
	json_int_t then = json_integer_value(json_object_get(intent, "boottime_sec"));
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec >= then;
}

static json_t *pending_of(const json_t *intent)
{
	return json_pack(
		"{s:O, s:O, s:O, s:O, s:b, s:O}", "op", json_object_get(intent, "op"),
		"from", json_object_get(intent, "from"), "to",
		json_object_get(intent, "to"), "job", json_object_get(intent, "job"),
		"same_boot", same_boot(intent), "by", json_object_get(intent, "by"));
}

/* A switch that was begun: made, or not made; the link tells. */
static int settle_intent(struct store *store, json_t *reply, json_t *messages,
			 struct errinfo *ei)
{
	struct store_state state = {0};
	char current[RELEASE_ID_SIZE];
	json_t *pending = NULL;
	const char *to;
	int r;

	r = state_load(store, &state, ei);
	if (r < 0)
		return r;
	if (state.damaged) {
		say(messages, "rebuilt the damaged file", "state");
		(void)json_object_set_new(state.json, "seq",
					  json_integer((json_int_t)state.seq));
		r = state_save(store, state.json, ei);
	}
	if (r == 0 && state.intent && view_current(store, current, ei) == 0) {
		to = json_string_value(json_object_get(state.intent, "to"));
		if (to && strcmp(to, current) == 0) {
			say(messages,
			    "a crash came between the switch and its end:", to);
			pending = pending_of(state.intent);
		} else {
			say(messages, "a crash came before the switch to",
			    to ? to : "?");
			(void)json_object_set_new(state.json, "intent", json_null());
			r = state_save(store, state.json, ei);
		}
	}
	state_deinit(&state);
	if (r == 0 &&
	    json_object_set_new(reply, "pending", pending ? pending : json_null()) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}

int verb_recover(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_json json_t *messages = json_array();
	int r;

	r = request_unpack(request, ei, "{}");
	if (r == 0)
		r = recover_empty_staging(store, messages, ei);
	if (r == 0 && store->app_fd >= 0)
		r = for_each(store, store->app_fd, remove_link, messages, ei);
	if (r == 0)
		r = for_each(store, store->state_fd, remove_temporary, messages, ei);
	if (r == 0)
		r = for_each(store, store->meta_fd, remove_temporary, messages, ei);
	if (r == 0)
		r = for_each(store, store->meta_fd, remove_orphan, messages, ei);
	if (r == 0)
		r = settle_intent(store, reply, messages, ei);
	/* One that died between a rename and its fsync left the order open. */
	if (r == 0 && store->app_fd >= 0)
		r = dir_sync(store->app_fd, store->app.deploy_dir, ei);
	if (r == 0 && store->releases_fd >= 0)
		r = dir_sync(store->releases_fd, store->app.releases_dir, ei);
	if (r == 0 && json_object_set(reply, "recovered", messages) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}
