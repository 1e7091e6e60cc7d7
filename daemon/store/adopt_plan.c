/* adopt: what follows from the survey, in numbers and in words. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adopt_order.h"
#include "deploy/cleanup.h"
#include "store/adopt.h"

static void add_text(json_t *list, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void add_text(json_t *list, const char *fmt, va_list ap)
{
	char text[2048];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)json_array_append_new(list, text_json(text));
}

void adopt_note(struct adopt *adopt, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(adopt->notes, fmt, ap);
	va_end(ap);
}

void adopt_problem(struct adopt *adopt, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_text(adopt->problems, fmt, ap);
	va_end(ap);
}

void adopt_change(struct adopt *adopt, const char *action, const char *path,
		  const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(
		adopt->changes, json_pack("{s:s, s:o, s:o}", "action", action, "path",
					  text_json(path), "text", text_json(text)));
}

/* Old names by their time, then what deployd made, then the directory that runs. */
static int compare(const void *a, const void *b)
{
	const struct adopt_release *x = a, *y = b;

	if (x->directory != y->directory)
		return x->directory ? 1 : -1;
	if (x->old_name != y->old_name)
		return x->old_name ? -1 : 1;
	if (x->old_name)
		return adopt_compare(x->id, y->id);
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/*
 * 1, 2, 3 and so on, when these numbers are free: then an adopt that was interrupted
 * gives each the same again.
 */
static bool can_count_from_one(const struct adopt *adopt)
{
	uint64_t n_old = 0;

	for (size_t i = 0; i < adopt->n_releases; i++) {
		const struct adopt_release *release = &adopt->releases[i];

		if (release->old_name && release->recorded && release->seq != n_old + 1)
			return false;
		n_old += release->old_name;
		if (!release->old_name && !release->directory && release->seq <= n_old)
			return false;
	}
	return true;
}

static void number_releases(struct adopt *adopt)
{
	bool from_one = can_count_from_one(adopt);
	uint64_t n_old = 0;

	for (size_t i = 0; i < adopt->n_releases; i++) {
		struct adopt_release *release = &adopt->releases[i];

		n_old += release->old_name;
		if (!release->recorded && release->old_name)
			release->seq = from_one ? n_old : ++adopt->seq;
		if (release->seq > adopt->seq)
			adopt->seq = release->seq;
		if (release->directory)
			names_release_format(release->mtime_sec,
					     release->seq = ++adopt->seq, release->id);
	}
}

int adopt_number(struct adopt *adopt, struct errinfo *ei)
{
	struct store_state state = {0};
	char current[RELEASE_ID_SIZE] = "";
	int r = state_load(adopt->store, &state, ei);

	if (r < 0)
		return r;
	adopt->seq = state.seq;
	state_deinit(&state);
	if (adopt->current)
		(void)strcpy(current, adopt->current->id);
	for (size_t i = 0; i < adopt->n_releases; i++)
		if (!adopt->releases[i].old_name && !adopt->releases[i].directory)
			adopt->releases[i].seq = meta_seq_of_id(adopt->releases[i].id);
	if (adopt->n_releases > 0)
		qsort(adopt->releases, adopt->n_releases, sizeof(*adopt->releases),
		      compare);
	number_releases(adopt);
	adopt->current = NULL;
	for (size_t i = 0; i < adopt->n_releases; i++)
		if (adopt->current_kind == ADOPT_CURRENT_DIRECTORY
			    ? adopt->releases[i].directory
			    : strcmp(adopt->releases[i].id, current) == 0)
			adopt->current = &adopt->releases[i];
	return 0;
}

/* "deploy:hello 0750" */
static const char *owner_text(const struct adopt *adopt, const struct stat *st,
			      char ret_text[128])
{
	const struct store_app *app = &adopt->store->app;
	char user[16], group[16];

	(void)snprintf(user, sizeof(user), "%u", (unsigned int)st->st_uid);
	(void)snprintf(group, sizeof(group), "%u", (unsigned int)st->st_gid);
	(void)snprintf(ret_text, 128, "%.48s:%.48s %04o",
		       st->st_uid == 0		       ? "root"
		       : st->st_uid == app->deploy_uid ? adopt->deploy_user
						       : user,
		       st->st_gid == app->app_gid ? adopt->app_group
		       : st->st_gid == 0	  ? "root"
						  : group,
		       (unsigned int)st->st_mode & 07777);
	return ret_text;
}

static void plan_dir(struct adopt *adopt, int fd, const char *path, uid_t uid,
		     mode_t mode)
{
	const struct store_app *app = &adopt->store->app;
	const struct stat wanted = {
		.st_uid = uid, .st_gid = app->app_gid, .st_mode = mode};
	char is[128], becomes[128];
	struct errinfo problem = {0};
	struct stat st;
	int r = fd < 0 ? 1 : adopt_examine_dir(fd, app, uid, mode, &problem);

	(void)owner_text(adopt, &wanted, becomes);
	if (r < 0)
		adopt_problem(adopt, "%s: %s; mend that", path, problem.what);
	else if (fd < 0)
		adopt_change(adopt, "create", path, "directory %s", becomes);
	else if (r > 0 && fstat(fd, &st) == 0)
		adopt_change(adopt, "repair", path, "%s becomes %s",
			     owner_text(adopt, &st, is), becomes);
}

static void plan_release(struct adopt *adopt, const struct adopt_release *release)
{
	const struct store_app *app = &adopt->store->app;
	const char *newer = adopt->current && release->seq > adopt->current->seq
				    ? "; newer than the current one, so it was rolled "
				      "back from: `activate` can go there"
				    : "";
	char path[1100], version[80] = "";

	(void)snprintf(path, sizeof(path), "%s/%s", app->releases_dir, release->id);
	if (*release->version)
		(void)snprintf(version, sizeof(version), "version %s, ",
			       release->version);
	adopt_change(adopt, "adopt", release->directory ? app->current_dir : path,
		     "%s%s, %s%llu files, %llu bytes; %llu change owner or mode, to "
		     "root:%s%s",
		     release->complete ? "good" : "bad: ",
		     release->complete ? "" : release->why_partial, version,
		     (unsigned long long)release->walk.files,
		     (unsigned long long)release->walk.bytes,
		     (unsigned long long)release->walk.n_changes, adopt->app_group,
		     release->complete ? newer : "");
}

static void plan_parts(struct adopt *adopt)
{
	for (size_t i = 0; i < ADOPT_PARTS; i++) {
		const struct adopt_part *part = &adopt->parts[i];
		const struct store_app *app = &adopt->store->app;

		if (!part->name)
			continue;
		if (part->fd < 0)
			adopt_change(adopt, "create", part->path, "directory 0:%u 0750",
				     app->app_gid);
		else if (part->walk.n_changes > 0)
			adopt_change(adopt, "repair", part->path,
				     "%llu files and directories become root:%s's, "
				     "which nobody else can write",
				     (unsigned long long)part->walk.n_changes,
				     adopt->app_group);
	}
}

static void plan_flags(struct adopt *adopt)
{
	const struct store_app *app = &adopt->store->app;
	size_t n = strlen(app->deploy_dir);
	cleanup_close int fd = -1;

	if (strncmp(app->flags_dir, app->deploy_dir, n) != 0 ||
	    app->flags_dir[n] != '/' || strchr(app->flags_dir + n + 1, '/'))
		return;
	fd = openat(adopt->store->app_fd, app->flags_dir + n + 1,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		adopt_problem(adopt, "%s is not a directory that can be opened (%s)",
			      app->flags_dir, strerror(errno));
	else
		plan_dir(adopt, fd, app->flags_dir, app->deploy_uid, app->flags_mode);
}

static void plan_current(struct adopt *adopt)
{
	const struct store_app *app = &adopt->store->app;

	if (adopt->current_kind == ADOPT_CURRENT_LINK)
		adopt_change(adopt, "replace", app->current_dir,
			     "link to %s/%s, without a moment in between",
			     app->releases_name, adopt->current->id);
	if (adopt->current_kind == ADOPT_CURRENT_DIRECTORY)
		adopt_change(adopt, "exchange", app->current_dir,
			     "the directory becomes %s/%s, a link to that takes its "
			     "place, without a moment in between",
			     app->releases_dir, adopt->current->id);
	if (adopt->current && !adopt->current->recorded && !adopt->current->complete)
		adopt_note(adopt,
			   "the current release is partial; go back to one that is "
			   "good: deployctl rollback %s",
			   app->name);
	if (!adopt->current && adopt->n_releases > 0)
		adopt_note(adopt,
			   "there is no %s: choose a release with deployctl activate "
			   "%s@RELEASE",
			   app->current_dir, app->name);
}

static int note_rest(int dir_fd, const char *name, void *userdata, struct errinfo *ei)
{
	struct adopt *adopt = userdata;
	const struct store_app *app = &adopt->store->app;
	const char *flags = strrchr(app->flags_dir, '/') + 1;

	(void)dir_fd, (void)ei;
	for (size_t i = 0; i < ADOPT_PARTS; i++)
		if (adopt->parts[i].name && strcmp(adopt->parts[i].name, name) == 0)
			return 0;
	if (strcmp(name, app->current_name) != 0 &&
	    strcmp(name, app->releases_name) != 0 && strcmp(name, flags) != 0 &&
	    name[0] != '.')
		adopt_note(adopt, "left as it is: %s/%s", app->deploy_dir, name);
	return 0;
}

void adopt_plan(struct adopt *adopt)
{
	const struct store *store = adopt->store;
	struct errinfo ignored = {0};

	plan_dir(adopt, store->app_fd, store->app.deploy_dir, 0, 0750);
	plan_dir(adopt, store->releases_fd, store->app.releases_dir, 0, 0750);
	for (size_t i = 0; i < adopt->n_releases; i++)
		if (!adopt->releases[i].recorded)
			plan_release(adopt, &adopt->releases[i]);
	plan_parts(adopt);
	plan_flags(adopt);
	plan_current(adopt);
	if (dir_for_each(store->app_fd, note_rest, adopt, &ignored) < 0)
		adopt_note(adopt, "%s", ignored.what);
}
