/* adopt: what is there. Nothing is changed here. */
#include "store/adopt_survey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/adopt_order.h"
#include "deploy/cleanup.h"
#include "store/layout.h"
#include "store/meta.h"
#include "store/state.h"
#include "util/file.h"
#include "util/json_text.h"
#include "util/safedir.h"

#define RELEASES_MAX 10000u

static void add_text(json_t *list, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void add_text(json_t *list, const char *fmt, va_list ap)
{
	char text[2048];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	(void)json_array_append_new(list, json_text(text));
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

int adopt_open(const struct adopt *adopt, const struct adopt_release *release,
	       struct errinfo *ei)
{
	const struct store *store = adopt->store;
	int fd = openat(release->directory ? store->app_fd : store->releases_fd,
			release->directory ? store->app.current_name : release->id,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? errinfo_set(ei, errno, "cannot open release %s", release->id)
		      : fd;
}

bool adopt_is_stale_link(const struct adopt *adopt, const char *name)
{
	char target[RELEASE_ID_SIZE + 256], wanted[RELEASE_ID_SIZE + 256];
	ssize_t n = readlinkat(adopt->store->releases_fd, name, target, sizeof(target));

	(void)snprintf(wanted, sizeof(wanted), "%s/%s", adopt->store->app.releases_name,
		       name);
	return names_release_valid(name) && n == (ssize_t)strlen(wanted) &&
	       memcmp(target, wanted, (size_t)n) == 0;
}

static struct adopt_release *add_release(struct adopt *adopt)
{
	struct adopt_release *release;

	if (adopt->n_releases == adopt->capacity) {
		size_t capacity = adopt->capacity ? 2 * adopt->capacity : 16;
		struct adopt_release *list =
			adopt->n_releases < RELEASES_MAX
				? realloc(adopt->releases, capacity * sizeof(*list))
				: NULL;

		if (!list)
			return NULL;
		adopt->releases = list;
		adopt->capacity = capacity;
	}
	release = &adopt->releases[adopt->n_releases++];
	*release = (struct adopt_release){
		.walk = {.app = &adopt->store->app, .links = &adopt->links}};
	return release;
}

static bool is_hidden(const char *name)
{
	size_t n = strlen(name), m = strlen(SAFEDIR_SUFFIX);

	return strcmp(name, STORE_STAGING) == 0 || strcmp(name, STORE_RESERVE) == 0 ||
	       (name[0] == '.' && n > m && strcmp(name + n - m, SAFEDIR_SUFFIX) == 0);
}

static int survey_release(int dir_fd, const char *name, void *userdata,
			  struct errinfo *ei)
{
	struct adopt *adopt = userdata;
	struct adopt_release *release;
	json_t *meta = NULL;
	char shown[128];
	struct stat st;
	int r;

	if (is_hidden(name) || adopt_is_stale_link(adopt, name))
		return 0;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errinfo_set(ei, errno, "cannot examine '%s'",
				   names_escape(name, shown, sizeof(shown)));
	if (!names_release_valid(name) || !S_ISDIR(st.st_mode)) {
		adopt_note(adopt, "left as it is: %s/%s is no release (%s)",
			   adopt->store->app.releases_dir, name,
			   S_ISDIR(st.st_mode) ? "its name is no timestamp"
					       : "not a directory");
		return 0;
	}
	release = add_release(adopt);
	if (!release)
		return errinfo_refuse(ei, RESULT_FAILED, "more than %u releases",
				      RELEASES_MAX);
	(void)snprintf(release->id, sizeof(release->id), "%s", name);
	release->old_name = meta_seq_of_id(name) == 0;
	release->dev = st.st_dev;
	release->ino = st.st_ino;
	release->mtime_sec = st.st_mtim.tv_sec;
	r = meta_load(adopt->store, name, &meta, ei);
	if (r < 0 && r != -ENOENT)
		return r;
	release->recorded = r == 0;
	release->seq = (uint64_t)json_integer_value(json_object_get(meta, "seq"));
	json_decref(meta);
	return 0;
}

/* "ERTS RELEASE" in releases/start_erl.data, where there is a releases/. */
static bool has_erlang_parts(int fd, struct adopt_release *release)
{
	cleanup_close int dir_fd = -1, version_fd = -1;
	cleanup_free char *text = NULL;
	struct errinfo ignored = {0};
	char *version, *end;

	dir_fd =
		openat(fd, "releases", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0)
		return true; /* no Erlang: there is nothing to say about it */
	if (file_read(dir_fd, "start_erl.data", 256, &text, &ignored) < 0)
		return false;
	version = strchr(text, ' ');
	if (!version)
		return false;
	version++;
	end = version + strcspn(version, " \t\r\n");
	*end = '\0';
	if (*version == '\0' || strchr(version, '/') || version[0] == '.')
		return false;
	version_fd =
		openat(dir_fd, version, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (version_fd < 0)
		return false;
	if (strlen(version) < sizeof(release->version))
		(void)strcpy(release->version, version);
	return true;
}

/* What a deploy that failed in the middle lacks. */
static void judge(const struct adopt *adopt, int fd, struct adopt_release *release)
{
	cleanup_close int file_fd = inode_find(fd, adopt->executable);
	struct stat st;
	json_t *item;
	size_t i;

	if (file_fd < 0 || fstat(file_fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    !(st.st_mode & S_IXUSR)) {
		(void)snprintf(release->why_partial, sizeof(release->why_partial),
			       "it has no executable '%s'", adopt->executable);
		return;
	}
	json_array_foreach ((json_t *)adopt->require, i, item) {
		cleanup_close int required_fd = inode_find(fd, json_string_value(item));

		if (required_fd >= 0)
			continue;
		(void)snprintf(release->why_partial, sizeof(release->why_partial),
			       "it has no '%.200s', which require_files asks for",
			       json_string_value(item));
		return;
	}
	if (!has_erlang_parts(fd, release)) {
		(void)snprintf(release->why_partial, sizeof(release->why_partial),
			       "its 'releases/start_erl.data' is missing, or names a "
			       "version that is");
		return;
	}
	release->complete = true;
}

static const char *path_of(const struct adopt *adopt,
			   const struct adopt_release *release, char ret_path[1100])
{
	if (release->directory)
		(void)snprintf(ret_path, 1100, "%s", adopt->store->app.current_dir);
	else
		(void)snprintf(ret_path, 1100, "%s/%s", adopt->store->app.releases_dir,
			       release->id);
	return ret_path;
}

/* Of one that is a release already only the names of its files matter. */
static void examine_release(struct adopt *adopt, struct adopt_release *release)
{
	struct errinfo problem = {0};
	char path[1100];
	cleanup_close int fd = adopt_open(adopt, release, &problem);
	int r = fd < 0 ? fd : adopt_examine(fd, &release->walk, &problem);

	if (release->recorded)
		return;
	path_of(adopt, release, path);
	if (r < 0 && !release->directory)
		adopt_problem(adopt,
			      "%s: %s; mend that, or remove the release: rm -r %s",
			      path, problem.what, path);
	else if (r < 0)
		adopt_problem(adopt, "%s: %s; mend that", path, problem.what);
	else
		judge(adopt, fd, release);
}

static struct adopt_release *find_directory(const struct adopt *adopt,
					    const struct stat *st)
{
	for (size_t i = 0; i < adopt->n_releases; i++)
		if (adopt->releases[i].dev == st->st_dev &&
		    adopt->releases[i].ino == st->st_ino)
			return &adopt->releases[i];
	return NULL;
}

/* Whatever the link is written like: what counts is where it leads. */
static void examine_link(struct adopt *adopt, const char *target)
{
	const struct store *store = adopt->store;
	const struct adopt_release *release = NULL;
	char wanted[RELEASE_ID_SIZE + 256], shown[256];
	cleanup_close int fd = openat(store->app_fd, store->app.current_name,
				      O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		release = find_directory(adopt, &st);
	if (!release) {
		adopt_problem(adopt,
			      "%s points to '%s', which is no release in %s; let it "
			      "point to the release that runs: ln -sfn %s/RELEASE %s",
			      store->app.current_dir,
			      names_escape(target, shown, sizeof(shown)),
			      store->app.releases_dir, store->app.releases_dir,
			      store->app.current_dir);
		return;
	}
	(void)snprintf(wanted, sizeof(wanted), "%s/%s", store->app.releases_name,
		       release->id);
	adopt->current = release;
	adopt->current_kind =
		strcmp(target, wanted) == 0 ? ADOPT_CURRENT_OURS : ADOPT_CURRENT_LINK;
}

static int add_directory(struct adopt *adopt, const struct stat *st, struct errinfo *ei)
{
	struct adopt_release *release = add_release(adopt);

	if (!release)
		return errinfo_set(ei, ENOMEM, "cannot examine the releases");
	release->directory = true;
	release->dev = st->st_dev;
	release->ino = st->st_ino;
	release->mtime_sec = st->st_mtim.tv_sec;
	adopt->current_kind = ADOPT_CURRENT_DIRECTORY;
	return 0;
}

static int survey_current(struct adopt *adopt, struct errinfo *ei)
{
	const struct store *store = adopt->store;
	char target[1024];
	struct stat st;
	ssize_t n;

	if (fstatat(store->app_fd, store->app.current_name, &st, AT_SYMLINK_NOFOLLOW) <
	    0)
		return errno == ENOENT ? 0
				       : errinfo_set(ei, errno, "cannot examine '%s'",
						     store->app.current_dir);
	if (S_ISDIR(st.st_mode))
		return add_directory(adopt, &st, ei);
	n = readlinkat(store->app_fd, store->app.current_name, target,
		       sizeof(target) - 1);
	if (n < 0) {
		adopt_problem(adopt, "%s is neither a link nor a directory; remove it",
			      store->app.current_dir);
		return 0;
	}
	target[n] = '\0';
	examine_link(adopt, target);
	return 0;
}

static void examine_part(struct adopt *adopt, struct adopt_part *part, const char *path,
			 mode_t file_mode)
{
	struct errinfo problem = {0};

	*part = (struct adopt_part){.path = path,
				    .name = layout_name_in(&adopt->store->app, path),
				    .walk = {.app = &adopt->store->app,
					     .links = &adopt->links,
					     .file_mode = file_mode,
					     .root_links = true},
				    .fd = -1};
	if (!part->name)
		return;
	part->fd = openat(adopt->store->app_fd, part->name,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part->fd < 0 && errno == ENOENT)
		return;
	if (part->fd < 0)
		adopt_problem(adopt,
			      "%s is not a directory that can be opened (%s); "
			      "a link is not followed: put the directory itself "
			      "there",
			      path, strerror(errno));
	else if (adopt_examine(part->fd, &part->walk, &problem) < 0)
		adopt_problem(adopt, "%s: %s; mend that, or remove it", path,
			      problem.what);
}

static void examine_dir(struct adopt *adopt, int fd, const char *path)
{
	struct errinfo problem = {0};

	if (fd >= 0 && adopt_examine_dir(fd, &adopt->store->app, 0, 0750, &problem) < 0)
		adopt_problem(adopt, "%s: %s; mend that: chown root %s", path,
			      problem.what, path);
}

/* What is mounted on a directory of it cannot be moved, or moves away under us. */
static void check_same_mount(struct adopt *adopt, const struct adopt_release *release)
{
	const struct store *store = adopt->store;
	struct treewalk_mount app = {0}, releases = {0};
	int r = treewalk_mount_of(store->app_fd, &app);

	if (r == 0)
		r = treewalk_mount_of(store->releases_fd, &releases);
	if (r == 0 && !treewalk_mount_same(&release->walk.mount,
					   release->directory ? &app : &releases))
		adopt_problem(adopt, "%s: something is mounted there; unmount it",
			      release->directory ? store->app.current_dir
						 : release->id);
	else if (r == 0 && release->directory && !treewalk_mount_same(&app, &releases))
		adopt_problem(adopt,
			      "%s and %s are different file systems: the release in "
			      "%s cannot be moved there",
			      store->app.deploy_dir, store->app.releases_dir,
			      store->app.current_dir);
}

static void examine_all(struct adopt *adopt)
{
	const struct store *store = adopt->store;
	struct errinfo problem = {0};
	size_t n_complete = 0, n_new = 0;

	examine_dir(adopt, store->app_fd, store->app.deploy_dir);
	examine_dir(adopt, store->releases_fd, store->app.releases_dir);
	for (size_t i = 0; i < adopt->n_releases; i++) {
		struct adopt_release *release = &adopt->releases[i];

		examine_release(adopt, release);
		if (!release->recorded)
			check_same_mount(adopt, release);
		n_new += !release->recorded;
		n_complete += release->complete || release->recorded;
	}
	if (n_new > 0 && n_complete == 0 && json_array_size(adopt->problems) == 0)
		adopt_problem(adopt,
			      "no release has an executable '%s' and what belongs to "
			      "it; is release_name right?",
			      adopt->executable);
	examine_part(adopt, &adopt->parts[0], store->app.scripts_dir, 0750);
	examine_part(adopt, &adopt->parts[1], store->app.etc_dir, 0);
	if (inode_links_check(&adopt->links, &problem) < 0 && n_new > 0)
		adopt_problem(adopt,
			      "%s: %s (`find %s -type f -links +1` shows such files); "
			      "copy it, and rename the copy to its name",
			      store->app.deploy_dir, problem.what,
			      store->app.deploy_dir);
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

static void give_numbers(struct adopt *adopt)
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

static int number(struct adopt *adopt, struct errinfo *ei)
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
	give_numbers(adopt);
	adopt->current = NULL;
	for (size_t i = 0; i < adopt->n_releases; i++)
		if (adopt->current_kind == ADOPT_CURRENT_DIRECTORY
			    ? adopt->releases[i].directory
			    : strcmp(adopt->releases[i].id, current) == 0)
			adopt->current = &adopt->releases[i];
	return 0;
}

int adopt_survey(struct adopt *adopt, struct errinfo *ei)
{
	const struct store *store = adopt->store;
	int r = 0;

	if (store->releases_fd >= 0)
		r = dir_for_each(store->releases_fd, survey_release, adopt, ei);
	if (r == 0)
		r = survey_current(adopt, ei);
	if (r < 0)
		return r;
	examine_all(adopt);
	return json_array_size(adopt->problems) > 0 ? 0 : number(adopt, ei);
}
