/*
 * The commit point: the intent is on disk before it, the link is replaced by rename,
 * and "switched" is said only when the directory has reached the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "deploy/cleanup.h"
#include "store/store.h"

static int check_target(const struct store *store, const char *to, struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	struct stat st;

	if (names_release_valid(to))
		meta = meta_load(store, to);
	if (!meta || store->releases_fd < 0 ||
	    fstatat(store->releases_fd, to, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return errinfo_refuse(ei, RESULT_NOT_FOUND, "there is no release %s",
				      to);
	return 0;
}

static int check_if_current(const json_t *wanted, const char *current,
			    struct errinfo *ei)
{
	const char *id = json_string_value(wanted);

	if (!wanted || strcmp(id ? id : "", current) == 0)
		return 0;
	return errinfo_refuse(ei, RESULT_IF_CURRENT,
			      "the current release is %s, not %s; nothing was changed",
			      *current ? current : "none", id ? id : "none");
}

static int save_intent(struct store *store, const char *op, const char *from,
		       const char *to, const char *job, json_t *by, struct errinfo *ei)
{
#ifdef BREAK_NO_INTENT
	(void)store, (void)op, (void)from, (void)to, (void)job, (void)by, (void)ei;
	return 0;
#else
	struct store_state state = {0};
	struct timespec boot = {0};
	char at[RFC3339_SIZE];
	int r;

	r = state_load(store, &state, ei);
	if (r < 0)
		return r;
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	names_rfc3339(store->now_sec, at);
	if (json_object_set_new(state.json, "seq",
				json_integer((json_int_t)state.seq)) < 0 ||
	    json_object_set(state.json, "activated_by", by) < 0 ||
	    json_object_set_new(state.json, "activated_at", json_string(at)) < 0 ||
	    json_object_set_new(
		    state.json, "intent",
		    json_pack("{s:s, s:o, s:s, s:s, s:O, s:I}", "op", op, "from",
			      *from ? json_string(from) : json_null(), "to", to, "job",
			      job, "by", by, "boottime_sec", (json_int_t)boot.tv_sec)) <
		    0)
		r = errinfo_set(ei, ENOMEM, "cannot write the intent");
	else
		r = state_save(store, state.json, ei);
	state_deinit(&state);
	return r;
#endif
}

static int replace_link(const struct store *store, const char *to, struct errinfo *ei)
{
	char target[RELEASE_ID_SIZE + 256], name[64];

	(void)snprintf(target, sizeof(target), "%s/%s", store->app.releases_name, to);
	(void)snprintf(name, sizeof(name), STORE_LINK_PREFIX "%ld", (long)getpid());
#ifdef BREAK_UNLINK_SYMLINK
	(void)unlinkat(store->app_fd, store->app.current_name, 0);
	if (symlinkat(target, store->app_fd, store->app.current_name) < 0)
		return errinfo_set(ei, errno, "cannot make the link");
	return 0;
#endif
	if (unlinkat(store->app_fd, name, 0) < 0 && errno != ENOENT)
		return errinfo_set(ei, errno, "cannot remove a stale link");
	if (symlinkat(target, store->app_fd, name) < 0)
		return errinfo_set(ei, errno, "cannot make the link");
	if (renameat(store->app_fd, name, store->app_fd, store->app.current_name) < 0) {
		int r = errinfo_set(ei, errno, "cannot switch to %s", to);

		(void)unlinkat(store->app_fd, name, 0);
		return r;
	}
	return 0;
}

static int sync_app(const struct store *store, struct errinfo *ei)
{
#ifdef BREAK_NO_FSYNC_APP
	(void)store;
	(void)ei;
	return 0;
#else
	return dir_sync(store->app_fd, store->app.deploy_dir, ei);
#endif
}

int verb_switch(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	const char *to, *op, *job;
	json_t *by, *if_current = NULL;
	char current[RELEASE_ID_SIZE];
	int r;

	r = request_unpack(request, ei, "{s:s, s:s, s:s, s:o, s?o}", "to", &to, "op",
			   &op, "job", &job, "by", &by, "if_current", &if_current);
	if (r == 0)
		r = view_current(store, current, ei);
	if (r == 0)
		r = check_target(store, to, ei);
	if (r == 0)
		r = check_if_current(if_current, current, ei);
	if (r == 0)
		r = save_intent(store, op, current, to, job, by, ei);
	/* A full disk may have no inode for the link: what is of no use goes first. */
	if (r < 0 && ei->result == RESULT_NO_SPACE &&
	    recover_empty_staging(store, NULL, ei) == 0)
		r = save_intent(store, op, current, to, job, by, ei);
	if (r == 0)
		r = replace_link(store, to, ei);
	if (r == 0)
		r = sync_app(store, ei);
	if (r < 0)
		return r;
	if (json_object_set_new(reply, "from",
				*current ? json_string(current) : json_null()) < 0)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	return 0;
}
