/* adopt: what follows from the survey, in words. */
#include "store/adopt_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/cleanup.h"
#include "store/layout.h"
#include "util/json_text.h"
#include "util/treewalk.h"

static void change(struct adopt *adopt, const char *action, const char *path,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5), nonnull));

static void change(struct adopt *adopt, const char *action, const char *path,
		   const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(
		adopt->changes, json_pack("{s:s, s:o, s:o}", "action", action, "path",
					  json_text(path), "text", json_text(text)));
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
		change(adopt, "create", path, "directory %s", becomes);
	else if (r > 0 && fstat(fd, &st) == 0)
		change(adopt, "repair", path, "%s becomes %s",
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
	change(adopt, "adopt", release->directory ? app->current_dir : path,
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
			change(adopt, "create", part->path, "directory 0:%u 0750",
			       app->app_gid);
		else if (part->walk.n_changes > 0)
			change(adopt, "repair", part->path,
			       "%llu files and directories become root:%s's, "
			       "which nobody else can write",
			       (unsigned long long)part->walk.n_changes,
			       adopt->app_group);
	}
}

static void plan_flags(struct adopt *adopt)
{
	const struct store_app *app = &adopt->store->app;
	const char *name = layout_name_in(app, app->flags_dir);
	cleanup_close int fd = -1;

	if (!name)
		return;
	fd = openat(adopt->store->app_fd, name,
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
		change(adopt, "replace", app->current_dir,
		       "link to %s/%s, without a moment in between", app->releases_name,
		       adopt->current->id);
	if (adopt->current_kind == ADOPT_CURRENT_DIRECTORY)
		change(adopt, "exchange", app->current_dir,
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
