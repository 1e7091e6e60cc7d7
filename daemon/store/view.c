#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/retention.h"
#include "deploy/cleanup.h"
#include "store/store.h"

/* The id in "releases/ID"; NULL when the target is anything else. */
static const char *id_of(const struct store *store, const char *target)
{
	size_t n = strlen(store->app.releases_name);

	if (strncmp(target, store->app.releases_name, n) != 0 || target[n] != '/' ||
	    !names_release_valid(target + n + 1))
		return NULL;
	return target + n + 1;
}

int view_current(const struct store *store, char ret_release[RELEASE_ID_SIZE],
		 struct errinfo *ei)
{
	char target[512], shown[256];
	const char *id;
	ssize_t n;

	ret_release[0] = '\0';
	if (store->app_fd < 0)
		return 0;
	n = readlinkat(store->app_fd, store->app.current_name, target,
		       sizeof(target) - 1);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0 && errno == EINVAL)
		return errinfo_refuse(
			ei, RESULT_BAD_CONFIG,
			"'%s' is not a link: move it away (an installation "
			"without releases?), then deploy again",
			store->app.current_dir);
	if (n < 0)
		return errinfo_set(ei, errno, "cannot read '%s'",
				   store->app.current_dir);
	target[n] = '\0';
	id = id_of(store, target);
	if (!id)
		return errinfo_refuse(ei, RESULT_BAD_CONFIG,
				      "'%s' points to '%s', not to '%s/ID': remove the "
				      "link, or move that tree away, then deploy again",
				      store->app.current_dir,
				      names_escape(target, shown, sizeof(shown)),
				      store->app.releases_name);
	(void)strcpy(ret_release, id);
	return 0;
}

static bool is_directory(int dir_fd, const char *name)
{
	struct stat st;

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

static json_t *copy_or_null(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *describe(const char *id, const json_t *meta)
{
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
		"id", id, "seq", copy_or_null(meta, "seq"), "state",
		copy_or_null(meta, "state"), "sha256", copy_or_null(meta, "sha256"),
		"version", copy_or_null(meta, "version"), "revision",
		copy_or_null(meta, "revision"), "message",
		copy_or_null(meta, "message"), "bytes", copy_or_null(meta, "bytes"),
		"files", copy_or_null(meta, "files"), "deployed_by",
		copy_or_null(meta, "deployed_by"), "deployed_at",
		copy_or_null(meta, "deployed_at"), "pinned",
		json_is_true(json_object_get(meta, "pinned")), "rolled_back",
		json_is_true(json_object_get(meta, "rolled_back")));
}

static json_int_t seq_of(const json_t *release)
{
	return json_integer_value(json_object_get(release, "seq"));
}

static int compare_newest_first(const void *a, const void *b)
{
	json_int_t x = seq_of(*(json_t *const *)a), y = seq_of(*(json_t *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *sorted(json_t *releases)
{
	size_t n = json_array_size(releases);
	cleanup_free json_t **list = calloc(n + 1, sizeof(json_t *));
	json_t *result = json_array();

	for (size_t i = 0; list && i < n; i++)
		list[i] = json_array_get(releases, i);
	if (list)
		qsort(list, n, sizeof(json_t *), compare_newest_first);
	for (size_t i = 0; list && i < n; i++)
		(void)json_array_append(result, list[i]);
	return result;
}

/* Releases are what has a directory and a meta; strangers in releases/ are left alone.
 */
static json_t *list_releases(const struct store *store)
{
	cleanup_json json_t *releases = json_array();
	const struct dirent *entry;
	DIR *dir = NULL;
	int fd = -1;

	if (store->releases_fd >= 0)
		fd = openat(store->meta_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		dir = fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		cleanup_json json_t *meta = NULL;

		if (!names_release_valid(entry->d_name) ||
		    !is_directory(store->releases_fd, entry->d_name))
			continue;
		meta = meta_load(store, entry->d_name);
		if (meta)
			(void)json_array_append_new(releases,
						    describe(entry->d_name, meta));
	}
	if (dir)
		(void)closedir(dir);
	return sorted(releases);
}

static const char *previous_of(const json_t *releases, const char *current)
{
	size_t n = json_array_size(releases);
	cleanup_free struct retention_release *list = calloc(n + 1, sizeof(*list));
	size_t at;

	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++)
		list[i] = retention_release_from_json(json_array_get(releases, i));
	at = retention_rollback_target(list, n, current);
	return at < n ? list[at].id : NULL;
}

json_t *view_make(struct store *store, struct errinfo *ei)
{
	cleanup_json json_t *releases = list_releases(store);
	cleanup_free char *text = NULL;
	struct store_state state = {0};
	struct errinfo problem = {0};
	char current[RELEASE_ID_SIZE];
	const char *previous = NULL;
	json_t *view;

	if (view_current(store, current, &problem) == 0 && current[0] != '\0' &&
	    !is_directory(store->releases_fd, current))
		(void)errinfo_refuse(
			&problem, RESULT_FAILED,
			"current points to %s, which is not there; roll back "
			"or deploy",
			current);
	if (current[0] != '\0')
		previous = previous_of(releases, current);
	view = json_pack("{s:o, s:o, s:o, s:n, s:n, s:O}", "current",
			 current[0] ? json_string(current) : json_null(), "previous",
			 previous ? json_string(previous) : json_null(), "degraded",
			 problem.what[0] ? json_string(problem.what) : json_null(),
			 "activated_by", "activated_at", "releases", releases);
	if (!view) {
		(void)errinfo_set(ei, ENOMEM, "cannot describe the releases");
		return NULL;
	}
	/* Best effort: who activated it is told, not decided by. */
	if (current[0] != '\0' &&
	    file_read(store->state_fd, "state", 65536, &text, &problem) == 0) {
		json_t *file = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

		state.json = json_object_get(file, "state");
		(void)json_object_set_new(view, "activated_by",
					  copy_or_null(state.json, "activated_by"));
		(void)json_object_set_new(view, "activated_at",
					  copy_or_null(state.json, "activated_at"));
		json_decref(file);
	}
	return view;
}
