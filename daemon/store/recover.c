/*
 * What a crash left behind, put right at every start. Idempotent: killed anywhere, it
 * does the rest the next time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/current.h"
#include "store/meta.h"
#include "store/request.h"
#include "store/room.h"
#include "store/state.h"
#include "store/verbs.h"
#include "util/file.h"
#include "util/json_text.h"
#include "util/safedir.h"
#include "util/treewalk.h"

struct recovery {
	struct store *store;
	json_t *messages;
};

static void say(const struct recovery *recovery, const char *what, const char *name)
{
	char shown[128], text[256];

	(void)snprintf(text, sizeof(text), "%s %s", what,
		       names_escape(name, shown, sizeof(shown)));
	(void)json_array_append_new(recovery->messages, json_text(text));
}

static int remove_link(int dir_fd, const char *name, void *userdata, struct errinfo *ei)
{
	struct stat st;

	(void)userdata;
	if (strncmp(name, STORE_LINK_PREFIX, strlen(STORE_LINK_PREFIX)) != 0 ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a stale link");
	return 0;
}

static bool is_hidden(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return name[0] == '.' && n > m + 1 && strcmp(name + n - m, suffix) == 0;
}

static int remove_temporary(int dir_fd, const char *name, void *userdata,
			    struct errinfo *ei)
{
	(void)userdata;
	if (is_hidden(name, ".tmp") && unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a temporary file");
	return 0;
}

/* Empty, if it is ours. */
static int remove_half_made(int dir_fd, const char *name, void *userdata,
			    struct errinfo *ei)
{
	(void)userdata, (void)ei;
	if (is_hidden(name, SAFEDIR_SUFFIX))
		(void)unlinkat(dir_fd, name, AT_REMOVEDIR);
	return 0;
}

/* A meta whose release never made it into releases/, or has left it. */
static int remove_orphan(int dir_fd, const char *name, void *userdata,
			 struct errinfo *ei)
{
	const struct recovery *recovery = userdata;
	struct stat st;

	if (!names_release_valid(name) ||
	    fstatat(recovery->store->releases_fd, name, &st, AT_SYMLINK_NOFOLLOW) ==
		    0 ||
	    errno != ENOENT)
		return 0;
	say(recovery, "removed the record of a release that is not there:", name);
	if (unlinkat(dir_fd, name, 0) < 0)
		return errinfo_set(ei, errno, "cannot remove a meta file");
	return 0;
}

struct size {
	uint64_t bytes, files;
};

static int add_size(const struct tree_entry *entry, void *userdata, struct errinfo *ei)
{
	struct size *size = userdata;

	(void)ei;
	if (S_ISREG(entry->st.st_mode)) {
		size->files++;
		size->bytes += (uint64_t)entry->st.st_size;
	}
	return 0;
}

/*
 * A release whose record was lost, or is damaged. A record is written before the
 * release comes into place and removed after it left: none is lost otherwise. Only what
 * nobody but root could have made or changed is taken for a release.
 */
static int rebuild_record(int dir_fd, const char *name, void *userdata,
			  struct errinfo *ei)
{
	const struct recovery *recovery = userdata;
	struct store *store = recovery->store;
	cleanup_json json_t *meta = NULL;
	struct size size = {0};
	struct stat st;
	cleanup_close int fd = -1;
	int r;

	if (!names_release_valid(name))
		return 0;
	r = meta_load(store, name, &meta, ei);
	if (r < 0 && r != -ENOENT)
		return r;
	/* Of mix_deploy's, and not adopted yet: adopt knows their order, we do not. */
	if (r == -ENOENT && meta_seq_of_id(name) == 0)
		return 0;
	if (r == 0 && !json_is_true(json_object_get(meta, "damaged")))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != 0 ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		say(recovery, "there is no record, and no safe directory, of", name);
		return 0;
	}
	r = tree_walk(fd, false, add_size, &size, ei);
	if (r == 0)
		r = meta_rebuild(store, name, size.bytes, size.files, ei);
	if (r == 0)
		say(recovery,
		    "its record was lost or damaged; it is kept, but not known to be "
		    "good:",
		    name);
	return r;
}

/* A disk that is not mounted has no releases either: their records are kept then. */
static int remove_orphans(struct recovery *recovery, struct errinfo *ei)
{
	const struct store *store = recovery->store;
	char current[RELEASE_ID_SIZE];
	struct errinfo ignored = {0};
	struct stat st;

#ifdef BREAK_ORPHANS_ALWAYS_REMOVED
	return store->releases_fd < 0
		       ? 0
		       : dir_for_each(store->meta_fd, remove_orphan, recovery, ei);
#endif
	if (store->releases_fd < 0 || current_read(store, current, &ignored) < 0 ||
	    current[0] == '\0' ||
	    fstatat(store->releases_fd, current, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return dir_for_each(store->meta_fd, remove_orphan, recovery, ei);
}

/*
 * Whether PID 1 may still run processes of before the switch. The uptime tells when
 * deployd gave no id: it lies only when a machine has been up for longer since.
 */
static bool same_boot(const json_t *intent, const json_t *boot_id)
{
	const json_t *then_id = json_object_get(intent, "boot_id");
	json_int_t then = json_integer_value(json_object_get(intent, "boottime_sec"));
	struct timespec now = {0};

	if (json_is_string(boot_id) && json_is_string(then_id))
		return json_equal(boot_id, then_id);
	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec >= then;
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *pending_of(const json_t *intent, const char *phase,
			  const json_t *boot_id)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:b}",
			 "kind", copy_or_null(intent, "kind"), "from",
			 copy_or_null(intent, "from"), "to", copy_or_null(intent, "to"),
			 "job", copy_or_null(intent, "job"), "by",
			 copy_or_null(intent, "by"), "at", copy_or_null(intent, "at"),
			 "confirm", copy_or_null(intent, "confirm"), "key",
			 copy_or_null(intent, "key"), "way_back",
			 copy_or_null(intent, "way_back"), "phase", phase, "same_boot",
			 same_boot(intent, boot_id));
}

