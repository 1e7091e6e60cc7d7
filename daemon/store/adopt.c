/*
 * adopt: an installation of mix_deploy becomes a release store. A survey, which changes
 * nothing, and then the taking over, in steps that can be done again. Only root with
 * CAP_DAC_READ_SEARCH can do it: what is taken over is not yet its own, so deployctl
 * starts it and not deployd. The order makes it safe to be killed in: all is root's
 * before anything is recorded, all is recorded before current is touched, and current
 * is touched by one rename. Done again, it does what is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/adopt_order.h"
#include "deploy/cleanup.h"
#include "deploy/names.h"
#include "store/adopt_plan.h"
#include "store/adopt_survey.h"
#include "store/adopt_walk.h"
#include "store/current.h"
#include "store/history.h"
#include "store/layout.h"
#include "store/meta.h"
#include "store/request.h"
#include "store/state.h"
#include "store/verbs.h"
#include "util/file.h"
#include "util/inode.h"
#include "util/treewalk.h"

static int say_where(const char *path, struct errinfo *ei)
{
	struct errinfo inner = *ei;

	(void)snprintf(ei->what, sizeof(ei->what),
		       "%s: %s; mend that and run adopt again (what was done stays)",
		       path, inner.what);
	(void)names_trim_utf8(ei->what);
	return -EINVAL;
}

static int take_release(struct adopt *adopt, struct adopt_release *release,
			struct inode_links *again, struct errinfo *ei)
{
	cleanup_close int fd = adopt_open(adopt, release, ei);
	struct stat st;
	int r = fd;

	if (r >= 0 && (fstat(fd, &st) < 0 || st.st_ino != release->ino ||
		       st.st_dev != release->dev))
		r = errinfo_refuse(ei, RESULT_REJECTED, "was replaced just now");
	if (r >= 0)
		r = adopt_take(fd, &release->walk, again, ei);
	return r < 0 ? say_where(release->directory ? adopt->store->app.current_dir
						    : release->id,
				 ei)
		     : 0;
}

static int take_all(struct adopt *adopt, struct errinfo *ei)
{
	struct inode_links again = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < adopt->n_releases; i++)
		if (!adopt->releases[i].recorded)
			r = take_release(adopt, &adopt->releases[i], &again, ei);
	for (size_t i = 0; r == 0 && i < ADOPT_PARTS; i++) {
		struct adopt_part *part = &adopt->parts[i];

		if (part->fd < 0)
			continue;
		r = adopt_take(part->fd, &part->walk, &again, ei);
		if (r < 0)
			r = say_where(part->path, ei);
	}
	inode_links_deinit(&again);
	return r;
}

/* The deploy user's: all that is checked of it is that it is a directory. */
static int take_flags(const struct store *store, struct errinfo *ei)
{
	const struct store_app *app = &store->app;
	const char *name = layout_name_in(app, app->flags_dir);
	cleanup_close int fd = -1;

	if (!name)
		return 0;
	fd = openat(store->app_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errinfo_set(ei, errno, "cannot open '%s'", app->flags_dir);
	return adopt_take_dir(fd, app, app->deploy_uid, app->flags_mode, ei);
}

static int remove_stale_link(int dir_fd, const char *name, void *userdata,
			     struct errinfo *ei)
{
	const struct adopt *adopt = userdata;

	if (!adopt_is_stale_link(adopt, name))
		return 0;
	return unlinkat(dir_fd, name, 0) < 0
		       ? errinfo_set(ei, errno, "cannot remove a stale link")
		       : 0;
}

/* What was recorded of a directory before the exchange that a crash prevented. */
static int remove_orphan(int dir_fd, const char *name, void *userdata,
			 struct errinfo *ei)
{
	const struct adopt *adopt = userdata;
	cleanup_json json_t *meta = NULL;
	struct stat st;
	int r;

	(void)dir_fd;
	if (!names_release_valid(name) || meta_seq_of_id(name) == 0 ||
	    fstatat(adopt->store->releases_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT)
		return 0;
	r = meta_load(adopt->store, name, &meta, ei);
	if (r < 0 || !json_is_true(json_object_get(meta, "adopted")))
		return r == -ENOENT ? 0 : r;
	return meta_remove(adopt->store, name, ei);
}

static int save_seq(const struct adopt *adopt, struct errinfo *ei)
{
	struct store_state state = {0};
	int r = state_load(adopt->store, &state, ei);

	if (r == 0 && state.seq < adopt->seq) {
		state.seq = adopt->seq;
		r = state_save(adopt->store, &state, ei);
	}
	state_deinit(&state);
	return r;
}

/* Newer than what runs: somebody went back from it. */
static bool was_rolled_back(const struct adopt *adopt,
			    const struct adopt_release *release)
{
	return release->complete && adopt->current &&
	       release->seq > adopt->current->seq;
}

static int record(struct adopt *adopt, const struct adopt_release *release,
		  struct errinfo *ei)
{
	cleanup_json json_t *meta = NULL;
	char at[RFC3339_SIZE];
	json_t *evidence = json_null();

	names_rfc3339(release->old_name
			      ? adopt_deployed_at(release->id, release->mtime_sec)
			      : release->mtime_sec,
		      at);
	if (!release->complete)
		evidence = json_pack("{s:s, s:n, s:n, s:[]}", "reason",
				     release->why_partial, "unit_result",
				     "check_output", "journal");
	meta = json_pack(
		"{s:i, s:I, s:s, s:n, s:s?, s:I, s:I, s:s, s:b, s:b, s:b, s:o}",
		"schema", 1, "seq", (json_int_t)release->seq, "state",
		release->complete ? "good" : "bad", "sha256", "version",
		*release->version ? release->version : NULL, "bytes",
		(json_int_t)release->walk.bytes, "files",
		(json_int_t)release->walk.files, "deployed_at", at, "pinned", 0,
		"rolled_back", was_rolled_back(adopt, release), "adopted", 1,
		"evidence", evidence);
	if (!meta)
		return errinfo_set(ei, ENOMEM, "cannot write the release's meta");
	return meta_save(adopt->store, release->id, meta, ei);
}

static int record_all(struct adopt *adopt, struct errinfo *ei)
{
	int r = save_seq(adopt, ei);

	if (r == 0 && syncfs(adopt->store->releases_fd) < 0)
		r = errinfo_set(ei, errno, "cannot make the releases durable");
	for (size_t i = 0; r == 0 && i < adopt->n_releases; i++)
		if (!adopt->releases[i].recorded)
			r = record(adopt, &adopt->releases[i], ei);
	return r;
}

/*
 * The directory and a link to where it goes change places: for every reader current
 * leads to the same files before and after.
 */
static int exchange(const struct adopt *adopt, struct errinfo *ei)
{
	const struct store *store = adopt->store;
	const char *id = adopt->current->id;
	char target[RELEASE_ID_SIZE + 256];
	int r;

	(void)snprintf(target, sizeof(target), "%s/%s", store->app.releases_name, id);
	if (symlinkat(target, store->releases_fd, id) < 0)
		return layout_write_failed(store, errno, "cannot make the link", ei);
	if (renameat2(store->app_fd, store->app.current_name, store->releases_fd, id,
		      RENAME_EXCHANGE) < 0) {
		r = layout_write_failed(store, errno,
					"cannot exchange the directory for a link", ei);
		(void)unlinkat(store->releases_fd, id, 0);
		return r;
	}
	r = dir_sync(store->releases_fd, store->app.releases_dir, ei);
	return r < 0 ? r : dir_sync(store->app_fd, store->app.deploy_dir, ei);
}

static int switch_current(const struct adopt *adopt, struct errinfo *ei)
{
	int r;

	switch (adopt->current_kind) {
	case ADOPT_CURRENT_LINK:
		r = current_replace(adopt->store, adopt->current->id, ei);
		return r < 0 ? r : current_sync(adopt->store, ei);
	case ADOPT_CURRENT_DIRECTORY:
		return exchange(adopt, ei);
	case ADOPT_CURRENT_NONE:
	case ADOPT_CURRENT_OURS:
		break;
	}
	return 0;
}

static int apply(struct adopt *adopt, struct errinfo *ei)
{
	struct store *store = adopt->store;
	int r = adopt_take_dir(store->app_fd, &store->app, 0, 0750, ei);

	if (r == 0)
		r = layout_make(store, ei);
	if (r == 0)
		r = adopt_take_dir(store->releases_fd, &store->app, 0, 0750, ei);
	if (r == 0)
		r = dir_for_each(store->releases_fd, remove_stale_link, adopt, ei);
	if (r == 0)
		r = take_all(adopt, ei);
	if (r == 0)
		r = take_flags(store, ei);
	if (r == 0)
		r = record_all(adopt, ei);
	if (r == 0)
		r = switch_current(adopt, ei);
	return r < 0 ? r : dir_for_each(store->meta_fd, remove_orphan, adopt, ei);
}

static int run(struct adopt *adopt, bool dry_run, json_t *history, struct errinfo *ei)
{
	int r = adopt_survey(adopt, ei);

	if (r < 0 || json_array_size(adopt->problems) > 0)
		return r;
	adopt_plan(adopt);
	if (json_array_size(adopt->problems) > 0 ||
	    json_array_size(adopt->changes) == 0 || dry_run)
		return 0;
	r = apply(adopt, ei);
	if (r == 0 && adopt->current)
		(void)json_object_set_new(history, "to",
					  json_string(adopt->current->id));
	return r < 0 ? r : history_append(adopt->store, history, ei);
}

static void deinit(struct adopt *adopt)
{
	for (size_t i = 0; i < ADOPT_PARTS; i++)
		if (adopt->parts[i].fd >= 0)
			(void)close(adopt->parts[i].fd);
	inode_links_deinit(&adopt->links);
	free(adopt->releases);
}

int verb_adopt(struct store *store, json_t *request, json_t *reply, struct errinfo *ei)
{
	cleanup_json json_t *changes = json_array(), *notes = json_array(),
			    *problems = json_array();
	struct adopt adopt = {
		.store = store,
		.executable = request_text(request, "executable"),
		.require = request_get(request, "require"),
		.deploy_user = request_text(request, "deploy_user"),
		.app_group = request_text(request, "app_group"),
		.changes = changes,
		.notes = notes,
		.problems = problems,
	};
	int r = 0;

	for (size_t i = 0; i < ADOPT_PARTS; i++)
		adopt.parts[i].fd = -1;
	if (!changes || !notes || !problems)
		return errinfo_set(ei, ENOMEM, "cannot reply");
	if (store->app_fd < 0)
		r = errinfo_refuse(ei, RESULT_NOT_FOUND,
				   "there is nothing to adopt: '%s' is not there",
				   store->app.deploy_dir);
	if (r == 0)
		r = run(&adopt, request_bool(request, "dry_run"),
			request_get(request, "history"), ei);
	deinit(&adopt);
	if (r == 0 && (json_object_set(reply, "changes", changes) < 0 ||
		       json_object_set(reply, "notes", notes) < 0 ||
		       json_object_set(reply, "problems", problems) < 0))
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	/* Nobody asked for it, and of an installation of old it cannot be made. */
	if (r == 0 && json_object_set_new(reply, "view", json_null()) < 0)
		r = errinfo_set(ei, ENOMEM, "cannot reply");
	return r;
}