/* A release is known to have failed, and the switch back from it was not made. */
static bool revert_wanted(const struct store_state *state, const char *current)
{
	const char *kind = json_string_value(json_object_get(state->intent, "kind"));
	const char *from = json_string_value(json_object_get(state->intent, "from"));

#ifdef BREAK_REVERT_FORGOTTEN
	return false;
#endif
	return kind && strcmp(kind, "revert") == 0 && from &&
	       strcmp(from, current) == 0;
}

/* A switch that was begun: made, or not made; the link tells. */
static int settle(const struct recovery *recovery, struct store_state *state,
		  const char *current, const json_t *boot_id, json_t **ret_pending,
		  struct errinfo *ei)
{
	const char *to = json_string_value(json_object_get(state->intent, "to"));
	int r;

	if (state_switched(state, current)) {
		say(recovery, "a crash came between the switch and its end:", to);
		*ret_pending = pending_of(state->intent, "switched", boot_id);
	} else if (revert_wanted(state, current)) {
		say(recovery, "a crash came before the way back to", to);
		*ret_pending = pending_of(state->intent, "intended", boot_id);
	} else {
		say(recovery, "a crash came before the switch to", to);
		r = state_settle(state, current, ei);
		return r < 0 ? r : state_save(recovery->store, state, ei);
	}
	return *ret_pending ? 0 : errinfo_set(ei, ENOMEM, "cannot reply");
}

static int settle_intent(const struct recovery *recovery, const json_t *boot_id,
			 json_t *reply, struct errinfo *ei)
{
	struct store_state state = {0};
	char current[RELEASE_ID_SIZE] = "";
	struct errinfo foreign = {0};
	json_t *pending = NULL;
	const json_t *confirm;
	int r;

	r = state_load(recovery->store, &state, ei);
	if (r < 0)
		return r;
	if (state.damaged || (state.missing && state.seq > 0)) {
		say(recovery,
		    state.damaged ? "rebuilt the damaged file"
				  : "rebuilt the lost file",
		    "state");
		r = state_save(recovery->store, &state, ei);
	}
	/* A link that is not ours is told by the view. */
	if (r == 0 && current_read(recovery->store, current, &foreign) == 0 &&
	    state.intent)
		r = settle(recovery, &state, current, boot_id, &pending, ei);
	confirm = state_confirm(&state, current);
	if (r == 0 &&
	    (json_object_set_new(reply, "pending",
				 pending ? json_incref(pending) : json_null()) < 0 ||
	     json_object_set_new(reply, "confirm",
				 confirm ? json_incref((json_t *)confirm)
					 : json_null()) < 0))
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	json_decref(pending);
	state_deinit(&state);
	return r;
}

/* One that died between a rename and its fsync left open which of them is on disk. */
static int make_durable(const struct store *store, struct errinfo *ei)
{
	int r = 0;

	if (store->app_fd >= 0)
		r = dir_sync(store->app_fd, store->app.deploy_dir, ei);
	if (r == 0 && store->releases_fd >= 0)
		r = dir_sync(store->releases_fd, store->app.releases_dir, ei);
	return r;
}

int verb_recover(struct store *store, json_t *request, json_t *reply,
		 struct errinfo *ei)
{
	cleanup_json json_t *messages = json_array();
	struct recovery recovery = {store, messages};
	struct store_state state = {0};
	int r = state_load(store, &state, ei); /* a newer one is left alone */

	state_deinit(&state);
	if (r == 0)
		r = make_durable(store, ei);
	if (r == 0)
		r = room_empty_staging(store, messages, ei);
	if (r == 0 && store->app_fd >= 0)
		r = dir_for_each(store->app_fd, remove_link, &recovery, ei);
	if (r == 0 && store->app_fd >= 0)
		r = dir_for_each(store->app_fd, remove_half_made, &recovery, ei);
	if (r == 0 && store->releases_fd >= 0)
		r = dir_for_each(store->releases_fd, remove_half_made, &recovery, ei);
	if (r == 0)
		r = dir_for_each(store->state_fd, remove_temporary, &recovery, ei);
	if (r == 0)
		r = dir_for_each(store->meta_fd, remove_temporary, &recovery, ei);
	if (r == 0)
		r = remove_orphans(&recovery, ei);
	if (r == 0 && store->releases_fd >= 0)
		r = dir_for_each(store->releases_fd, rebuild_record, &recovery, ei);
	if (r == 0)
		r = settle_intent(&recovery, request_get(request, "boot_id"), reply,
				  ei);
	if (r == 0 && json_object_set(reply, "recovered", messages) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}
